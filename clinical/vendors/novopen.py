"""Novo Nordisk's NovoPen 6 and Echo Plus: dose records of their NFC tag, as a phone that read one hands them on.

The pen speaks IEEE 11073-20601: event reports (type 3361) with segments of 12-byte entries, each the pen's clock in
seconds, a dose as FLOAT-Type and flags (xDrip, opennov). There is no file format, so a body is JSON:

    {"readAt": "2026-11-20T08:00:00+00:00", "pen": {"serial": "…", "model": "…"}, "insulin": "…",
     "reports": ["hex of an event report, …"]}

The pen has no date. A dose was given as long before `readAt` as the report's clock is ahead of the dose's.
"""

import struct
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from clinical import units
from clinical.records import AnyRecord, Device, InsulinDose, InsulinKind, Original, Road
from clinical.vendors.json_fields import Fields, in_order, not_this, read_document, write_document
from clinical.vendors.making import Maker, Whose, quantity
from clinical.vendors.parsing import Flaw, Parsed, Problem, Unreadable

SYSTEM: Final = "novopen"
RULE: Final = "novopen-doses"

SEGMENT_DATA: Final = 3361
_HEAD: Final = struct.Struct(">HIHHHIIHH")
_ENTRY: Final = struct.Struct(">III")
_VALID: Final = 0x0800_0000
_NO_NUMBERS: Final = frozenset({0x7FFFFF, 0x800000, 0x7FFFFE, 0x800002, 0x800001})
_MOST_UNITS: Final = 60
_READ_LATE: Final = "time by the phone's clock when the pen was read, and the pen's seconds since"


class Priming(NamedTuple):
    """A dose is lost into the air if it is at most `units` and another follows within `seconds`. 0 units: never."""

    units: Decimal = Decimal(2)
    seconds: int = 120


class _Entry(NamedTuple):
    path: str
    report_clock: int
    clock: int
    dose: int
    flags: int
    raw: bytes


def read_novopen(body: bytes, whose: Whose, priming: Priming = Priming()) -> Parsed:  # noqa: B008 - immutable
    """Doses of one reading of one pen. Entries that the pen itself marks as invalid are skipped. Raises Unreadable
    (line and column, or the report's path)."""
    document = read_document(body)
    if not isinstance(document, dict) or not isinstance(document.get("reports"), list):
        raise not_this("a reading of a pen: it has no reports", "not-novopen")
    fields = Fields(document)
    try:
        pen = fields.inner("pen") or Fields({})
        read_at = whose.time(fields.needed_text("readAt", 64), "readAt")
        device = Device(vendor="Novo Nordisk", model=pen.text("model", 128), serial=pen.needed_text("serial", 64))
        insulin = fields.text("insulin", 128)
    except Flaw as flaw:
        raise Unreadable(f"this {flaw.text}", code=flaw.code, path=flaw.field_name) from None
    doses: list[tuple[_Entry, InsulinDose]] = []
    problems: list[Problem] = []
    skipped = 0
    seen: set[tuple[int, int]] = set()
    maker = Maker(whose, Road.CLOUD, SYSTEM, RULE)
    for entry in _entries(document["reports"]):
        if entry.flags != _VALID or entry.dose & 0xFFFFFF in _NO_NUMBERS or (entry.clock, entry.dose) in seen:
            skipped += 1
            continue
        seen.add((entry.clock, entry.dose))
        try:
            doses.append((entry, _dose(maker, entry, read_at.millis, read_at.offset_minutes, device, insulin)))
        except Flaw as flaw:
            kept = {key: document[key] for key in ("readAt", "pen", "insulin") if key in document}
            only = write_document({**kept, "reports": [_report(entry).hex()]})
            problems.append(Problem(f"{entry.path}.{flaw.field_name}", flaw.code, flaw.text, only))
    return Parsed(in_order(list(_with_priming(doses, maker, priming))), problems, skipped)


