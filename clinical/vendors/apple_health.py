"""Apple Health's `export.xml` to records: glucose, insulin, carbohydrate, weight, heart rate, steps, blood pressure.

The offset of a time is that of the phone that exported, not of where it was measured: the instant is right, and the
wall clock is only known where `HKTimeZone` says the zone. Samples have no ids: their identity is a digest of type,
source and instants. A source's name may hold a person's (`Erika's iPhone`) and stays out of records.
"""

import hashlib
import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

from clinical import units
from clinical.records import (
    Analyte,
    AnyRecord,
    BloodPressure,
    Carbohydrate,
    Device,
    Glucose,
    Instant,
    InsulinDose,
    InsulinKind,
    Original,
    Quantity,
    Road,
    SourceId,
    Status,
    VitalKind,
    VitalSign,
)
from clinical.time import moment
from clinical.vendors import apple_health_xml as xml
from clinical.vendors.iso_time import PAST_THE_HOUR, plain_hour, read_wall
from clinical.vendors.json_fields import in_order
from clinical.vendors.making import FIRST_MILLIS, Maker, Whose, quantity, stored_glucose
from clinical.vendors.parsing import Flaw, Parsed, Problem

SYSTEM = "apple-health"
RULE = "apple-health"

# Looked up once: in Python 3.11 that takes as long as building a small struct.
_FINAL, _CSV, _STEPS = Status.FINAL, Road.CSV, VitalKind.STEPS
_MOLAR = re.compile(r"mmol<(\d{2,4}(?:\.\d{1,15})?)>/L")
_DEVICE_PART = re.compile(r"\b(manufacturer|model|hardware):([^:>]*?)(?=, \w+:|>|$)")
_SENSORS = (
    ("dexcom", "Dexcom"),
    ("stelo", "Dexcom"),
    ("libre", "Abbott"),
    ("eversense", "Senseonics"),
    ("medtronic", "Medtronic"),
)
_MEALS = {"1": "before a meal", "2": "after a meal"}
_WEIGHTS = {"kg": Decimal(1), "g": Decimal("0.001"), "lb": Decimal("0.45359237"), "st": Decimal("6.35029318")}
_APPLES_FACTOR = Decimal("18.015588")
_LONGEST_SECONDS = 8 * 86400
_PLAIN = {
    xml.HEART_RATE: (VitalKind.HEART_RATE, units.PER_MINUTE, "count/min", 400),
    xml.STEPS: (VitalKind.STEPS, units.COUNT, "count", 200_000),
}

Sample = dict[str, str]


def read_apple_health(body: bytes, whose: Whose) -> Parsed:
    """Records of an export, or of a part that `xml.Splitter` cut from one. Other samples, workouts and what the
    export says about the person count as skipped. Raises Unreadable (line and column)."""
    reader = _Reader(whose)
    xml.feed_whole(reader.parser, xml.without_preamble(body))
    xml.finish(reader.parser)
    reader.pair_pressures()
    return Parsed(in_order(reader.records), reader.problems, reader.skipped)


