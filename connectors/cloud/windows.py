"""Which stretch of time to ask for next, and how far a cursor moves: pure decisions.

The cursor of an account follows its newest reading, not the clock: what a phone uploads hours or days late still
lies after it. What is looked at again on purpose (`overlap`) finds changed and filled-in readings.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_FORMAT = "%Y-%m-%dT%H:%M:%S"


@dataclass(frozen=True, slots=True)
class Window:
    """`start` included, `end` not; aware UTC in whole seconds. `last`: it reaches up to now. `history`: all of it is
    old enough to wait for what is live."""

    start: datetime
    end: datetime
    last: bool
    history: bool = False

    def query(self) -> dict[str, str]:
        """As Dexcom wants it: UTC without an offset."""
        return {"startDate": self.start.strftime(_FORMAT), "endDate": self.end.strftime(_FORMAT)}


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the settings let a source look. `history`: what is older is a backfill; None: nothing is."""

    window: timedelta
    start: timedelta
    overlap: timedelta
    history: timedelta | None = None


def next_window(cursor: datetime | None, now: datetime, reach: Reach, *, behind: bool = False) -> Window | None:
    """What to ask for; None if the cursor lies in the future (a clock was set back).

    For a new account, and one that is `behind` (its last window was one of the past), what reaches over the end of
    history is cut there, so that the newest readings need not wait with those of a year.
    """
    now = now.replace(microsecond=0)
    start = now - reach.start if cursor is None else cursor - reach.overlap
    if start >= now:
        return None
    end = min(start + reach.window, now)
    if reach.history is not None:
        begins = now - reach.history
        if (cursor is None or behind) and start < begins < end:
            end = begins
        return Window(start, end, last=end == now, history=end <= begins)
    return Window(start, end, last=end == now)


def moved(cursor: datetime | None, window: Window, newest: datetime | None, reach: Reach) -> datetime:
    """The cursor after `window` has been read, with its newest reading if it had any.

    A window of the past is done with. In the last one, and in one that was cut, the cursor waits at the newest
    reading, but never so far back that more than one request were needed to reach now.
    """
    if is_past(window, reach):
        reached = window.end
    elif newest is not None:
        reached = min(newest.replace(microsecond=0), window.end)
    else:
        reached = window.end - (reach.window - reach.overlap)
    return max(reached, cursor or window.start)


def is_past(window: Window, reach: Reach) -> bool:
    """As long as may be asked for at once, and yet not up to now: another one follows."""
    return not window.last and window.end - window.start == reach.window


def to_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_FORMAT) + "Z"


def from_text(text: str) -> datetime:
    return datetime.strptime(text, _FORMAT + "Z").replace(tzinfo=UTC)
