"""Leases: which of several engines does what. A part of the work is done under a lease, by one engine at a time.

A part is named `ROLE/…`, such as `process/reconcile/1-of-4`. Each engine also keeps a lease `here/ROLE/HOLDER` for each
of its roles, so that all know how many they are, and takes no more than its fair number of parts; who has more gives
one back. An engine that dies says nothing: its leases run out, and the others take them. Waits are measured with the
monotonic clock here and with the database's clock there, so that a clock that jumps misleads nobody.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from math import ceil
from typing import Protocol

from engine.contracts.journal import Journal
from engine.contracts.plugins import Log
from engine.model.clock import Clock
from engine.model.errors import NeedsOperator, Unavailable

LEASE_SECONDS = 15.0
_TURN_SECONDS = 1.0
_RENEW_AFTER = 1 / 3  # of a lease's time
_VERSION_MARK = "+"
_PRESENT = "present/"
_HERE = "here/"


class Held:
    """A part in this engine's hands. `asked_back`: finish what is in hand and let go. `lost`: stop at once."""

    def __init__(self, name: str, token: int, valid: Callable[[], bool] = lambda: True) -> None:
        """`valid`: surely still ours? Asked before each effect: a process that was stopped for a while does not know
        yet that it has lost its parts."""
        self.name = name
        self.token = token
        self.valid = valid
        self.asked_back = asyncio.Event()
        self.lost = asyncio.Event()

    @property
    def fence(self) -> tuple[str, int] | None:
        """For writes that only the present holder may make; None where there is no lease, and nobody else."""
        return (self.name, self.token) if self.token else None


class Leases(Protocol):
    """Hands out parts of the work. `shared`: with other engines."""

    shared: bool

    def hold(self, name: str) -> AbstractAsyncContextManager[Held]:
        """Waits until the part is ours; gives it back at the end."""
        ...

    def has(self, name: str) -> bool:
        """Is the part ours now?"""
        ...

    async def run(self) -> None:
        """Look after them until cancelled."""
        ...

    async def join(self) -> None:
        """Before anything is held. Raises NeedsOperator if engines with another configuration are at work."""
        ...

    async def leave(self) -> None:
        """After everything is given back."""
        ...


class Alone:
    """One engine on its own journal: everything is its own."""

    shared = False

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[Held]:
        yield Held(name, 0)

    def has(self, name: str) -> bool:  # noqa: ARG002 - everything is
        return True

    async def run(self) -> None:
        """There is nothing to look after."""

    async def join(self) -> None:
        """There is nobody else."""

    async def leave(self) -> None:
        """There is nobody else."""


