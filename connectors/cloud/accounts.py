"""One account on its round: what it is asked for next, when, and what its answer changes."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from clinical.records import PatientRef, order_key
from clinical.vendors.parsing import Unreadable
from connectors.cloud import windows
from connectors.cloud.consents import WITHDRAWN, Withdrawals
from connectors.cloud.tokens import Keeper
from engine import sdk

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 5.0, 600.0


class Look(NamedTuple):
    """What an answer holds: the latest time in it (aware, UTC), and whether it has anything at all."""

    newest: datetime | None
    something: bool


class Person(Protocol):
    """Whose account it is: what settings say as `patient`."""

    @property
    def system(self) -> str: ...
    @property
    def value(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Feed:
    """What an account is asked for. `ask` takes an access token and a window and gives the body of an answer 200;
    `look` raises Unreadable for a body that is something else. `cursor` names how far it has been read."""

    service: str
    cursor: str
    ask: Callable[[str, windows.Window], Awaitable[bytes]]
    look: Callable[[bytes], Look]


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer worth a message. `cursor`: where the account stands once it is stored; None leaves it where it is."""

    body: bytes = field(repr=False)
    digest: str
    window: windows.Window
    cursor: datetime | None
    fetched_at: datetime


class Account:
    """State of one account between its turns. `due` is a time of the monotonic clock."""

    def __init__(
        self,
        name: str,
        patient: Person,
        keeper: Keeper,
        feed: Feed,
        reach: windows.Reach,
        context: sdk.PluginContext,
    ) -> None:
        self.name = name
        self.patient = patient
        self.keeper = keeper
        self.due = 0.0
        self.failures = 0
        self.caught_up = True
        self.held: sdk.EngineError | None = None
        self._feed = feed
        self._reach = reach
        self._clock = context.clock
        self._cursors = context.cursors
        self._cursor_name = feed.cursor
        self._withdrawals = Withdrawals(context.cursors)
        self._behind = False
        self._seen: str | None = None
        self._rubbish_stored = False

    async def fetch(self) -> Fetched | None:
        """Ask for the next window; None if there is nothing new. `caught_up` tells whether it reached now.

        Raises an error word: Refused for this account, NeedsOperator for all, Throttled, Unavailable.
        """
        self.caught_up = True
        await self._withdrawals.check(self.name)
        cursor = await self._cursor()
        now = self._clock.now()
        window = windows.next_window(cursor, now, self._reach, behind=self._behind)
        if window is None:
            return None
        body = await self._ask(window)
        self.caught_up, self._behind = window.last, windows.is_past(window, self._reach)
        return await self._judge(body, window, cursor, now)

    async def released(self) -> bool:
        """May a held account be asked again: has its secret been changed, or has somebody consented anew?"""
        assert self.held is not None
        if await self._withdrawals.has(self.name):
            return False
        return self.held.code == WITHDRAWN or await self.keeper.renewed()

    async def accepted(self, fetched: Fetched) -> None:
        """The journal has it: go on from there."""
        self._seen = fetched.digest
        self._rubbish_stored = fetched.cursor is None
        if fetched.cursor is not None:
            await self._cursors.put(self._cursor_name, windows.to_text(fetched.cursor))

    def arrival_details(self, fetched: Fetched) -> dict[str, str]:
        """Meta of the message: whose it is, what was asked when (UTC), and whether it may wait for what is live."""
        lane = {sdk.LANE: sdk.Lane.BATCH} if fetched.window.history else {}
        return {
            **lane,
            "patient_system": self.patient.system,
            "patient_value": self.patient.value,
            "fetched_at": fetched.fetched_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "window_start": windows.to_text(fetched.window.start),
            "window_end": windows.to_text(fetched.window.end),
        }

    def order_key(self) -> str:
        return order_key(PatientRef(system=self.patient.system, value=self.patient.value))

    async def _cursor(self) -> datetime | None:
        text = await self._cursors.get(self._cursor_name)
        return windows.from_text(text) if text else None

    async def _ask(self, window: windows.Window) -> bytes:
        """An access token that is not accepted is renewed once."""
        try:
            return await self._feed.ask(await self.keeper.access(), window)
        except sdk.NotPermitted:
            self.keeper.forget()
        try:
            return await self._feed.ask(await self.keeper.access(), window)
        except sdk.NotPermitted:
            self.keeper.forget()
            text = f"{self._feed.service} does not accept a fresh access token: the person must consent again"
            raise sdk.Refused(text, code="consent-ended") from None

    async def _judge(
        self, body: bytes, window: windows.Window, cursor: datetime | None, now: datetime
    ) -> Fetched | None:
        digest = hashlib.sha256(body).hexdigest()[:32]
        try:
            look = self._feed.look(body)
        except Unreadable as unreadable:
            return self._rubbish(unreadable, Fetched(body, digest, window, None, now))
        self._rubbish_stored = False
        moved = windows.moved(cursor, window, look.newest, self._reach)
        fetched = Fetched(body, digest, window, moved, now)
        if look.something and digest != self._seen:
            return fetched
        if moved != cursor:
            await self._cursors.put(self._cursor_name, windows.to_text(moved))
        return None

    def _rubbish(self, unreadable: Unreadable, fetched: Fetched) -> Fetched:
        """An answer 200 that is something else is stored once, for people to see; the window is asked again."""
        if self._rubbish_stored:
            raise sdk.Unavailable(
                f"{self._feed.service} answered rubbish again: {unreadable.text}", code=unreadable.code
            )
        return fetched


def back_off(failures: int, chance: float) -> float:
    """Seconds to wait after that many failures in a row: doubling, up to half of it drawn by `chance` (0 to 1)."""
    wait = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** min(failures - 1, 30))
    return wait * (1 - chance / 2)
