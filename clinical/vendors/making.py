"""What makers of records have in common: whose data it is, identities, instants, quantities, glucose values."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from clinical import units
from clinical.records import Deed, Detection, Device, Instant, Original, PatientRef, Quantity, Road, SourceId, Status
from clinical.time import Written, instant_at_offset, instant_in_zone
from clinical.vendors.iso_time import read_time
from clinical.vendors.parsing import Flaw

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC
FIRST_MILLIS, _LAST_MILLIS = 946_684_800_000, 4_102_444_800_000  # 2000, 2100
LONG_AGO = "dated before 2000: the clock was not set, or the export is made up"
_AHEAD_MILLIS = 86_400_000
_POSSIBLE = {units.MG_DL: (20, 600), units.MMOL_L: (11, 333)}
_WIDEST_OFFSET_MINUTES = 14 * 60
LEAST_MG_DL = 34
"""What is under it is as likely a mmol/L: 22.5 is very high there, and below every sensor's range in mg/dL."""
_DEVICES_DECIMALS = range(-2, 0)
CONTRADICTED = "has decimals, which mg/dL has not: another unit than the one that is named"


@dataclass(frozen=True, slots=True)
class Whose:
    """What a body does not say of itself. `version` sorts what different fetches say about one record; `zone` is
    where wall clocks without offset were; `asked_at` (aware): what is dated more than a day later is impossible."""

    patient: PatientRef
    version: str | None = None
    zone: ZoneInfo | None = None
    asked_at: datetime | None = None

    def latest_millis(self) -> float:
        return self.asked_at.timestamp() * 1000 + _AHEAD_MILLIS if self.asked_at else _LAST_MILLIS

    def check(self, instant: Instant, field_name: str) -> Instant:
        """Raises Flaw for an instant at which nothing can have been measured."""
        if not FIRST_MILLIS <= instant.millis <= self.latest_millis():
            raise Flaw(field_name, "time-impossible", "is not a time at which this can have been measured")
        return instant

    def digest(self, *parts: object) -> str:
        """An identity for what has none at its source: of this patient, and these parts."""
        text = "\n".join((self.patient.system, self.patient.value, *map(str, parts)))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def time(self, text: str, field_name: str) -> Instant:
        """A time as ISO 8601 or nearly so; without an offset it is a wall clock of `zone`."""
        written = read_time(text, field_name)
        return self.check(self.instant(written, field_name), field_name)

    def instant(self, written: Written, field_name: str) -> Instant:
        if written.offset_minutes is not None:
            return instant_at_offset(written, written.offset_minutes, "offset")
        if self.zone is None:
            raise Flaw(field_name, "time-without-offset", "has no offset; say where its clock was: set timezone")
        return instant_in_zone(written, self.zone)

    def at_millis(self, millis: Decimal | int, field_name: str, offset_minutes: int | None = None) -> Instant:
        """An instant given in milliseconds since 1970, with the wall clock where an offset is known."""
        whole = int(millis)
        if not FIRST_MILLIS <= whole <= _LAST_MILLIS:
            raise Flaw(field_name, "time-impossible", "is not a time at which this can have been measured")
        return self.check(moment(whole, offset_minutes), field_name)


def utc_millis(utc: datetime) -> int:
    """Milliseconds since 1970 of a naive UTC."""
    return (utc - _EPOCH) // timedelta(milliseconds=1)


def moment(millis: int, offset_minutes: int | None = None) -> Instant:
    """An instant by a clock of the device or its app in UTC."""
    local = None
    if offset_minutes is not None and abs(offset_minutes) <= _WIDEST_OFFSET_MINUTES:
        local = (_EPOCH + timedelta(milliseconds=millis, minutes=offset_minutes)).isoformat()
    else:
        offset_minutes = None
    precision = "millisecond" if millis % 1000 else "second"
    return Instant(millis=millis, how="device-utc", local=local, offset_minutes=offset_minutes, precision=precision)


@lru_cache(maxsize=512)
def deeds(rule: str, version: str, *remarks: str | None) -> tuple[Deed, ...]:
    """What one rule did to a record, in words; records to which it did the same share the tuple."""
    return tuple(Deed(rule=rule, version=version, what=remark) for remark in remarks if remark)


@dataclass(frozen=True, slots=True)
class Maker:
    """Fills in what every record of one format says."""

    whose: Whose
    road: Road
    system: str
    rule: str
    rule_version: str = "1"

    def entry(
        self,
        identity: str,
        effective: Instant,
        original: Original,
        *,
        device: Device | None = None,
        status: Status = Status.FINAL,
        remarks: Sequence[str | None] = (),
        version: str | None = None,
    ) -> dict[str, Any]:
        """The fields of `Entry`."""
        return {
            "patient": self.whose.patient,
            "effective": effective,
            "status": status,
            "source": SourceId(
                road=self.road, system=self.system, value=identity, version=version or self.whose.version
            ),
            "original": original,
            "device": device,
            "done": deeds(self.rule, self.rule_version, *remarks) if remarks else (),
        }


