"""A document of one patient's records: what sites import that take neither FHIR nor HL7 v2.

US Realm Header with two coded sections and their tables for people. It claims no document template: a CCD would have to
say something about allergies, medication and problems, of which we know nothing.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from clinical.ccda.templates import CDA, HEADER, LOINC, RESULTS, SNOMED, VITAL_SIGNS, XSI, Section
from clinical.codes import loinc_for
from clinical.fhir.identifiers import reading_value
from clinical.measures import WRITTEN, Measure
from clinical.records import AnyRecord, BloodPressure, Detection, Glucose, PatientRef, Quantity, Status, VitalSign
from clinical.time import moment
from clinical.units import text_of

register_namespace("", CDA)
register_namespace("xsi", XSI)
_OURS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:islet:reading")


@dataclass(frozen=True, slots=True)
class Header:
    """Of whom, by whom, when. `patient_root`: the OID or UUID of the site's patient identifiers. `written_at` aware."""

    patient_root: str
    custodian: str
    written_at: datetime
    title: str = "Glucose and vital signs"


class Row(NamedTuple):
    """One observation: code, display, value, and whether it is a limit."""

    code: str
    display: str
    value: Quantity
    detection: Detection | None = None


def document(patient: PatientRef, records: Sequence[AnyRecord], header: Header) -> bytes | None:
    """The document, in UTF-8, or None if it would hold nothing. The same input gives the same bytes.

    Glucose goes to the results, weight, heart rate and blood pressure to the vital signs; records of other kinds and
    those entered in error have no place in it.
    """
    standing = [record for record in records if record.status is not Status.ENTERED_IN_ERROR and any(_rows(record))]
    if not standing:
        return None
    root = Element(_q("ClinicalDocument"))
    _plain(root, "realmCode", code="US")
    _plain(root, "typeId", root="2.16.840.1.113883.1.3", extension="POCD_HD000040")
    _template(root, HEADER)
    named = f"{patient.system}|{patient.value}|{header.written_at.isoformat()}"
    _plain(root, "id", root=str(uuid.uuid5(_OURS, named)))
    _plain(root, "code", code="34133-9", codeSystem=LOINC, displayName="Summarization of Episode Note")
    _text(root, "title", header.title)
    _plain(root, "effectiveTime", value=_time(header.written_at))
    _plain(root, "confidentialityCode", code="N", codeSystem="2.16.840.1.113883.5.25")
    _plain(root, "languageCode", code="en-US")
    _parties(root, patient, header)
    body = _part(_part(root, "component"), "structuredBody")
    _section(body, RESULTS, (record for record in standing if isinstance(record, Glucose)))
    _section(body, VITAL_SIGNS, (record for record in standing if isinstance(record, (VitalSign, BloodPressure))))
    text: str = tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _parties(root: Element, patient: PatientRef, header: Header) -> None:
    role = _part(_part(root, "recordTarget"), "patientRole")
    _plain(role, "id", root=header.patient_root, extension=patient.value)
    _plain(role, "addr", nullFlavor="NI")
    _plain(role, "telecom", nullFlavor="NI")
    person = _part(role, "patient")
    for name in ("name", "administrativeGenderCode", "birthTime"):
        _plain(person, name, nullFlavor="NI")
    author = _part(root, "author")
    _plain(author, "time", value=_time(header.written_at))
    assigned = _part(author, "assignedAuthor")
    _plain(assigned, "id", nullFlavor="NI")
    _plain(assigned, "addr", nullFlavor="NI")
    _plain(assigned, "telecom", nullFlavor="NI")
    device = _part(assigned, "assignedAuthoringDevice")
    _text(device, "manufacturerModelName", "Islet")
    _text(device, "softwareName", "Islet")
    keeper = _part(_part(_part(root, "custodian"), "assignedCustodian"), "representedCustodianOrganization")
    _plain(keeper, "id", nullFlavor="NI")
    _text(keeper, "name", header.custodian)


