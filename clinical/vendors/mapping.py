"""Tables and lists of any maker to records, by rules that somebody wrote down. Pure: the rules come from YAML.

A rule makes one kind of record of each row that it fits. Columns are named by their header; what is wrong is said with
the line (or JSON path) and the column's name as the rule writes it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from clinical import units
from clinical.events import UNMAPPED, WORDS
from clinical.records import (
    Analyte,
    Annotation,
    AnyRecord,
    BloodPressure,
    Carbohydrate,
    Detection,
    Device,
    DeviceEvent,
    Glucose,
    Instant,
    InsulinDose,
    InsulinKind,
    Original,
    Quantity,
    Road,
    VitalKind,
    VitalSign,
)
from clinical.time import Written
from clinical.vendors.json_fields import in_order
from clinical.vendors.making import Maker, Measured, Whose, glucose, glucose_unit, quantity
from clinical.vendors.parsing import Flaw, Parsed, Problem

RULE: Final = "map"

Cells = Callable[[str], str]
"""What stands in a column of one row, without spaces around; nothing if it is empty."""

_INSULIN: Final = {"": Decimal(1), "u": Decimal(1), "iu": Decimal(1), "[iu]": Decimal(1), "mu": Decimal("0.001")}
_CARBOHYDRATE: Final = {"g": Decimal(1), "gram": Decimal(1), "grams": Decimal(1)}
_VITALS: Final[Mapping[VitalKind, tuple[str, int, Mapping[str, Decimal]]]] = {
    VitalKind.WEIGHT: (
        units.KILOGRAM,
        700,
        {"kg": Decimal(1), "g": Decimal("0.001"), "lb": Decimal("0.45359237"), "lbs": Decimal("0.45359237")},
    ),
    VitalKind.HEART_RATE: (units.PER_MINUTE, 400, {"": Decimal(1), "bpm": Decimal(1), "/min": Decimal(1)}),
    VitalKind.KETONE: (units.MMOL_L, 30, {"mmol/l": Decimal(1), "mmol/L": Decimal(1)}),
    VitalKind.STEPS: (units.COUNT, 200_000, {"": Decimal(1), "steps": Decimal(1), "count": Decimal(1)}),
}
_DURATIONS: Final = {
    "milliseconds": Decimal("0.001"),
    "seconds": Decimal(1),
    "minutes": Decimal(60),
    "hours": Decimal(3600),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of record is made. Names of columns, but for `unit`, `kind`, `analyte`, `vendor`, `model`.

    `unit_column`, `kind_column`: the column that says it, with `words` from theirs to ours. `time_format`: a pattern of
    strptime, `iso`, `epoch-seconds` or `epoch-milliseconds`.
    """

    record: str
    time: Sequence[str]
    value: str | None = None
    time_format: str = "iso"
    when: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unit: str | None = None
    unit_column: str | None = None
    kind: str | None = None
    kind_column: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    second: str | None = None
    """Diastolic pressure; for insulin what was requested."""
    low: frozenset[str] = frozenset()
    high: frozenset[str] = frozenset()
    limits: tuple[int, int] | None = None
    clamped: bool = False
    duration: str | None = None
    duration_unit: str = "minutes"
    automatic: bool = False
    identity: Sequence[str] = ()
    serial: str | None = None
    vendor: str | None = None
    model: str | None = None
    decimal: str = "."

    def columns(self) -> list[str]:
        """Every column that the rule asks for."""
        single = (self.value, self.unit_column, self.kind_column, self.second, self.duration, self.serial)
        return [*self.time, *self.when, *(one for one in single if one), *self.identity]


def map_rows(
    rows: Iterable[tuple[str, Cells, Callable[[], bytes]]], rules: Sequence[Rule], whose: Whose, system: str, road: Road
) -> Parsed:
    """Records of rows, each given as its path (`line 4`), its cells, and how to write a body that holds only it.

    A rule fits a row if its `when` does and there is something in its `value`. A row that no rule fits is skipped.
    """
    maker = Maker(whose, road, system, RULE)
    records: list[AnyRecord] = []
    problems: list[Problem] = []
    skipped = 0
    for path, cells, only in rows:
        fitting = [rule for rule in rules if _fits(rule, cells)]
        skipped += not fitting
        for rule in fitting:
            try:
                records.append(_One(rule, cells, maker).record())
            except Flaw as flaw:
                problems.append(Problem(path, flaw.code, f"{flaw.field_name}: {flaw.text}", only()))
                break  # one problem for a row: its replay tries all rules again
    return Parsed(in_order(records), problems, skipped)


