"""One account on its round: what it is asked for next, when, and what its answer changes."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from clinical.records import PatientRef, order_key
from clinical.vendors.dexcom import newest_system_time, open_egvs
from clinical.vendors.parsing import Unreadable
from connectors.dexcom import windows
from connectors.dexcom.settings import AccountSettings
from connectors.dexcom.tokens import TokenKeeper
from connectors.dexcom.wire import Wire
from engine import sdk

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 5.0, 600.0


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
        settings: AccountSettings,
        keeper: TokenKeeper,
        wire: Wire,
        reach: windows.Reach,
        context: sdk.PluginContext,
    ) -> None:
        self.name = settings.name
        self.patient = settings.patient
        self.keeper = keeper
        self.due = 0.0
        self.failures = 0
        self.caught_up = True
        self.held: sdk.EngineError | None = None
        self._wire = wire
        self._reach = reach
        self._clock = context.clock
        self._cursors = context.cursors
        self._cursor_name = f"egvs:{settings.name}"
        self._seen: str | None = None
        self._rubbish_stored = False

    async def fetch(self) -> Fetched | None:
        """Ask for the next window; None if there is nothing new. `caught_up` tells whether it reached now.

        Raises an error word: Refused for this account, NeedsOperator for all, Throttled, Unavailable.
        """
        self.caught_up = True
        cursor = await self._cursor()
        now = self._clock.now()
        window = windows.next_window(cursor, now, self._reach)
        if window is None:
            return None
        body = await self._ask(window)
        self.caught_up = window.last
        return await self._judge(body, window, cursor, now)

    async def accepted(self, fetched: Fetched) -> None:
        """The journal has it: go on from there."""
        self._seen = fetched.digest
        self._rubbish_stored = fetched.cursor is None
        if fetched.cursor is not None:
            await self._cursors.put(self._cursor_name, windows.to_text(fetched.cursor))

    def arrival_details(self, fetched: Fetched) -> dict[str, str]:
        """Meta of the message: whose it is, and what was asked when (UTC)."""
        return {
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
            return await self._wire.egvs(await self.keeper.access(), window)
        except sdk.NotPermitted:
            self.keeper.forget()
        try:
            return await self._wire.egvs(await self.keeper.access(), window)
        except sdk.NotPermitted:
            self.keeper.forget()
            text = "Dexcom does not accept a fresh access token: the person must consent again"
            raise sdk.Refused(text, code="consent-ended") from None

    async def _judge(
        self, body: bytes, window: windows.Window, cursor: datetime | None, now: datetime
    ) -> Fetched | None:
        digest = hashlib.sha256(body).hexdigest()[:32]
        try:
            egvs = open_egvs(body)
        except Unreadable as unreadable:
            return self._rubbish(unreadable, Fetched(body, digest, window, None, now))
        self._rubbish_stored = False
        moved = windows.moved(cursor, window, newest_system_time(egvs), self._reach)
        fetched = Fetched(body, digest, window, moved, now)
        if egvs.records and digest != self._seen:
            return fetched
        if moved != cursor:
            await self._cursors.put(self._cursor_name, windows.to_text(moved))
        return None

    def _rubbish(self, unreadable: Unreadable, fetched: Fetched) -> Fetched:
        """An answer 200 that is no EGVs is stored once, to be held where people see it; the window is asked again."""
        if self._rubbish_stored:
            raise sdk.Unavailable(f"Dexcom answered rubbish again: {unreadable.text}", code=unreadable.code)
        return fetched


def back_off(failures: int, chance: float) -> float:
    """Seconds to wait after that many failures in a row: doubling, up to half of it drawn by `chance` (0 to 1)."""
    wait = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** min(failures - 1, 30))
    return wait * (1 - chance / 2)