class SharedLeases:
    """`Leases` among engines on one journal; `run` keeps them."""

    shared = True

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        log: Log,
        holder: str,
        *,
        version: str = "",
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        """`version` names the configuration; engines with different ones must not work on one journal."""
        self._journal = journal
        self._clock = clock
        self._log = log
        self._holder = f"{holder}{_VERSION_MARK}{version}"
        self._version = version
        self._present = f"{_PRESENT}{self._holder}"
        self._roles: set[str] = set()
        self._seconds = lease_seconds
        self._wanted: dict[str, asyncio.Future[Held]] = {}
        self._held: dict[str, Held] = {}
        self._valid_until = 0.0
        self._renewed_at = float("-inf")

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[Held]:
        wanted = self._wanted[name] = asyncio.get_running_loop().create_future()
        try:
            held = await wanted
        finally:
            self._wanted.pop(name, None)
        try:
            yield held
        finally:
            self._held.pop(name, None)
            if not held.lost.is_set():
                await self._give_back(name)

    def has(self, name: str) -> bool:
        return name in self._held

    async def run(self) -> None:
        """Renew what is held, take what is free, give back what is too much; until cancelled."""
        while True:
            try:
                await self.turn()
            except Unavailable as error:
                self._log.warning("leases_wait", code=error.code)
            except Exception as error:  # noqa: BLE001 - without leases the engine would stand still in silence
                self._log.error("leases_failed", error_type=type(error).__name__)
            if not self._valid():
                self._all_lost()
            await self._clock.sleep(_TURN_SECONDS)

    async def join(self) -> None:
        """Say that we are here, then look who else is: of two that start together at least one sees the other.

        An engine that died a moment ago counts until its lease has run out. Raises NeedsOperator, Unavailable.
        """
        await self._journal.writer.take_lease(self._present, self._holder, self._seconds)
        end = self._clock.monotonic() + self._seconds + _TURN_SECONDS
        while others := await self._others():
            if self._clock.monotonic() >= end:
                await self.leave()
                raise NeedsOperator(
                    f"engines with another configuration work on this journal ({', '.join(others)}; ours is "
                    f"{self._version}): stop them first, or give this one the same channels, routes and partitions",
                    code="configuration-differs",
                )
            await self._clock.sleep(_TURN_SECONDS)

    async def leave(self) -> None:
        """Others need not wait for our leases to run out. Raises Unavailable."""
        for name in (self._present, *(f"{_HERE}{role}/{self._holder}" for role in self._roles)):
            await self._journal.writer.drop_lease(name, self._holder)

    async def _others(self) -> list[str]:
        """The versions of configurations that are not ours."""
        holders = await self._journal.queries.lease_holders(_PRESENT)
        return sorted({version for holder in holders if (version := _version(holder)) != self._version})

    async def turn(self) -> None:
        """One look at all of it. Raises Unavailable."""
        now = self._clock.monotonic()
        if now - self._renewed_at >= self._seconds * _RENEW_AFTER:
            await self._renew(now)
        for role in sorted({_role(name) for name in (*self._wanted, *self._held)}):
            await self._balance(role)

    async def _renew(self, now: float) -> None:
        writer = self._journal.writer
        if now >= self._valid_until:
            self._all_lost()
        ours = set(await writer.renew_leases(self._holder, self._seconds))
        await writer.take_lease(self._present, self._holder, self._seconds)
        self._roles |= {_role(name) for name in (*self._wanted, *self._held)}
        for role in self._roles:
            await writer.take_lease(f"{_HERE}{role}/{self._holder}", self._holder, self._seconds)
        self._renewed_at, self._valid_until = now, now + self._seconds
        for name, held in tuple(self._held.items()):
            if name not in ours:
                self._lose(held)
        for name in ours - self._held.keys():
            if not name.startswith((_PRESENT, _HERE)):  # its giving back, or our asking for it, has had no answer
                await self._give_back(name)

    async def _balance(self, role: str) -> None:
        held = [name for name in self._held if _role(name) == role]
        wanted = [name for name in self._wanted if _role(name) == role]
        others = set(await self._journal.queries.lease_holders(f"{_HERE}{role}/")) | {self._holder}
        fair = ceil((len(held) + len(wanted)) / len(others))
        for name in wanted[: max(0, fair - len(held))]:
            await self._try(name)
        free_to_go = [self._held[name] for name in held if not self._held[name].asked_back.is_set()]
        if len(held) == len(free_to_go) > fair:
            free_to_go[-1].asked_back.set()

    async def _try(self, name: str) -> None:
        token = await self._journal.writer.take_lease(name, self._holder, self._seconds)
        if token is None:
            # Somebody else's: ask for another one first next time.
            if name in self._wanted:
                self._wanted[name] = self._wanted.pop(name)
            return
        future = self._wanted.pop(name, None)
        if future is None or future.done():
            await self._give_back(name)
            return
        self._journal.forget()  # somebody else may have worked on it
        held = self._held[name] = Held(name, token, self._valid)
        future.set_result(held)
        self._log.info("part_taken", part=name)

    async def _give_back(self, name: str) -> None:
        try:
            await self._journal.writer.drop_lease(name, self._holder)
        except Unavailable as error:  # it is tried again with the next renewal
            self._log.warning("leases_wait", code=error.code)
        else:
            self._log.info("part_given_back", part=name)

    def _valid(self) -> bool:
        return self._clock.monotonic() < self._valid_until

    def _all_lost(self) -> None:
        for held in tuple(self._held.values()):
            self._lose(held)

    def _lose(self, held: Held) -> None:
        self._held.pop(held.name, None)
        held.lost.set()
        self._log.error("part_lost", part=held.name)


def _version(holder: str) -> str:
    return holder.rpartition(_VERSION_MARK)[2]


def _role(name: str) -> str:
    return name.partition("/")[0]
