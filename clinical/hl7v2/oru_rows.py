"""A record as the OBX that tell it: one for most, several for what has parts, the first being the record's own."""

from collections.abc import Iterator
from typing import NamedTuple

from clinical.codes import loinc_for
from clinical.hl7v2.compose import Field
from clinical.hl7v2.dtm import write_dtm
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.meaning import OUR_SYSTEM, Part
from clinical.hl7v2.oru_form import OruForm
from clinical.measures import COMMENT, MDC_WRITTEN, STEPS_OF_A_DAY, WRITTEN, Measure
from clinical.records import (
    Annotation,
    AnyRecord,
    BloodPressure,
    Carbohydrate,
    Detection,
    DeviceEvent,
    Glucose,
    InsulinDose,
    InsulinKind,
    InsulinTotal,
    Quantity,
    Status,
    VitalKind,
    VitalSign,
)
from clinical.time import moment
from clinical.units import convert, text_of

_COMPARATOR = {Detection.BELOW: "<", Detection.ABOVE: ">"}
_A_DAY_SECONDS = 86_400
_CODED_SINCE, _DTM_SINCE = (2, 5), (2, 6)

Coding = tuple[str, str, str]


class Row(NamedTuple):
    """OBX-2, -3, -5 and -6."""

    kind: str
    code: Coding
    value: Field
    unit: str | None = None


def rows_of(record: AnyRecord, form: OruForm) -> list[Row]:
    """The OBX of a record. Raises Hl7Error with the record's field if it says nothing that could be written."""
    if isinstance(record, Glucose):
        return [_glucose(record, form)]
    rows = list(_Rows(form, withdrawn=record.status is Status.ENTERED_IN_ERROR).of(record))
    if not rows:
        raise Hl7Error("the record has no value; nothing can be written", "value", "value-missing")
    return rows


def _glucose(record: Glucose, form: OruForm) -> Row:
    value = record.value
    if form.unit is not None and form.unit != value.unit:
        value = Quantity(steps=convert(value.steps, value.unit, form.unit), unit=form.unit)
    withdrawn = record.status is Status.ENTERED_IN_ERROR
    text = "" if withdrawn and record.original.value is None else text_of(value.steps, value.unit)
    code = (*loinc_for(record.analyte, value.unit), "LN")
    if record.detection is not None:
        return Row("SN", code, (_COMPARATOR[record.detection], text), value.unit)
    return Row("NM", code, text, value.unit)


class _Rows:
    """Rows of one record in the types of the form's version."""

    def __init__(self, form: OruForm, *, withdrawn: bool) -> None:
        self._coded = "CWE" if form.release >= _CODED_SINCE else "CE"
        self._moment = "DTM" if form.release >= _DTM_SINCE else "TS"
        self._withdrawn = withdrawn

    def of(self, record: AnyRecord) -> Iterator[Row]:
        if isinstance(record, InsulinDose):
            yield from self._dose(record)
        elif isinstance(record, InsulinTotal):
            parts = ((Part.TOTAL, record.total), (Part.TOTAL_BASAL, record.basal), (Part.TOTAL_BOLUS, record.bolus))
            for part, value in parts:
                if value is not None:
                    yield self._number(_own(part), value)
        elif isinstance(record, BloodPressure):
            yield self._number(_loinc(Measure.SYSTOLIC), record.systolic)
            yield self._number(_loinc(Measure.DIASTOLIC), record.diastolic)
            if record.pulse is not None:
                yield self._number(_loinc(Measure.HEART_RATE), record.pulse)
        elif isinstance(record, VitalSign):
            whole_day = record.kind is VitalKind.STEPS and record.duration_seconds == _A_DAY_SECONDS
            code = (*STEPS_OF_A_DAY, "LN") if whole_day else _loinc(Measure(record.kind.value))
            yield self._number(code, record.value)
            yield from self._duration(record.duration_seconds)
        elif isinstance(record, Carbohydrate):
            yield self._number(_loinc(Measure.CARBOHYDRATE), record.amount)
        else:
            yield from self._words(record)

    def _words(self, record: AnyRecord) -> Iterator[Row]:
        if isinstance(record, DeviceEvent):
            yield Row(self._coded, _own(Part.EVENT), (record.event, "", OUR_SYSTEM))
            if record.value is not None:
                yield self._number(_own(Part.VALUE), record.value)
            if record.until is not None:
                yield Row(self._moment, _own(Part.UNTIL), write_dtm(moment(record.until.millis)))
        elif isinstance(record, Annotation):
            yield Row("TX", (*COMMENT, "LN"), record.text)
            yield Row(self._coded, _own(Part.KIND), (record.kind, "", OUR_SYSTEM))
            yield from self._duration(record.duration_seconds)

    def _dose(self, record: InsulinDose) -> Iterator[Row]:
        given = {InsulinKind.EXTENDED_BOLUS: Measure.EXTENDED_BOLUS, InsulinKind.BASAL: Measure.BASAL}
        measure = given.get(record.kind, Measure.BOLUS)
        parts = (
            (measure, record.delivered),
            (Measure.BASAL_RATE, record.rate),
            (Measure.BOLUS_SETTING, record.requested),
        )
        told = [self._number(_mdc(each), value) for each, value in parts if value is not None]
        if not told and self._withdrawn:
            told = [Row("NM", _mdc(measure), "")]
        if not told:
            raise Hl7Error("the dose has neither an amount nor a rate", "delivered", "dose-missing")
        yield from told
        yield Row(self._coded, _own(Part.KIND), (record.kind.value, "", OUR_SYSTEM))
        yield from self._duration(record.duration_seconds)
        if record.automatic:
            yield Row(self._coded, _own(Part.AUTOMATIC), ("Y", "", "HL70136"))
        if record.insulin:
            yield Row("ST", _own(Part.INSULIN), record.insulin)

    def _number(self, code: Coding, value: Quantity) -> Row:
        text = "" if self._withdrawn and value.steps == 0 else text_of(value.steps, value.unit)
        return Row("NM", code, text, value.unit)

    def _duration(self, seconds: int | None) -> Iterator[Row]:
        if seconds is not None:
            yield Row("NM", _own(Part.DURATION), str(seconds), "s")


def _loinc(measure: Measure) -> Coding:
    return (*WRITTEN[measure], "LN")


def _mdc(measure: Measure) -> Coding:
    return (*MDC_WRITTEN[measure], "MDC")


def _own(part: Part) -> Coding:
    return (part.value, part.value.replace("-", " "), OUR_SYSTEM)
