"""Cases about events and variability over time."""

from collections.abc import Sequence
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from clinical.outcomes.cleaning import slots
from clinical.outcomes.episodes import Ended, Kind
from clinical.outcomes.excursions import mage
from clinical.outcomes.validation.case import UTC_ZONE, Case, Figure, Topic, at, both, on
from clinical.outcomes.variability import conga, modd
from clinical.outcomes.windows import days_ending

_DUBLIN = ZoneInfo("Europe/Dublin")


def _count(values: Sequence[int], kind: Kind = Kind.HYPO_1) -> Figure:
    return len(on(at(values)).events[kind])


def _minutes(values: Sequence[int], kind: Kind = Kind.HYPO_1) -> Figure:
    return on(at(values)).events[kind].minutes


def _autumn() -> Figure:
    """From 00:00 UTC the wall clock of Dublin shows 01:00 to 02:00 twice."""
    low = at([60] * 24 + [100] * 3, day=date(2024, 10, 27))
    return on(low, days_ending(date(2024, 10, 27), 1, _DUBLIN)).events[Kind.HYPO_1].minutes


def _paused(minutes: int) -> Figure:
    """Three lows, a pause, two lows and recovery."""
    given = both(at([60] * 3), at([60] * 2 + [100] * 3, hour=(10 + minutes) / 60))
    found = on(given).events[Kind.HYPO_1]
    return ", ".join(f"{Ended(code).name.lower()}" for code in found.ended.tolist())


def _night(hour: float) -> Figure:
    """A low of 45 minutes in Dublin's summer, an hour ahead of UTC."""
    given = at([60] * 9 + [100] * 3, hour=hour - 1, day=date(2024, 6, 3))
    return on(given, days_ending(date(2024, 6, 3), 1, _DUBLIN)).hypo_night_starts


EVENTS: Final = Topic(
    "Hypo- and hyperglycaemic events",
    "An event begins with the first of at least 15 minutes in its band (three readings 5 minutes apart) "
    "and ends with the "
    "first of at least 15 minutes out of it. Level 2: below 54, above 250. Prolonged: at least 120 "
    "minutes below 70. Extended "
    "hyperglycaemia: above 250 for at least 90 of 120 minutes. Pauses of up to 30 minutes are bridged; a "
    "longer one ends an "
    "event as truncated. At night: begun from 00:00 to before 06:00 by the patient's clock.",
    "Battelino 2019 and 2023; Danne 2017",
    (
        Case(
            "10 minutes at 69, then 100", "low events", 0, "15 minutes are needed", lambda: _count([69] * 2 + [100] * 3)
        ),
        Case(
            "15 minutes at 69, then 100",
            "low events",
            1,
            "first to third reading",
            lambda: _count([69] * 3 + [100] * 3),
        ),
        Case(
            "20 minutes at 60, then 100",
            "length, minutes",
            20.0,
            "to the first reading of recovery",
            lambda: _minutes([60] * 4 + [100] * 3),
        ),
        Case(
            "15 minutes at 60, 10 at 100, 15 at 60, then 100",
            "low events",
            1,
            "10 minutes back are no recovery",
            lambda: _count([60] * 3 + [100] * 2 + [60] * 3 + [100] * 3),
        ),
        Case(
            "15 minutes at 60, 15 at 100, 15 at 60, then 100",
            "low events",
            2,
            "15 minutes back are recovery",
            lambda: _count([60] * 3 + [100] * 3 + [60] * 3 + [100] * 3),
        ),
        Case(
            "15 minutes at 53, then 54",
            "very low events",
            1,
            "level 2",
            lambda: _count([53] * 3 + [54] * 3, Kind.HYPO_2),
        ),
        Case(
            "115 minutes at 60",
            "prolonged low events",
            0,
            "not prolonged",
            lambda: _count([60] * 23 + [100] * 3, Kind.HYPO_PROLONGED),
        ),
        Case(
            "120 minutes at 60",
            "prolonged low events",
            1,
            "prolonged",
            lambda: _count([60] * 24 + [100] * 3, Kind.HYPO_PROLONGED),
        ),
        Case(
            "15 minutes at 181, then 180",
            "high events",
            1,
            "level 1",
            lambda: _count([181] * 3 + [180] * 3, Kind.HYPER_1),
        ),
        Case(
            "15 minutes at 251, then 180",
            "very high events",
            1,
            "level 2",
            lambda: _count([251] * 3 + [180] * 3, Kind.HYPER_2),
        ),
        Case(
            "45 minutes at 260, 30 at 240, 45 at 260, then 170",
            "extended high events",
            1,
            "90 of 120 minutes",
            lambda: _count([260] * 9 + [240] * 6 + [260] * 9 + [170] * 3, Kind.HYPER_EXTENDED),
        ),
        Case(
            "low, 30 minutes without readings, low, recovery",
            "how it ended",
            "recovered",
            "bridged",
            lambda: _paused(30),
        ),
        Case(
            "low, 35 minutes without readings, low, recovery",
            "how it ended",
            "truncated",
            "cut off by the gap",
            lambda: _paused(35),
        ),
        Case("a low of two hours while the clocks go back", "length, minutes", 120.0, "real time", _autumn),
        Case("a low from 05:55 in Dublin", "events at night", 1, "at night", lambda: _night(5 + 55 / 60)),
        Case("a low from 06:00 in Dublin", "events at night", 0, "not at night", lambda: _night(6)),
    ),
)


def _week(values: Sequence[int]) -> Figure:
    parts = [at([value], hour=3, day=date(2024, 2, 5 + place)) for place, value in enumerate(values)]
    return modd(slots(both(*parts)), UTC_ZONE)


def _mage(values: Sequence[int]) -> Figure:
    found = mage(slots(at(values)))
    return None if found is None else found.mean


VARIABILITY: Final = Topic(
    "MODD, CONGA, MAGE",
    "MODD: mean difference to the same time the day before. CONGA-n: SD of differences over n hours. "
    "MAGE: mean of swings "
    "larger than one SD, between turning points of a short and a long moving average.",
    "Molnar 1972; McDonnell 2005; Service 1970, Fernandes 2022",
    (
        Case(
            "100, 120, 90 mg/dL at three on three mornings",
            "MODD, mg/dL",
            25.0,
            "(20 + 30) / 2",
            lambda: _week([100, 120, 90]),
        ),
        Case(
            "an hour at 100, half an hour at 110, half an hour at 130",
            "CONGA-1, mg/dL",
            10.4447,
            "SD of six times 10 and six times 30",
            lambda: conga(slots(at([100] * 12 + [110] * 6 + [130] * 6)), 1),
            0.00005,
        ),
        Case(
            "100 and 200 mg/dL in turn, 200 minutes each",
            "MAGE, mg/dL",
            100.0,
            "every swing",
            lambda: _mage(([100] * 40 + [200] * 40) * 3),
        ),
        Case("100 mg/dL throughout", "MAGE, mg/dL", None, "no swing", lambda: _mage([100] * 100)),
    ),
)