class _Reader:
    """Takes elements as they come."""

    def __init__(self, whose: Whose) -> None:
        self.records: list[AnyRecord] = []
        self.problems: list[Problem] = []
        self.skipped = 0
        self.parser = xml.new_parser(self.start, self.end)
        self._maker = _Samples(whose)
        self._sample: Sample | None = None
        self._notes: Sample = {}
        self._grouped = False
        self._pressures: dict[tuple[str, str, str], dict[str, Sample]] = {}
        self._line = 0

    def start(self, name: str, attributes: Sample) -> None:
        if name == "Record":
            kind = attributes.get("type")
            if kind in xml.WANTED and (not self._grouped or kind in xml.PRESSURES):
                self._sample, self._notes = attributes, {}
                self._line = self.parser.CurrentLineNumber
            else:
                self.skipped += 1
        elif name == "MetadataEntry":
            if self._sample is not None:
                self._notes[attributes.get("key", "")] = attributes.get("value", "")
        elif name == "Correlation":
            self._grouped = True  # what a meal holds is told by itself too
        elif name != xml.ROOT:
            self.skipped += 1

    def end(self, name: str) -> None:
        if name == "Record" and self._sample is not None:
            sample, self._sample = self._sample, None
            if sample["type"] in xml.PRESSURES:
                self._press(sample)
            else:
                self._take(sample)
        elif name == "Correlation":
            self._grouped = False

    def _take(self, sample: Sample) -> None:
        try:
            self.records.append(self._maker.record(sample, self._notes))
        except Flaw as flaw:
            self._problem(flaw, sample)

    def _press(self, sample: Sample) -> None:
        """Each half is told by itself and again inside a Correlation: the same half twice is one."""
        key = (sample.get("sourceName", ""), sample.get("startDate", ""), sample.get("creationDate", ""))
        self._pressures.setdefault(key, {})[sample["type"]] = sample

    def pair_pressures(self) -> None:
        for halves in self._pressures.values():
            try:
                self.records.append(self._maker.pressure(halves))
            except Flaw as flaw:
                self._problem(flaw, *halves.values())

    def _problem(self, flaw: Flaw, *samples: Sample) -> None:
        texts = (f"<Record {' '.join(f'{k}={quoteattr(v)}' for k, v in sample.items())}/>" for sample in samples)
        body = f"<HealthData>\n{''.join(texts)}\n</HealthData>\n".encode()
        self.problems.append(Problem(f"line {self._line}", flaw.code, f"{flaw.field_name} {flaw.text}", body))


