"""A document of one patient's records or outcomes: what sites import that take neither FHIR nor HL7 v2.

A Continuity of Care Document (C-CDA R2.1): US Realm Header, results and vital signs with coded entries and a table for
people. The sections of which we know nothing, and which a CCD must have, say that there is no information.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from clinical.ccda.content import Group, Row
from clinical.ccda.templates import (
    ALLERGIES,
    CCD,
    CDA,
    HEADER,
    LOINC,
    MEDICATIONS,
    PROBLEMS,
    RESULTS,
    SOCIAL_HISTORY,
    VITAL_SIGNS,
    VITAL_SIGNS_CODE,
    VITAL_SIGNS_TRANSLATION,
    XSI,
    Section,
    SilentSection,
    Template,
)
from clinical.records import Detection, PatientRef

register_namespace("", CDA)
register_namespace("xsi", XSI)
_OURS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:islet:reading")
_NOTHING: Final = "No information"


@dataclass(frozen=True, slots=True)
class Header:
    """Of whom, by whom, when. `patient_root`: the OID or UUID of the site's patient identifiers. `written_at` aware."""

    patient_root: str
    custodian: str
    written_at: datetime
    title: str = "Glucose and vital signs"


def document(patient: PatientRef, groups: Sequence[Group], header: Header) -> bytes | None:
    """The document, in UTF-8, or None if it would hold nothing. The same input gives the same bytes."""
    if not groups:
        return None
    root = Element(_q("ClinicalDocument"))
    _plain(root, "realmCode", code="US")
    _plain(root, "typeId", root="2.16.840.1.113883.1.3", extension="POCD_HD000040")
    _template(root, HEADER)
    _template(root, CCD)
    named = f"{patient.system}|{patient.value}|{header.written_at.isoformat()}"
    _plain(root, "id", root=str(uuid.uuid5(_OURS, named)))
    _plain(root, "code", code="34133-9", codeSystem=LOINC, displayName="Summarization of Episode Note")
    _text(root, "title", header.title)
    _plain(root, "effectiveTime", value=_time(header.written_at))
    _plain(root, "confidentialityCode", code="N", codeSystem="2.16.840.1.113883.5.25")
    _plain(root, "languageCode", code="en-US")
    _patient(root, patient, header)
    _author(root, header)
    _custodian(root, header)
    event = _part(_part(root, "documentationOf"), "serviceEvent", classCode="PCPR")
    _span(event, min(group.start for group in groups), max(group.end for group in groups))
    body = _part(_part(root, "component"), "structuredBody")
    for silent in (ALLERGIES, MEDICATIONS, PROBLEMS):
        _silent(body, silent)
    for section in (RESULTS, VITAL_SIGNS):
        _section(body, section, [group for group in groups if group.section is section])
    _silent(body, SOCIAL_HISTORY)
    text: str = tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _patient(root: Element, patient: PatientRef, header: Header) -> None:
    role = _part(_part(root, "recordTarget"), "patientRole")
    _plain(role, "id", root=header.patient_root, extension=patient.value)
    _unknown(role, "addr", "telecom")
    person = _part(role, "patient")
    _unknown(person, "name", "administrativeGenderCode", "birthTime", "raceCode", "ethnicGroupCode")


def _author(root: Element, header: Header) -> None:
    """A device, with the organisation behind it (CONF:1198-8456)."""
    author = _part(root, "author")
    _plain(author, "time", value=_time(header.written_at))
    assigned = _part(author, "assignedAuthor")
    _unknown(assigned, "id", "addr", "telecom")
    device = _part(assigned, "assignedAuthoringDevice")
    _text(device, "manufacturerModelName", "Islet")
    _text(device, "softwareName", "Islet")
    _text(_part(assigned, "representedOrganization"), "name", header.custodian)


def _custodian(root: Element, header: Header) -> None:
    keeper = _part(_part(_part(root, "custodian"), "assignedCustodian"), "representedCustodianOrganization")
    _unknown(keeper, "id")
    _text(keeper, "name", header.custodian)
    _unknown(keeper, "telecom", "addr")


def _silent(body: Element, section: SilentSection) -> None:
    held = _part(_part(body, "component"), "section", nullFlavor="NI")
    _head(held, section)
    _text(held, "text", _NOTHING)