def _entries(reports: Sequence[object]) -> Iterator[_Entry]:
    """Raises Unreadable for a report that is none, or was cut."""
    for place, report in enumerate(reports):
        path = f"reports[{place}]"
        try:
            raw = bytes.fromhex(report) if isinstance(report, str) else b""
            _, clock, kind, _, _, _, count, _, _ = _HEAD.unpack_from(raw)
        except (ValueError, struct.error):
            raise Unreadable("this is no event report in hexadecimal", code="novopen-report", path=path) from None
        if kind != SEGMENT_DATA:
            raise Unreadable(f"this is no report of segment data ({SEGMENT_DATA})", code="novopen-report", path=path)
        if len(raw) != _HEAD.size + count * _ENTRY.size:
            said = "its length does not fit its number of entries: it was cut, or two were joined"
            raise Unreadable(said, code="novopen-cut", path=path)
        for number in range(count):
            start = _HEAD.size + number * _ENTRY.size
            one = raw[start : start + _ENTRY.size]
            seconds, dose, flags = _ENTRY.unpack(one)
            yield _Entry(f"{path}.entries[{number}]", clock, seconds, dose, flags, one)


def _report(entry: _Entry) -> bytes:
    """A report with this entry alone."""
    head = _HEAD.pack(0, entry.report_clock, SEGMENT_DATA, 14 + _ENTRY.size, 0, 0, 1, 0, _ENTRY.size)
    return head + entry.raw


def _units(dose: int) -> Decimal:
    """FLOAT-Type (IEEE 11073-20601): an exponent of one byte and a mantissa of three, both signed."""
    exponent, mantissa = dose >> 24, dose & 0xFFFFFF
    exponent -= 256 if exponent > 127 else 0
    mantissa -= 1 << 24 if mantissa >= 1 << 23 else 0
    if abs(exponent) > 6:
        raise Flaw("units", "value-impossible", "is an absurd number")
    return Decimal(mantissa).scaleb(exponent)


def _dose(
    maker: Maker, entry: _Entry, read_millis: int, offset: int | None, device: Device, insulin: str | None
) -> InsulinDose:
    if entry.clock > entry.report_clock:
        raise Flaw("relativeTime", "time-impossible", "lies after the report: the pen's clock was lost")
    millis = read_millis - (entry.report_clock - entry.clock) * 1000
    effective = maker.whose.at_millis(millis, "relativeTime", offset)
    value = _units(entry.dose)
    given = quantity(value, units.INSULIN, "units", _MOST_UNITS)
    # Another reading of the pen gives another instant, by seconds: the pen's own clock names the dose.
    name = f"{device.serial}|{entry.clock}|{entry.dose:08x}"
    original = Original(value=f"{value:f}", unit="U", time=str(entry.clock))
    made = maker.entry(name, effective, original, device=device, remarks=(_READ_LATE,))
    return InsulinDose(**made, kind=InsulinKind.INJECTION, delivered=given, insulin=insulin)


def _with_priming(doses: Sequence[tuple[_Entry, InsulinDose]], maker: Maker, priming: Priming) -> Iterator[AnyRecord]:
    """A small dose right before another one went into the air."""
    ordered = sorted(doses, key=lambda pair: pair[0].clock)
    for place, (entry, dose) in enumerate(ordered):
        after = ordered[place + 1][0].clock - entry.clock if place + 1 < len(ordered) else None
        small = dose.delivered is not None and dose.delivered.steps * units.STEP[units.INSULIN] <= priming.units
        if small and after is not None and after <= priming.seconds:
            remark = f"at most {priming.units} U, and another dose within {priming.seconds} s: into the air"
            original = dose.original
            made = maker.entry(
                dose.source.value, dose.effective, original, device=dose.device, remarks=(_READ_LATE, remark)
            )  # fmt: skip
            yield InsulinDose(**made, kind=InsulinKind.PRIMING, delivered=dose.delivered, insulin=dose.insulin)
        else:
            yield dose
