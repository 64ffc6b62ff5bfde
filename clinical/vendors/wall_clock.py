"""Wall clocks of exports without offsets: a file's times to instants, fast, with what was done to find each.

The hour that comes twice in autumn is told apart by the order of the rows where they stand in the order in which they
happened; a device that is not put forward in spring (it showed times that do not occur) stays on standard time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Final
from zoneinfo import ZoneInfo

from clinical.records import Instant
from clinical.time import (
    Written,
    goes_forward,
    ignores_summer_time,
    instant_in_zone,
    instant_without_summer_time,
    passes,
    wall_of_epoch,
)
from clinical.time import second_by_order as by_order
from clinical.vendors.iso_time import PAST_THE_HOUR, plain_hour
from clinical.vendors.making import FIRST_MILLIS
from clinical.vendors.parsing import Flaw

EARLIER, LATER = "earlier", "later"
TWICE: Final = "occurs twice on that day (clocks went back), nothing tells which is meant; check timezone or if_twice"
STANDARD: Final = "clock is not put forward in summer: it showed a time that does not occur"
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC
_FIRST_DAY: Final = _EPOCH.toordinal()
_HOUR_MILLIS: Final = 3_600_000
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
HOUR_LENGTH: Final = len("2025-01-30T23:")


class WallClock:
    """The times of one clock in one file. `walls` in the order in which they stand there.

    They stand there in the order in which they happened, or in its reverse; where the times beside an hour that comes
    twice do neither, order tells nothing. `beside`: times of the same clock on such days, if `walls` are not all of
    them. `if_twice` (`earlier`, `later`) decides where nothing tells. `summer_time`: None finds out whether the clock
    is put forward.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        walls: Sequence[datetime],
        *,
        if_twice: str | None = None,
        summer_time: bool | None = True,
        beside: Sequence[datetime] | None = None,
    ) -> None:
        self._zone, self._if_twice = zone, if_twice
        self._offsets: dict[int, int | None] = {}
        self._days: dict[int, int | None] = {}
        self._second: dict[int, bool] = {}
        self.summer_time = True
        doubtful = [place for place, wall in enumerate(walls) if self._offset(wall) is None]
        if summer_time is None:
            summer_time = not ignores_summer_time([walls[place] for place in doubtful], zone)
        if not summer_time:
            self.summer_time = False
            self._offsets.clear()  # these were the zone's
            self._days.clear()
        if doubtful and summer_time and (happened := self._as_they_happened(doubtful, walls, beside)):
            told = by_order([walls[place] for place in happened], zone)
            self._second = {happened[place]: second for place, second in told.items()}

    def _as_they_happened(
        self, doubtful: Sequence[int], walls: Sequence[datetime], beside: Sequence[datetime] | None
    ) -> Sequence[int]:
        """The doubtful ones in the order of their time; none where the certain ones around them have no order."""
        days = {walls[place].toordinal() + apart for place in doubtful for apart in (-1, 0, 1)}
        near = [wall for wall in beside or walls if wall.toordinal() in days]
        certain = [wall for wall in near if self._offset(wall) is not None]
        told = certain if len({*certain}) > 1 else near
        if told[0] < told[-1]:
            return doubtful if goes_forward(certain) else ()
        return doubtful[::-1] if told[0] > told[-1] and goes_forward(certain[::-1]) else ()

    def instant(self, place: int, written: Written, field_name: str) -> tuple[Instant, str | None]:
        """When it was, and what was done to find it. Raises Flaw `time-twice`."""
        instant = self.plain(written)
        if instant is not None:
            return instant, None if self.summer_time else STANDARD
        if not self.summer_time:
            return instant_without_summer_time(written, self._zone), STANDARD
        return self._special(place, written, field_name)

    def plain(self, written: Written) -> Instant | None:
        """When it was; None in an hour in which the zone's clocks change."""
        offset = self._offset(written.wall)
        return None if offset is None else self._at(written, offset)

    def _at(self, written: Written, offset: int) -> Instant:
        wall = written.wall
        seconds = (wall.toordinal() - _FIRST_DAY) * 86_400 + wall.hour * 3600 + wall.minute * 60 + wall.second
        return Instant(
            millis=(seconds - offset * 60) * 1000 + wall.microsecond // 1000,
            how="zone" if self.summer_time else "standard",
            local=wall.isoformat(),
            offset_minutes=offset,
            zone=self._zone.key,
            precision=written.precision,
        )

    def _special(self, place: int, written: Written, field_name: str) -> tuple[Instant, str | None]:
        if not passes(written.wall, self._zone).twice:
            instant = instant_in_zone(written, self._zone)
            return instant, "time that the zone leaves out, read with the offset before it" if instant.gap else None
        second = self._second.get(place)
        if second is not None:
            told = "time that occurs twice decided by order"
            return instant_in_zone(written, self._zone, second=second), told
        if self._if_twice is None:
            raise Flaw(field_name, "time-twice", TWICE)
        chosen = f"time that occurs twice taken as the {self._if_twice} by setting"
        return instant_in_zone(written, self._zone, second=self._if_twice == LATER), chosen

    def _offset(self, wall: datetime) -> int | None:
        """Minutes east of UTC; None in an hour in which the clocks change, or for seconds in an offset."""
        key = wall.toordinal() * 24 + wall.hour
        try:
            return self._offsets[key]
        except KeyError:
            found = self._offsets[key] = self._look_up(wall.replace(minute=0, second=0, microsecond=0))
            return found

    def _look_up(self, hour: datetime) -> int | None:
        """A day that ends at the offset at which it began has it in all its hours."""
        day = hour.toordinal()
        if day not in self._days:
            midnight = datetime.fromordinal(day)
            self._days[day] = self._unchanged(midnight, midnight + _DAY)
        offset = self._days[day]
        return offset if offset is not None else self._unchanged(hour, hour + _HOUR)

    def _unchanged(self, start: datetime, stop: datetime) -> int | None:
        begin, end = passes(start, self._zone), passes(stop, self._zone)
        offset = start - begin.first
        if not begin.certain or end.first - begin.first != stop - start or offset.seconds % 60:
            return None
        if not self.summer_time:
            return instant_without_summer_time(Written(start, None), self._zone).offset_minutes
        return offset // timedelta(minutes=1)


