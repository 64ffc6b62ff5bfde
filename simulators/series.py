"""Believable glucose series, and the same readings as a hospital's HL7 v2 feed. Everything follows from the seed."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import count
from random import Random

LOW, HIGH = 39, 401
"""What a sensor gives instead of a number outside its range of 40 to 400 mg/dL."""

_WARM_UP = timedelta(minutes=30)
_WEAR = timedelta(days=10)
_MEALS = ((7.5, 85), (12.75, 100), (18.75, 110))  # hour of the day, typical rise in mg/dL


@dataclass(frozen=True, slots=True)
class Point:
    """One reading: an aware instant in UTC and whole mg/dL (39 and 401 stand for Low and High)."""

    instant: datetime
    mg_dl: int


def glucose_series(
    seed: int | str, start: datetime, days: float, interval_minutes: int = 5, utc_offset_minutes: int = 0
) -> list[Point]:
    """Readings of one person from `start` on: meals, dawn, drifting noise, some lows and highs, warm-ups and gaps.

    A sensor is worn ten days and says nothing for its first half hour. The offset tells when this person eats.
    """
    random = Random(f"glucose {seed}")  # noqa: S311 - has to be repeatable
    step = timedelta(minutes=interval_minutes)
    level, swing = random.uniform(108, 138), random.uniform(0.7, 1.4)
    bumps = list(_bumps(random, days, swing))
    gaps = list(_gaps(random, start, days))
    noise, second = 0.0, random.randrange(60)
    points: list[Point] = []
    for number in range(int(timedelta(days=days) / step)):
        noise = 0.97 * noise + random.gauss(0, 2.6)
        instant = start + number * step
        jittered = instant + timedelta(seconds=second + random.choice((0, 0, 0, 1)))
        if (instant - start) % _WEAR < _WARM_UP or any(begin <= instant < end for begin, end in gaps):
            continue
        local = instant + timedelta(minutes=utc_offset_minutes)
        hours = (local - start.replace(hour=0, minute=0, second=0, microsecond=0)) / timedelta(hours=1)
        value = level + _dawn(hours % 24) + noise + sum(_bump(hours, *bump) for bump in bumps)
        points.append(Point(jittered, min(HIGH, max(LOW, round(value)))))
    return points


def _bumps(random: Random, days: float, swing: float) -> Iterator[tuple[float, float, float]]:
    """Rises and dips as (hour since the first midnight, mg/dL at the peak, minutes to the peak)."""
    for day in range(-1, math.ceil(days) + 1):
        for hour, rise in _MEALS:
            yield day * 24 + hour + random.gauss(0, 0.5), swing * rise * random.uniform(0.5, 1.4), 45.0
        if random.random() < 0.7:
            yield day * 24 + random.uniform(0, 24), -random.uniform(55, 105), 30.0
        if random.random() < 0.2:
            yield day * 24 + random.uniform(0, 24), swing * random.uniform(110, 190), 70.0


def _bump(hours: float, at: float, height: float, peak_minutes: float) -> float:
    since = (hours - at) * 60 / peak_minutes
    return height * since * math.exp(1 - since) if 0 < since < 12 else 0.0


def _dawn(hour: float) -> float:
    return 12 * math.exp(-((hour - 6) ** 2) / 6)


def _gaps(random: Random, start: datetime, days: float) -> Iterator[tuple[datetime, datetime]]:
    for day in range(math.ceil(days)):
        if random.random() < 0.3:
            begin = start + timedelta(days=day, minutes=random.randrange(24 * 60))
            yield begin, begin + timedelta(minutes=random.randrange(20, 150))


# --- the same readings, told by a hospital

_LOINC = {
    "mmol/L": "105272-9^Glucose [Moles/volume] in Interstitial fluid^LN",
    "mg/dL": "99504-3^Glucose [Mass/volume] in Interstitial fluid^LN",
}
_LIMITS = {"mmol/L": ("2.2", "22.2"), "mg/dL": ("40", "400")}
_PEOPLE = ("Murphy^Aoife", "Kelly^Sean", "Walsh^Niamh", "Byrne^Conor", "Ryan^Ciara", "Doyle^Eoin")


@dataclass(frozen=True, slots=True)
class _Feed:
    mrn: str
    unit: str
    factor: Decimal
    skew_seconds: int
    assigner: str
    utc_offset_minutes: int


def oru_messages(
    points: Sequence[Point],
    patient_mrn: str,
    *,
    unit: str = "mmol/L",
    per_message: int = 1,
    factor: str = "18.0182",
    skew_seconds: int = 3,
    conflicts: Mapping[int, int] | None = None,
    corrections: Mapping[int, int] | None = None,
    assigner: str = "STM",
    utc_offset_minutes: int = 0,
) -> list[bytes]:
    """ORU^R01 v2.5.1 messages that tell `points` again, as a hospital that got them another way would.

    `factor` is what this sender divides mg/dL by before it rounds to 0.1 mmol/L (`18.0182`, `18`); `skew_seconds`
    how far its times are off, at most, either way. `conflicts`: index of a point → mg/dL that are added to it here,
    so that the two sources disagree. `corrections`: index of a point → mg/dL that a later message (OBX-11 `C`, same
    order, code and sub-id) puts in its place. In the order of sending.
    """
    feed = _Feed(patient_mrn, unit, Decimal(factor), skew_seconds, assigner, utc_offset_minutes)
    conflicts, corrections = conflicts or {}, corrections or {}
    numbers = count(1)
    messages: list[bytes] = []
    for first in range(0, len(points), per_message):
        told = list(enumerate(points[first : first + per_message], start=first))
        values = [(i, Point(point.instant, point.mg_dl + conflicts.get(i, 0))) for i, point in told]
        begins = points[first].instant
        messages.append(_oru(feed, next(numbers), first, begins, values, "F"))
        fixed = [(i, Point(point.instant, corrections[i])) for i, point in told if i in corrections]
        if fixed:
            messages.append(_oru(feed, next(numbers), first, begins, fixed, "C"))
    return messages


def _oru(
    feed: _Feed, number: int, first: int, begins: datetime, points: Sequence[tuple[int, Point]], status: str
) -> bytes:
    """One message: one order, one OBX for each point. The order's number and OBX-4 stay the same for corrections."""
    sent = points[-1][1].instant + timedelta(minutes=1 if status == "F" else 20)
    control = hashlib.sha256(f"{feed.mrn} {feed.unit} {number}".encode()).hexdigest()[:20]
    filler = hashlib.sha256(f"{feed.mrn} {feed.unit} order {first}".encode()).hexdigest()[:12].upper()
    person = _PEOPLE[hashlib.sha256(feed.mrn.encode()).digest()[0] % len(_PEOPLE)]
    code = _LOINC[feed.unit]
    us, at = feed.assigner, _stamp(feed, sent)
    segments = [
        f"MSH|^~\\&|CGMFEED|{us}|ISLET|{us}|{at}||ORU^R01^ORU_R01|{control}|P|2.5.1||||||UNICODE UTF-8",
        f"PID|1||{feed.mrn}^^^{us}^MR||{person}||19800101|U",
        f"OBR|1||{filler}^{us}|{code}|||{_stamp(feed, begins)}|||||||||||||||{at}|||{status}",
    ]
    segments += [_obx(feed, line, index, first, point, status) for line, (index, point) in enumerate(points, start=1)]
    return ("\r".join(segments) + "\r").encode()