class _Samples:
    """Records of single samples."""

    def __init__(self, whose: Whose) -> None:
        self._whose = whose
        self._maker = Maker(whose, Road.CSV, SYSTEM, RULE)
        self._seed = hashlib.blake2b(f"{whose.patient.system}\n{whose.patient.value}\n".encode(), digest_size=16)
        self._latest = whose.latest_millis()

    def record(self, sample: Sample, notes: Sample) -> AnyRecord:
        """Raises Flaw."""
        kind = sample["type"]
        plain = _PLAIN.get(kind)
        if plain is not None:
            return self._vital(sample, notes, *plain)
        if kind == xml.GLUCOSE:
            return self._glucose(sample, notes)
        if kind == xml.INSULIN:
            return self._insulin(sample, notes)
        if kind == xml.CARBOHYDRATE:
            amount = quantity(_scaled(sample, {"g": Decimal(1)}), units.GRAM, "value", 2000)
            return Carbohydrate(**self._entry(sample, notes), amount=amount)
        weight = quantity(_scaled(sample, _WEIGHTS), units.KILOGRAM, "value", 700)
        return VitalSign(**self._entry(sample, notes), kind=VitalKind.WEIGHT, value=weight)

    def _vital(self, sample: Sample, notes: Sample, kind: VitalKind, unit: str, written: str, most: int) -> VitalSign:
        """Built by hand: most samples of an export are heart rates."""
        if sample.get("unit") != written:
            raise Flaw("unit", "unit-unknown", f"is not {written}")
        begin, end = _span(sample)
        text, whose = sample.get("value", ""), self._whose
        whole = int(text) if len(text) < 4 and text.isdecimal() and text.isascii() else None
        value = (
            _steps(whole, unit)
            if whole is not None and whole <= most
            else quantity(_number(sample), unit, "value", most)
        )
        seconds = _seconds(begin, end) if kind is _STEPS else None
        return VitalSign(
            patient=whose.patient,
            effective=self._instant(begin, notes),
            status=_FINAL,
            source=SourceId(road=_CSV, system=SYSTEM, value=self._identity(sample, begin, end), version=whose.version),
            original=Original(value=text, unit=written, code=sample["type"], time=sample["startDate"]),
            device=_device(sample.get("device", "")),
            kind=kind,
            value=value,
            duration_seconds=seconds,
        )

    def _glucose(self, sample: Sample, notes: Sample) -> Glucose:
        written = sample.get("unit", "")
        factor = factor_of(written)
        unit = units.MG_DL if written == units.MG_DL else units.MMOL_L
        by_hand = notes.get("HKWasUserEntered") == "1"
        maker = None if by_hand else sensor_maker(sample.get("sourceName", ""))
        low, high = (40, 400) if maker == "Dexcom" else (None, None)
        measured = stored_glucose(_number(sample), unit, "value", factor, low=low, high=high)
        meal = _MEALS.get(notes.get("HKBloodGlucoseMealTime", ""))
        entry = self._entry(sample, notes, measured.remark, device=Device(vendor=maker) if maker else None)
        return Glucose(
            **{**entry, "notes": (meal,) if meal else ()},
            analyte=Analyte.INTERSTITIAL_GLUCOSE if maker else Analyte.BLOOD_GLUCOSE,
            value=measured.value,
            detection=measured.detection,
        )

    def _insulin(self, sample: Sample, notes: Sample) -> InsulinDose:
        """`HKInsulinDeliveryReason`: 1 basal, 2 bolus. Basal insulin at one moment was an injection."""
        if sample.get("unit") != "IU":
            raise Flaw("unit", "unit-unknown", "is not IU")
        reason = notes.get("HKInsulinDeliveryReason")
        if reason not in ("1", "2"):
            raise Flaw("HKInsulinDeliveryReason", "field-missing", "does not say whether it was basal or bolus")
        seconds = _seconds(*_span(sample))
        kind = InsulinKind.BOLUS if reason == "2" else InsulinKind.BASAL if seconds else InsulinKind.INJECTION
        return InsulinDose(
            **self._entry(sample, notes),
            kind=kind,
            delivered=quantity(_number(sample), units.INSULIN, "value", 300),
            duration_seconds=seconds if kind is InsulinKind.BASAL else None,
        )

    def pressure(self, halves: dict[str, Sample]) -> BloodPressure:
        if len(halves) < 2:
            raise Flaw("value", "value-missing", "is one half of a blood pressure, and the other is not there")
        high, low = (halves[kind] for kind in (xml.SYSTOLIC, xml.DIASTOLIC))
        return BloodPressure(
            **self._entry(high, {}),
            systolic=_pressure(high),
            diastolic=_pressure(low),
        )

    def _entry(
        self, sample: Sample, notes: Sample, remark: str | None = None, *, device: Device | None = None
    ) -> dict[str, Any]:
        begin, end = _span(sample)
        original = Original(
            value=sample.get("value"), unit=sample.get("unit"), code=sample["type"], time=sample.get("startDate")
        )
        return self._maker.entry(
            self._identity(sample, begin, end),
            self._instant(begin, notes),
            original,
            device=device or _device(sample.get("device", "")),
            remarks=(remark,),
        )

    def _instant(self, millis: int, notes: Sample) -> Instant:
        if not FIRST_MILLIS <= millis <= self._latest:
            raise Flaw("startDate", "time-impossible", "is not a time at which this can have been measured")
        zone = _zone(notes.get("HKTimeZone")) if notes else None
        if zone is None:
            return Instant(millis=millis, how="offset")
        local = moment(millis, zone)
        offset = local.utcoffset() or timedelta()
        return Instant(
            millis=millis,
            how="offset",
            local=local.replace(tzinfo=None).isoformat(),
            offset_minutes=round(offset.total_seconds() / 60),
            zone=zone.key,
        )

    def _identity(self, sample: Sample, begin: int, end: int) -> str:
        """By instants, since the offsets of one sample differ from export to export. What is eaten or given twice in
        one moment differs by its amount; a glucose value may be written in another unit next time."""
        kind = sample["type"]
        amount = "" if kind == xml.GLUCOSE else sample.get("value", "")
        digest = self._seed.copy()
        digest.update(f"{kind}\n{sample.get('sourceName')}\n{begin}\n{end}\n{amount}".encode())
        return digest.hexdigest()