def _section(body: Element, section: Section, records: Iterable[AnyRecord]) -> None:
    ordered = sorted(records, key=lambda record: (record.effective.millis, reading_value(record)))
    held = _part(_part(body, "component"), "section")
    if not ordered:
        held.set("nullFlavor", "NI")
    _template(held, section.template)
    _plain(held, "code", code=section.code, codeSystem=LOINC)
    _text(held, "title", section.title)
    _table(_part(held, "text"), ordered)
    for record in ordered:
        _organizer(held, section, record)


def _table(text: Element, records: Sequence[AnyRecord]) -> None:
    if not records:
        text.text = "No information"
        return
    body = _part(_part(text, "table"), "tbody")
    for record in records:
        for row in _rows(record):
            line = _part(body, "tr")
            sign = {Detection.BELOW: "< ", Detection.ABOVE: "> "}[row.detection] if row.detection else ""
            value = f"{sign}{text_of(row.value.steps, row.value.unit)} {row.value.unit}"
            for cell in (moment(record.effective.millis).isoformat(), row.display, value):
                _text(line, "td", cell)


def _organizer(held: Element, section: Section, record: AnyRecord) -> None:
    organizer = _part(_part(held, "entry"), "organizer", classCode="CLUSTER", moodCode="EVN")
    _template(organizer, section.organizer)
    identity = uuid.uuid5(_OURS, reading_value(record))
    _plain(organizer, "id", root=str(identity))
    rows = list(_rows(record))
    if section is VITAL_SIGNS:
        _plain(organizer, "code", code="46680005", codeSystem=SNOMED, displayName="Vital signs")
    else:
        _plain(organizer, "code", code=rows[0].code, codeSystem=LOINC, displayName=rows[0].display)
    _plain(organizer, "statusCode", code="completed")
    when = _time(moment(record.effective.millis))
    _plain(organizer, "effectiveTime", value=when)
    for row in rows:
        observation = _part(_part(organizer, "component"), "observation", classCode="OBS", moodCode="EVN")
        _template(observation, section.observation)
        _plain(observation, "id", root=str(uuid.uuid5(identity, row.code)))
        _plain(observation, "code", code=row.code, codeSystem=LOINC, displayName=row.display)
        _plain(observation, "statusCode", code="completed")
        _plain(observation, "effectiveTime", value=when)
        _value(observation, row)


def _value(observation: Element, row: Row) -> None:
    number = {"value": text_of(row.value.steps, row.value.unit), "unit": row.value.unit}
    kind = "PQ" if row.detection is None else "IVL_PQ"
    value = SubElement(observation, _q("value"), {f"{{{XSI}}}type": kind})
    if row.detection is None:
        value.attrib.update(number)
    else:
        _plain(value, "high" if row.detection is Detection.BELOW else "low", inclusive="false", **number)


def _rows(record: AnyRecord) -> Iterator[Row]:
    if isinstance(record, Glucose):
        yield Row(*loinc_for(record.analyte, record.value.unit), record.value, record.detection)
    elif isinstance(record, VitalSign):
        yield Row(*WRITTEN[Measure(record.kind.value)], record.value)
    elif isinstance(record, BloodPressure):
        yield Row(*WRITTEN[Measure.SYSTOLIC], record.systolic)
        yield Row(*WRITTEN[Measure.DIASTOLIC], record.diastolic)
        if record.pulse is not None:
            yield Row(*WRITTEN[Measure.HEART_RATE], record.pulse)


def _q(name: str) -> str:
    return f"{{{CDA}}}{name}"


def _part(parent: Element, name: str, **attributes: str) -> Element:
    return SubElement(parent, _q(name), attributes)


def _plain(parent: Element, name: str, **attributes: str) -> None:
    SubElement(parent, _q(name), attributes)


def _text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, _q(name)).text = text


def _template(parent: Element, template: tuple[str, str]) -> None:
    _plain(parent, "templateId", root=template[0], extension=template[1])


def _time(when: datetime) -> str:
    return when.strftime("%Y%m%d%H%M%S%z")
