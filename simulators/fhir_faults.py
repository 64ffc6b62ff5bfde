"""Bad days of a server, on order: refusing, throttling, hanging, answering rubbish, cutting its answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Deed(StrEnum):
    """What goes wrong."""

    STATUS = "status"
    """An answer with that status; nothing is stored."""
    HANG = "hang"
    """No answer, ever; nothing is stored."""
    DROP = "drop"
    """The connection is closed without an answer; nothing is stored."""
    RUBBISH = "rubbish"
    """A web page with status 200; nothing is stored."""
    LOSE = "lose"
    """The work is done, then the connection is closed without an answer."""
    CUT = "cut"
    """The work is done, then half of the answer is sent and the connection closed."""
    SHORT = "short"
    """The work of a batch is done, but the last entry of the response is missing."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, or one entry of a batch, as far as a fault may look at it."""

    method: str
    interaction: str
    """`create`, `update`, `search`, `read`, `history`, `batch`, `capabilities`."""
    resource_type: str | None = None
    resource: Mapping[str, Any] | None = field(default=None, repr=False)
    in_batch: bool = False
    number: int = 0
    """Which request since start, from 1; entries of a batch have that of their batch."""


@dataclass(slots=True)
class Fault:
    """One order: what to do, to which asks, how many times."""

    deed: Deed
    times: int | None = 1
    """None: until cleared."""
    status: int = 500
    outcome: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    where: Callable[[Ask], bool] = lambda ask: not ask.in_batch


class Faults:
    """Orders in the sequence they were given; each ask meets the first that wants it."""

    def __init__(self) -> None:
        self._orders: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._orders.append(fault)

    def clear(self) -> None:
        self._orders.clear()

    def take(self, ask: Ask) -> Fault | None:
        """The fault for this ask; one time less is left of it."""
        fault = next((order for order in self._orders if order.where(ask)), None)
        if fault is not None and fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._orders.remove(fault)
        return fault


def fault_from(order: Mapping[str, Any]) -> Fault:
    """A fault as the control address takes it: `{"deed": "status", "status": 503, "times": 3, "on": ["create"],
    "entries": false, "headers": {"Retry-After": "5"}}`. Raises ValueError for a word it does not know."""
    known = {"deed", "times", "status", "headers", "on", "entries", "outcome"}
    if unknown := order.keys() - known:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    return Fault(
        deed=Deed(order.get("deed", "status")),
        times=order.get("times", 1),
        status=int(order.get("status", 500)),
        outcome=order.get("outcome"),
        headers=dict(order.get("headers", {})),
        where=where(on=order.get("on", ()), entries=bool(order.get("entries", False))),
    )


def where(on: Sequence[str] = (), entries: bool = False) -> Callable[[Ask], bool]:
    """Asks with one of these interactions (none: all); `entries`: those inside batches instead of whole requests."""
    return lambda ask: ask.in_batch == entries and (not on or ask.interaction in on)