class Measured(NamedTuple):
    """`detection`: `value` is the limit of the measuring range, the truth lies beyond it."""

    value: Quantity
    detection: Detection | None = None
    remark: str | None = None


def quantity(number: Decimal, unit: str, field_name: str, most: int = 100_000) -> Quantity:
    """Not negative and not absurd, rounded to the unit's step. Raises Flaw."""
    if not 0 <= number <= most:
        raise Flaw(field_name, "value-impossible", f"lies outside what is possible (0 to {most} {unit})")
    return Quantity(steps=units.to_steps(number, unit)[0], unit=unit)


def glucose_unit(written: str | None, field_name: str) -> str:
    """The UCUM code of a glucose unit, `mg/dl` and `mmol` included. Raises Flaw: a unit is never guessed."""
    unit = units.ucum({"mmol": "mmol/L", "mg": "mg/dL"}.get(written.lower(), written)) if written else None
    if unit is None:
        text = "is neither mg/dL nor mmol/L" if written else "is missing; a unit is never guessed"
        raise Flaw(field_name, "unit-unknown" if written else "unit-missing", text)
    return unit


def glucose(
    number: Decimal,
    unit: str,
    field_name: str,
    *,
    low: int | None = None,
    high: int | None = None,
    clamped: bool = False,
) -> Measured:
    """A reading in a UCUM unit. `low` and `high` are the measuring range in steps of that unit (1 mg/dL, 0.1 mmol/L):
    beyond them the value is the limit, marked below or above; where a device cuts off (`clamped`), the limits
    themselves are so marked. Raises Flaw for what is impossible (under 20 or over 600 mg/dL), and for a mg/dL written
    as devices write mmol/L: more decimals than two are an arithmetic's."""
    steps, exact = units.to_steps(number, unit)
    least, most = _POSSIBLE[unit]
    if not least <= steps <= most:
        text = "lies outside what is possible (20 to 600 mg/dL, 1.1 to 33.3 mmol/L)"
        raise Flaw(field_name, "value-impossible", text)
    if unit == units.MG_DL and steps < LEAST_MG_DL and number.as_tuple().exponent in _DEVICES_DECIMALS:
        raise Flaw(field_name, "unit-contradicted", CONTRADICTED)
    if low is not None and (steps < low or (clamped and steps == low)):
        return _beyond(low, unit, Detection.BELOW)
    if high is not None and (steps > high or (clamped and steps == high)):
        return _beyond(high, unit, Detection.ABOVE)
    return Measured(Quantity(steps=steps, unit=unit), None, None if exact else f"rounded to {units.STEP[unit]} {unit}")


def _beyond(limit: int, unit: str, detection: Detection) -> Measured:
    return Measured(Quantity(steps=limit, unit=unit), detection, f"{detection.value} the measuring range: limit kept")


_UNROUNDED_DIGITS = 4
_NEAR = Decimal("0.002")


def unconverted(number: Decimal, unit: str, factor: Decimal) -> Decimal | None:
    """The whole mg/dL from which a platform made this mmol/L by `factor` without rounding; None if it did not.

    A device that measures in mmol/L writes one or two decimals. More of them are an arithmetic's, and where they lead
    back to a whole number of mg/dL, that is what the device said.
    """
    exponent = number.as_tuple().exponent
    if unit != units.MMOL_L or not isinstance(exponent, int) or -exponent < _UNROUNDED_DIGITS:
        return None
    back = number * factor
    whole = back.to_integral_value()
    return whole if abs(back - whole) <= _NEAR else None


def stored_glucose(
    number: Decimal, unit: str, field_name: str, factor: Decimal, *, low: int | None = None, high: int | None = None
) -> Measured:
    """A reading from a platform that stores mmol/L converted without rounding: in the device's own mg/dL, where the
    digits show it. `low` and `high`: as in `glucose`, in mg/dL, for readings in mg/dL."""
    back = unconverted(number, unit, factor)
    if back is None:
        mg = unit == units.MG_DL
        return glucose(number, unit, field_name, low=low if mg else None, high=high if mg else None)
    found = glucose(back, units.MG_DL, field_name, low=low, high=high)
    remark = f"mmol/L stored unrounded: the device's own {back} mg/dL restored"
    return Measured(found.value, found.detection, f"{remark}; {found.remark}" if found.remark else remark)


def utc_text(millis: int) -> str:
    """ISO 8601 in UTC with microseconds, as versions are written: sorts as text."""
    text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")