def factor_of(written: str) -> Decimal:
    """mg/dL in one mmol/L, as the unit itself says (`mmol<180.1558800000541>/L`). Raises Flaw for other units."""
    molar = _MOLAR.fullmatch(written)
    if written not in (units.MG_DL, units.MMOL_L) and molar is None:
        raise Flaw("unit", "unit-unknown", "is neither mg/dL nor mmol<...>/L")
    return Decimal(molar[1]) / 10 if molar else _APPLES_FACTOR


def _millis(sample: Sample, name: str) -> int:
    text = sample.get(name, "")
    try:
        # `2024-01-09 12:30:00 +0200`: all that Apple writes
        return plain_hour(text[:14])[0] + PAST_THE_HOUR[text[14:19]] - _offset_millis(text[19:])
    except (KeyError, ValueError):
        wall = read_wall(text, name)
    if wall.offset_minutes is None:
        raise Flaw(name, "time-without-offset", "has no offset")
    return wall.utc_millis


def _span(sample: Sample) -> tuple[int, int]:
    """When it began and ended, in milliseconds since 1970."""
    begin = _millis(sample, "startDate")
    return begin, begin if sample.get("endDate") == sample["startDate"] else _millis(sample, "endDate")


@lru_cache(maxsize=1024)
def _steps(whole: int, unit: str) -> Quantity:
    return Quantity(steps=units.to_steps(Decimal(whole), unit)[0], unit=unit)


@lru_cache(maxsize=128)
def _offset_millis(text: str) -> int:
    if len(text) != 6 or text[0] != " " or text[1] not in "+-" or not text[2:].isdecimal() or int(text[4:]) > 59:
        raise ValueError("another form")
    minutes = int(text[2:4]) * 60 + int(text[4:])
    if minutes > 14 * 60:
        raise ValueError("no zone is so far from UTC")
    return (-minutes if text[1] == "-" else minutes) * 60_000


def _seconds(begin: int, end: int) -> int:
    seconds = (end - begin) // 1000
    if not 0 <= seconds <= _LONGEST_SECONDS:
        raise Flaw("endDate", "time-impossible", "lies before startDate, or more than a week after it")
    return seconds


def _number(sample: Sample) -> Decimal:
    text = sample.get("value", "")
    try:
        if len(text) <= 40 and text.isascii() and "_" not in text:
            number = Decimal(text)
            if number.is_finite():
                return number
    except InvalidOperation:
        pass
    raise Flaw("value", "value-not-a-number" if text else "value-missing", "is not a number")


def _scaled(sample: Sample, factors: dict[str, Decimal]) -> Decimal:
    factor = factors.get(sample.get("unit", ""))
    if factor is None:
        raise Flaw("unit", "unit-unknown", f"is none of {', '.join(factors)}")
    return _number(sample) * factor


def _pressure(sample: Sample) -> Quantity:
    if sample.get("unit") != "mmHg":
        raise Flaw("unit", "unit-unknown", "is not mmHg")
    return quantity(_number(sample), units.PRESSURE, "value", 400)


@lru_cache(maxsize=512)
def sensor_maker(source: str) -> str | None:
    lowered = source.lower()
    return next((maker for word, maker in _SENSORS if word in lowered), None)


@lru_cache(maxsize=512)
def _device(written: str) -> Device | None:
    """`<<HKDevice: 0x28>, name:..., manufacturer:Apple, model:Watch, ...>`; its name may be a person's."""
    parts = dict(_DEVICE_PART.findall(written[:1000]))
    if not parts:
        return None
    return Device(vendor=parts.get("manufacturer") or None, model=parts.get("model") or parts.get("hardware") or None)


@lru_cache(maxsize=512)
def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None