def _fits(rule: Rule, cells: Cells) -> bool:
    if any(cells(column).casefold() not in wanted for column, wanted in rule.when.items()):
        return False
    return rule.value is None or cells(rule.value) != ""


class _One:
    def __init__(self, rule: Rule, cells: Cells, maker: Maker) -> None:
        self._rule, self._cells, self._maker = rule, cells, maker
        self._effective = self._time()

    def record(self) -> AnyRecord:
        match self._rule.record:
            case "glucose":
                return self._glucose()
            case "insulin-dose":
                return self._insulin()
            case "carbohydrate":
                amount = self._amount(self._value(), _CARBOHYDRATE, units.GRAM, 2000)
                return Carbohydrate(**self._entry(), amount=amount)
            case "vital-sign":
                vital = VitalKind(self._kind(frozenset(VitalKind)))
                unit, most, factors = _VITALS[vital]
                value = self._amount(self._value(), factors, unit, most)
                return VitalSign(**self._entry(), kind=vital, value=value, duration_seconds=self._seconds())
            case "blood-pressure":
                return self._pressure()
            case "device-event":
                word = self._rule.kind or self._rule.words.get(self._cells(self._rule.kind_column or "").casefold())
                return DeviceEvent(**self._entry(), event=word if word in WORDS and word else UNMAPPED)
            case _:
                kinds = frozenset({"note", "exercise", "meal", "illness", "medication", "other"})
                text = self._cells(self._value())[:4000]
                kind = self._kind(kinds) if self._rule.kind or self._rule.kind_column else "note"
                return Annotation(**self._entry(), text=text, kind=kind, duration_seconds=self._seconds())

    def _glucose(self) -> Glucose:
        name = self._value()
        unit = glucose_unit(self._unit() or None, self._rule.unit_column or "unit")
        measured = self._worded(self._cells(name), unit)
        if measured is None:
            low, high = self._rule.limits or (None, None)
            measured = glucose(self._number(name), unit, name, low=low, high=high, clamped=self._rule.clamped)
        analyte = self._kind(frozenset(Analyte)) if self._rule.kind or self._rule.kind_column else None
        return Glucose(
            **self._entry(measured.remark),
            analyte=Analyte(analyte) if analyte else Analyte.BLOOD_GLUCOSE,
            value=measured.value,
            detection=measured.detection,
        )

    def _worded(self, cell: str, unit: str) -> Measured | None:
        """`LO` and `HI` are the limits, marked."""
        rule = self._rule
        if cell.casefold() not in rule.low | rule.high:
            return None
        if rule.limits is None:
            raise Flaw(
                rule.value or "", "limits-missing", "is a word for out of range; set `limits` to say which range"
            )
        below = cell.casefold() in rule.low
        detection = Detection.BELOW if below else Detection.ABOVE
        limit = rule.limits[0] if below else rule.limits[1]
        return Measured(Quantity(steps=limit, unit=unit), detection, f"{detection.value} the measuring range")

    def _insulin(self) -> InsulinDose:
        kind = InsulinKind(self._kind(frozenset(InsulinKind)))
        name, rule = self._value(), self._rule
        entry, seconds = self._entry(), self._seconds()
        if kind is InsulinKind.BASAL and self._unit().casefold() in ("u/h", "iu/h", "u/hr"):
            rate = quantity(self._number(name), units.INSULIN_RATE, name, 100)
            return InsulinDose(**entry, kind=kind, rate=rate, duration_seconds=seconds, automatic=rule.automatic)
        delivered = self._amount(name, _INSULIN, units.INSULIN, 300)
        asked = rule.second if rule.second and self._cells(rule.second) else None
        return InsulinDose(
            **entry,
            kind=kind,
            requested=self._amount(asked, _INSULIN, units.INSULIN, 300) if asked else None,
            delivered=delivered,
            duration_seconds=seconds,
            automatic=rule.automatic,
        )

    def _pressure(self) -> BloodPressure:
        def half(name: str) -> Quantity:
            return quantity(self._number(name), units.PRESSURE, name, 400)

        return BloodPressure(**self._entry(), systolic=half(self._value()), diastolic=half(self._rule.second or ""))

    def _value(self) -> str:
        return self._rule.value or ""

    def _amount(self, name: str, factors: Mapping[str, Decimal], unit: str, most: int) -> Quantity:
        factor = factors.get(self._unit().casefold())
        if factor is None:
            known = ", ".join(one for one in factors if one)
            raise Flaw(self._rule.unit_column or "unit", "unit-unknown", f"is none of {known}")
        return quantity(self._number(name) * factor, unit, name, most)

    def _unit(self) -> str:
        rule = self._rule
        return self._cells(rule.unit_column) if rule.unit_column else rule.unit or ""

    def _kind(self, known: frozenset[str]) -> str:
        rule = self._rule
        if rule.kind_column is None:
            return rule.kind or ""
        word = rule.words.get(self._cells(rule.kind_column).casefold())
        if word not in known or word is None:
            raise Flaw(rule.kind_column, "word-unknown", "is a word that `words` does not have")
        return word

    def _number(self, name: str) -> Decimal:
        text = self._cells(name)
        if self._rule.decimal == ",":
            text = text.replace(".", "x").replace(",", ".")  # a point there is no decimal mark
        digits = text.removeprefix("-").removeprefix("+")
        if not text.isascii() or not digits.replace(".", "", 1).isdigit() or len(digits) > 30:
            code = "value-missing" if not text else "value-not-a-number"
            raise Flaw(name, code, f"is not a number with `{self._rule.decimal}` as decimal mark")
        return Decimal(text)

    def _seconds(self) -> int | None:
        name = self._rule.duration
        if name is None or not self._cells(name):
            return None
        seconds = self._number(name) * _DURATIONS[self._rule.duration_unit]
        if not 0 <= seconds <= 8 * 86_400:
            raise Flaw(name, "value-impossible", "is negative, or longer than a week")
        return int(seconds)

    def _time(self) -> Instant:
        rule, whose = self._rule, self._maker.whose
        text = " ".join(filter(None, (self._cells(column) for column in rule.time)))
        name = " + ".join(rule.time)
        if not text:
            raise Flaw(name, "time-missing", "is empty")
        if rule.time_format.startswith("epoch-"):
            if not text.isdecimal() or len(text) > 15:
                raise Flaw(name, "time-unreadable", f"is not {rule.time_format}")
            return whose.at_millis(int(text) * (1000 if rule.time_format == "epoch-seconds" else 1), name)
        if rule.time_format == "iso":
            return whose.time(text, name)
        return whose.check(whose.instant(_by_pattern(text, rule.time_format, name), name), name)

    def _entry(self, remark: str | None = None) -> dict[str, Any]:
        rule, whose = self._rule, self._maker.whose
        named = [self._cells(column) for column in rule.identity]
        parts = named if any(named) else [self._effective.millis, self._cells(rule.value or "")]
        kind = self._cells(rule.kind_column) if rule.kind_column else rule.kind or ""
        original = Original(
            value=self._cells(rule.value)[:64] if rule.value and rule.record != "annotation" else None,
            unit=self._unit() or None,
            code=kind[:64] or None,
            time=" ".join(self._cells(column) for column in rule.time)[:64],
        )
        serial = self._cells(rule.serial)[:64] if rule.serial else ""
        known = rule.vendor or rule.model or serial
        device = Device(vendor=rule.vendor, model=rule.model, serial=serial or None) if known else None
        identity = whose.digest(self._maker.system, rule.record, kind, *parts)
        return self._maker.entry(identity, self._effective, original, device=device, remarks=(remark,))