def _section(body: Element, section: Section, groups: Sequence[Group]) -> None:
    held = _part(_part(body, "component"), "section")
    if not groups:
        held.set("nullFlavor", "NI")
    _head(held, section)
    text = _part(held, "text")
    if groups:
        _table(text, groups)
    else:
        text.text = _NOTHING
    for group in groups:
        _organizer(held, group)


def _head(held: Element, section: Section | SilentSection) -> None:
    _template(held, section.template)
    _plain(held, "code", code=section.code, codeSystem=LOINC)
    _text(held, "title", section.title)


def _table(text: Element, groups: Sequence[Group]) -> None:
    body = _part(_part(text, "table"), "tbody")
    for group in groups:
        when = group.start.isoformat()
        if group.end != group.start:
            when = f"{when} to {group.end.isoformat()}"
        for row in group.rows:
            line = _part(body, "tr")
            sign = {Detection.BELOW: "< ", Detection.ABOVE: "> "}[row.detection] if row.detection else ""
            for cell in (when, row.display, f"{sign}{row.value} {row.unit}"):
                _text(line, "td", cell)


def _organizer(held: Element, group: Group) -> None:
    organizer = _part(_part(held, "entry"), "organizer", classCode="CLUSTER", moodCode="EVN")
    _template(organizer, group.section.organizer)
    identity = uuid.uuid5(_OURS, group.key)
    _plain(organizer, "id", root=str(identity))
    vital = group.section is VITAL_SIGNS
    code, system, display = VITAL_SIGNS_CODE if vital else (group.code, LOINC, group.display)
    held_code = _part(organizer, "code", code=code, codeSystem=system, displayName=display)
    if vital:
        code, system, display = VITAL_SIGNS_TRANSLATION
        _plain(held_code, "translation", code=code, codeSystem=system, displayName=display)
    status = "completed" if group.completed or vital else "active"  # vital signs know no other (CONF:1098-19119)
    _plain(organizer, "statusCode", code=status)
    if vital:
        _when(organizer, group)
    else:
        _span(organizer, group.start, group.end)  # a results organizer's time is an interval (CONF:1198-32488)
    for row in group.rows:
        observation = _part(_part(organizer, "component"), "observation", classCode="OBS", moodCode="EVN")
        _template(observation, group.section.observation)
        _plain(observation, "id", root=str(uuid.uuid5(identity, row.code)))
        _plain(observation, "code", code=row.code, codeSystem=LOINC, displayName=row.display)
        _plain(observation, "statusCode", code=status)
        _when(observation, group)
        _value(observation, row)


def _value(observation: Element, row: Row) -> None:
    number = {"value": row.value, "unit": row.unit}
    kind = "PQ" if row.detection is None else "IVL_PQ"
    value = SubElement(observation, _q("value"), {f"{{{XSI}}}type": kind})
    if row.detection is None:
        value.attrib.update(number)
    else:
        _plain(value, "high" if row.detection is Detection.BELOW else "low", inclusive="false", **number)


def _when(parent: Element, group: Group) -> None:
    if group.start == group.end:
        _plain(parent, "effectiveTime", value=_time(group.start))
    else:
        _span(parent, group.start, group.end)


def _span(parent: Element, start: datetime, end: datetime) -> None:
    held = _part(parent, "effectiveTime")
    _plain(held, "low", value=_time(start))
    _plain(held, "high", value=_time(end))


def _q(name: str) -> str:
    return f"{{{CDA}}}{name}"


def _part(parent: Element, name: str, **attributes: str) -> Element:
    return SubElement(parent, _q(name), attributes)


def _plain(parent: Element, name: str, **attributes: str) -> None:
    SubElement(parent, _q(name), attributes)


def _unknown(parent: Element, *names: str) -> None:
    for name in names:
        _plain(parent, name, nullFlavor="NI")


def _text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, _q(name)).text = text


def _template(parent: Element, template: Template) -> None:
    _plain(parent, "templateId", root=template[0], extension=template[1])


def _time(when: datetime) -> str:
    return when.strftime("%Y%m%d%H%M%S%z")