class HourClock:
    """Wall clocks of a zone as texts, `2025-01-30T23:49:55`, each hour worked out once. `latest`: from the hour on that
    ends after it (in milliseconds), and before 2000, nothing is plain."""

    def __init__(self, zone: ZoneInfo, latest: float = inf) -> None:
        self._latest = latest - _HOUR_MILLIS
        self._zone = zone.key
        self._clock = WallClock(zone, ())
        self._hours: dict[str, tuple[int, str, int] | None] = {}

    def instant(self, stamp: str) -> Instant | None:
        """When it was; None for any other form, and in an hour in which the zone's clocks change."""
        hour, past = self.hour(stamp[:HOUR_LENGTH]), PAST_THE_HOUR.get(stamp[HOUR_LENGTH:])
        if hour is None or past is None:
            return None
        millis, local, offset = hour
        within = stamp[HOUR_LENGTH:]
        return Instant(millis=millis + past, how="zone", local=local + within, offset_minutes=offset, zone=self._zone)

    def hour(self, begins: str) -> tuple[int, str, int] | None:
        """Of `2025-01-30T23:`, when it began in milliseconds since 1970, its text, and minutes east of UTC."""
        try:
            return self._hours[begins]
        except KeyError:
            found = self._hours[begins] = self._look_up(begins)
            return found

    def _look_up(self, begins: str) -> tuple[int, str, int] | None:
        try:
            millis, local = plain_hour(begins)
        except ValueError:
            return None
        instant = self._clock.plain(wall_of_epoch(millis))
        if instant is None or instant.offset_minutes is None or not FIRST_MILLIS <= instant.millis <= self._latest:
            return None
        return instant.millis, local, instant.offset_minutes