def _obx(feed: _Feed, line: int, index: int, first: int, point: Point, status: str) -> str:
    chance = Random(f"skew {feed.mrn} {index}")  # noqa: S311 - has to be repeatable
    skew = chance.randint(-feed.skew_seconds, feed.skew_seconds)
    kind, value = _value(feed, point.mg_dl)
    at = _stamp(feed, point.instant + timedelta(seconds=skew))
    return (
        f"OBX|{line}|{kind}|{_LOINC[feed.unit]}|{index - first + 1}|{value}|{feed.unit}^{feed.unit}^UCUM"
        f"|||||{status}|||{at}"
    )


def _value(feed: _Feed, mg_dl: int) -> tuple[str, str]:
    """OBX-2 and OBX-5."""
    low, high = _LIMITS[feed.unit]
    if mg_dl <= LOW:
        return "SN", f"<^{low}"
    if mg_dl >= HIGH:
        return "SN", f">^{high}"
    if feed.unit == "mg/dL":
        return "NM", str(mg_dl)
    return "NM", str((mg_dl / feed.factor).quantize(Decimal("0.1"), ROUND_HALF_UP))


def _stamp(feed: _Feed, instant: datetime) -> str:
    """HL7 DTM in local time with its offset."""
    minutes = feed.utc_offset_minutes
    local = instant + timedelta(minutes=minutes)
    sign = "-" if minutes < 0 else "+"
    return f"{local:%Y%m%d%H%M%S}{sign}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
