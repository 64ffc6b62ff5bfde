"""Outcomes of what is measured now and then: blood pressure and weight. No shares of time, only of measurements.

An element is the day's measurements themselves, as whole steps; a window's figures are computed from all of them, so
that any order of arrival gives the same.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import msgspec

from clinical import units
from clinical.outcomes.named import Found
from clinical.outcomes.reasons import Span
from clinical.outcomes.subjects import Asked, Day, Measured
from clinical.outcomes.windows import Window
from clinical.outcomes.zone import day_of

VERSION: Final = "1"
_WEEK_MILLIS: Final = 7 * 86_400_000

_Row = tuple[int, int, int]
"""Time in milliseconds, and two amounts in steps; the second is 0 where there is only one."""
_Rows = tuple[_Row, ...]
_decode = msgspec.msgpack.Decoder(_Rows).decode


class _Plain(ABC):
    """What both have: which subject of the ledger, in which unit, by which method."""

    def __init__(self, name: str, reads: tuple[str, ...], unit: str, method: str) -> None:
        self.name = name
        self.reads = reads
        self.version = VERSION
        self.unit = unit
        self._method = method

    @property
    def label(self) -> str:
        return self._method

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr((self.name, self._method, self.version)).encode()).hexdigest()

    @property
    def rules(self) -> tuple[str, ...]:
        return (f"measurements in {self.unit} count, each once; those in other units are left out",)

    @property
    def growing(self) -> None:
        """Its days are small."""
        return None

    def spans(self, given: Sequence[Measured]) -> list[Span]:  # noqa: ARG002 - no device event excludes any
        return []

    def days(self, given: Sequence[Measured], window: Window) -> list[bytes]:
        """Each local day's measurements in order of time."""
        rows: dict[object, list[_Row]] = {day: [] for day in window.days()}
        for each in given:
            if window.start_millis <= each.millis < window.end_millis and each.value.unit == self.unit:
                second = each.second.steps if each.second is not None else 0
                rows[day_of(each.millis, window.zone)].append((each.millis, each.value.steps, second))
        return [msgspec.msgpack.encode(sorted(day)) for day in rows.values()]

    def stored(self, day: Day) -> bytes:
        assert isinstance(day, bytes)  # as `days` makes them
        return day

    def found(self, asked: Sequence[Asked]) -> list[Found]:
        """Each by itself."""
        return [
            self._figures_of(tuple(row for day in each.days for row in _decode(self.stored(day))), each.window)
            for each in asked
        ]

    @abstractmethod
    def _figures_of(self, rows: _Rows, window: Window) -> Found: ...

    def _found(self, rows: _Rows, window: Window, figures: dict[str, float]) -> Found:
        known = repr((self.digest, window.start_millis, window.end_millis, window.zone.key, rows))
        return Found(
            digest=hashlib.sha256(known.encode()).hexdigest(),
            readings=len(rows),
            figures=figures,
            counts={"days_measured": len({day_of(row[0], window.zone) for row in rows})},
            accounting={"window": window.end_millis - window.start_millis},
            dropped={},
            flags={},
        )


class BloodPressure(_Plain):
    """Mean systolic and diastolic in `mm[Hg]`, and the share of measurements at target: both below their limit.

    Targets: below 130/80 mm[Hg] (ADA Standards of Care 2025, section 10; ACC/AHA 2017) unless the site says otherwise.
    """

    def __init__(self, systolic_below: int = 130, diastolic_below: int = 80) -> None:
        method = f"below-{systolic_below}/{diastolic_below}"
        super().__init__("blood-pressure", ("blood-pressure",), units.PRESSURE, method)
        self._below = _steps(systolic_below), _steps(diastolic_below)

    def _figures_of(self, rows: _Rows, window: Window) -> Found:
        if not rows:
            return self._found(rows, window, {})
        step, count = Fraction(units.STEP[self.unit]), len(rows)
        at_target = sum(row[1] < self._below[0] and row[2] < self._below[1] for row in rows)
        figures = {
            "mean_systolic": float(sum(row[1] for row in rows) * step / count),
            "mean_diastolic": float(sum(row[2] for row in rows) * step / count),
            "at_target": float(Fraction(100 * at_target, count)),
        }
        return self._found(rows, window, figures)


def _steps(pressure: int) -> int:
    return int(pressure / units.STEP[units.PRESSURE])


class Weight(_Plain):
    """Mean weight in `kg`, the change from the first to the last measurement, and the trend in kg a week by least
    squares; no trend of fewer than two moments."""

    def __init__(self) -> None:
        super().__init__("weight", ("vital-sign/weight",), units.KILOGRAM, "least-squares")

    def _figures_of(self, rows: _Rows, window: Window) -> Found:
        if not rows:
            return self._found(rows, window, {})
        step = Fraction(units.STEP[self.unit])
        figures = {
            "mean": float(sum(row[1] for row in rows) * step / len(rows)),
            "first": float(rows[0][1] * step),
            "last": float(rows[-1][1] * step),
            "change": float((rows[-1][1] - rows[0][1]) * step),
        }
        slope = _slope(rows)
        if slope is not None:
            figures["trend_per_week"] = float(slope * step * _WEEK_MILLIS)
        return self._found(rows, window, figures)


def _slope(rows: _Rows) -> Fraction | None:
    """Steps a millisecond, exactly."""
    count, start = len(rows), rows[0][0]
    times = [row[0] - start for row in rows]
    spread = count * sum(t * t for t in times) - sum(times) ** 2
    if not spread:
        return None
    joint = count * sum(t * row[1] for t, row in zip(times, rows, strict=True))
    return Fraction(joint - sum(times) * sum(row[1] for row in rows), spread)