def _by_pattern(text: str, pattern: str, name: str) -> Written:
    try:
        found = datetime.strptime(text[:64], pattern)  # noqa: DTZ007 - the zone is a setting
    except (ValueError, OverflowError):
        raise Flaw(name, "time-unreadable", f"is not written as {pattern}") from None
    if not 1900 <= found.year <= 2200:
        raise Flaw(name, "time-impossible", "is not a time at which this can have been measured")
    seconds = "%S" in pattern or "%T" in pattern or "%X" in pattern or "%c" in pattern
    offset = found.utcoffset()
    return Written(
        found.replace(tzinfo=None),
        round(offset.total_seconds() / 60) if offset is not None else None,
        "second" if seconds else "minute",
    )


def check_pattern(pattern: str) -> str:
    """The pattern, if it reads what it writes. Raises ValueError that says what to write."""
    known = ("iso", "epoch-seconds", "epoch-milliseconds")
    if pattern in known:
        return pattern
    probe = datetime(2026, 11, 23, 14, 35, 58, tzinfo=UTC)
    try:
        back = datetime.strptime(probe.strftime(pattern), pattern)  # noqa: DTZ007 - only the parts count
    except ValueError:
        back = None
    if back is None or (back.year, back.month, back.day, back.hour, back.minute) != (2026, 11, 23, 14, 35):
        raise ValueError(
            f"must hold year, month, day, hour and minute, such as %d.%m.%Y %H:%M, or be one of {', '.join(known)}"
        )
    return pattern
