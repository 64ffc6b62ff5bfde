"""Records from OBX that belong together."""

from typing import Any

from clinical.hl7v2.draft import Draft
from clinical.hl7v2.dtm import read_dtm
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.joining import Joined
from clinical.hl7v2.meaning import TOTALS, Meaning, Part
from clinical.measures import INSULIN, UNIT, Measure
from clinical.records import (
    Analyte,
    Annotation,
    AnyRecord,
    BloodPressure,
    Carbohydrate,
    DeviceEvent,
    Glucose,
    Instant,
    InsulinDose,
    InsulinKind,
    InsulinTotal,
    Quantity,
    VitalKind,
    VitalSign,
)
from clinical.time import instant_at_offset

_KIND = {
    Measure.BOLUS: InsulinKind.BOLUS,
    Measure.BOLUS_SETTING: InsulinKind.BOLUS,
    Measure.EXTENDED_BOLUS: InsulinKind.EXTENDED_BOLUS,
    Measure.BASAL: InsulinKind.BASAL,
    Measure.BASAL_RATE: InsulinKind.BASAL,
}
_DELIVERED = (Measure.BOLUS, Measure.EXTENDED_BOLUS, Measure.BASAL)


def record_of(joined: Joined, entry: dict[str, Any]) -> AnyRecord:
    """The record, `entry` being what every record has. Raises Hl7Error with the path inside the first OBX."""
    main = joined.main
    meaning = main.code.meaning
    if isinstance(meaning, Analyte):
        assert main.content.quantity is not None
        return Glucose(analyte=meaning, value=main.content.quantity, detection=main.content.detection, **entry)
    if meaning in INSULIN:
        return _dose(joined, entry)
    if isinstance(meaning, Measure):
        return _measured(joined, meaning, entry)
    if meaning in TOTALS:
        every = {meaning: main, **joined.mates}
        return InsulinTotal(
            total=_quantity_of(every, Part.TOTAL),
            basal=_quantity_of(every, Part.TOTAL_BASAL),
            bolus=_quantity_of(every, Part.TOTAL_BOLUS),
            **entry,
        )
    if meaning is Part.EVENT:
        until = _until(joined)
        return DeviceEvent(
            event=main.content.text or "", value=_quantity_of(joined.mates, Part.VALUE), until=until, **entry
        )
    kind = _text(joined, Part.KIND) or "note"
    return Annotation(text=main.content.text or "", kind=kind, duration_seconds=_seconds(joined), **entry)


def _measured(joined: Joined, measure: Measure, entry: dict[str, Any]) -> AnyRecord:
    value = joined.main.content.quantity or Quantity(steps=0, unit=UNIT[measure])
    if measure is Measure.CARBOHYDRATE:
        return Carbohydrate(amount=value, **entry)
    if measure is not Measure.SYSTOLIC:
        return VitalSign(kind=VitalKind(measure.value), value=value, duration_seconds=_seconds(joined), **entry)
    diastolic = _quantity_of(joined.mates, Measure.DIASTOLIC) or Quantity(steps=0, unit=UNIT[measure])
    return BloodPressure(
        systolic=value, diastolic=diastolic, pulse=_quantity_of(joined.mates, Measure.HEART_RATE), **entry
    )


def _dose(joined: Joined, entry: dict[str, Any]) -> InsulinDose:
    every = {joined.main.code.meaning: joined.main, **joined.mates}
    word = _text(joined, Part.KIND)
    try:
        kind = InsulinKind(word) if word else _KIND[Measure(joined.main.code.meaning)]
    except ValueError:
        raise Hl7Error("is given in no way that insulin is", "5", "insulin-kind") from None
    delivered = next((found for measure in _DELIVERED if (found := _quantity_of(every, measure)) is not None), None)
    return InsulinDose(
        kind=kind,
        requested=_quantity_of(every, Measure.BOLUS_SETTING),
        delivered=delivered,
        rate=_quantity_of(every, Measure.BASAL_RATE),
        duration_seconds=_seconds(joined),
        automatic=_text(joined, Part.AUTOMATIC) == "Y",
        insulin=_text(joined, Part.INSULIN),
        **entry,
    )


def _quantity_of(drafts: dict[Meaning, Draft], meaning: Meaning) -> Quantity | None:
    found = drafts.get(meaning)
    return found.content.quantity if found is not None else None


def _text(joined: Joined, part: Part) -> str | None:
    found = joined.mates.get(part)
    return found.content.text if found is not None else None


def _seconds(joined: Joined) -> int | None:
    text = _text(joined, Part.DURATION)
    return int(text) if text is not None else None


def _until(joined: Joined) -> Instant | None:
    text = _text(joined, Part.UNTIL)
    if text is None:
        return None
    written = read_dtm(text)
    if written.offset_minutes is None:
        raise Hl7Error("the end has no offset; write it as YYYYMMDDHHMMSS+ZZZZ", "5", "no-offset")
    return instant_at_offset(written, written.offset_minutes, "offset")
