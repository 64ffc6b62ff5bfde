"""A configuration that has been checked: what the runtime builds channels from. Values only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.model.lane import Lane
from engine.model.message import Message, Shape
from engine.model.outcome import Drop, Keep
from engine.model.retention import Retention
from engine.model.retry import RetryPolicy
from engine.model.settings import Settings, Table
from engine.plugins.plugin import Plugin


@dataclass(frozen=True, slots=True)
class Bound:
    """A plugin with its settings. `name` is how people see it: a destination's own name, a step's type."""

    name: str
    plugin: Plugin[Any]
    settings: Settings


@dataclass(frozen=True, slots=True)
class DestinationPlan:
    """One destination of a channel with what the engine does around it."""

    bound: Bound
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    breaker_failures: int = 5
    breaker_rest_seconds: float = 30.0
    at_once: int = 8
    """Calls at the same time at most."""
    in_order: bool = True
    """Deliveries with the same order key go one after the other, and wait for one that is being retried."""

    @property
    def name(self) -> str:
        return self.bound.name


@dataclass(frozen=True, slots=True)
class ChannelPlan:
    """One channel, ready to be built."""

    name: str
    description: str
    shape: Shape
    """The shape of the messages that the source gives or that the routes bring."""
    source: Bound | None
    """None: fed by other channels only (`source: {type: channel}`)."""
    keep: Callable[[Message], Keep | Drop]
    """The filter: all conditions and filter plugins as one."""
    steps: tuple[Bound, ...]
    destinations: tuple[DestinationPlan, ...]
    feeds: tuple[str, ...]
    """Channels that `routes.yaml` feeds from this one."""
    site: str | None = None
    tenant: str = "default"
    owner: str | None = None
    """Whom to ask about it."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    """For failures inside `process` (a store that is away); destinations have their own."""
    when_it_fails: str = "hold"
    """`hold`, `review` or `skip`: where a message goes that a step refuses."""
    holds_up_to: int = 1000
    """Arrivals that may be on their way into the journal at once (back-pressure)."""
    retention: Retention = field(default_factory=Retention)
    """How long its messages and deliveries are kept."""
    order_wait_seconds: float = 0.0
    """How long a message waits for others of its order key that come before it (`runtime.waiting`)."""
    lane: Lane = Lane.LIVE
    """BATCH: what it takes in and makes may wait for what is live, here and in all channels after it."""
    version: str = ""
    """Twelve hex digits over the channel's text and all it refers to."""


@dataclass(frozen=True, slots=True)
class Site:
    """A hospital or clinic from routes.yaml."""

    name: str
    timezone: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    """Everything the site's block says, for `${site.x}`."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole configuration without problems."""

    root: Path
    channels: Mapping[str, ChannelPlan]
    sites: Mapping[str, Site]
    tables: Mapping[str, Table]
