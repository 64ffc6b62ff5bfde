"""C-CDA: sections written from records, and anybody's sections read."""

from typing import Any
from xml.etree.ElementTree import fromstring

import msgspec
import pytest
from pydantic import ValidationError

from clinical.ccda.templates import (
    ALLERGIES,
    CCD,
    CDA,
    HEADER,
    MEDICATIONS,
    PROBLEMS,
    RESULTS,
    SOCIAL_HISTORY,
    VITAL_SIGNS,
)
from clinical.records import AnyRecord, BloodPressure, Glucose, Status, VitalSign, decode, encode
from engine import sdk
from engine.testing.builders import a_message
from tests.unit.fhir.builders import many_readings
from tests.unit.fhir.kinds import every_kind
from transformers.ccda_to_records import CcdaToRecordsSettings, ccda_to_records
from transformers.records_to_ccda import RecordsToCcdaSettings, records_to_ccda

NS = {"c": CDA}


def given() -> list[AnyRecord]:
    """Each under an identity of its own, of one patient."""
    records = [*every_kind(), *(reading for reading in many_readings() if reading.effective.precision != "day")]
    patient = records[0].patient
    return [
        msgspec.structs.replace(
            record, patient=patient, source=msgspec.structs.replace(record.source, value=f"s-{n}"), reading_id=None
        )
        for n, record in enumerate(records)
    ]


def written(*records: AnyRecord) -> list[sdk.StepOutput]:
    settings = RecordsToCcdaSettings(patient_root="2.16.840.1.113883.19.5", custodian="St Mary's", assigner="STM")
    made: list[sdk.StepOutput] = records_to_ccda(a_message(encode(records), sdk.Shape.RECORDS), settings)
    return made


def the_document(*records: AnyRecord) -> bytes:
    (output,) = written(*records)
    assert isinstance(output, sdk.Message)
    assert output.shape is sdk.Shape.XML
    return output.body


def read(body: bytes) -> list[sdk.StepOutput]:
    made: list[sdk.StepOutput] = ccda_to_records(a_message(body, sdk.Shape.XML), CcdaToRecordsSettings(timezone="UTC"))
    return made


def records_of(body: bytes) -> tuple[AnyRecord, ...]:
    (output,) = read(body)
    assert isinstance(output, sdk.Message), output
    return decode(output.body)


def said(record: AnyRecord) -> dict[str, Any]:
    names = ("analyte", "value", "detection", "kind", "systolic", "diastolic", "pulse")
    told = {name: getattr(record, name, None) for name in names}
    return told | {"is": type(record).__name__, "at": record.effective.millis // 1000}


def test_what_is_written_is_read_back_the_same() -> None:
    kept = [
        record
        for record in given()
        if isinstance(record, (Glucose, VitalSign, BloodPressure)) and record.status is not Status.ENTERED_IN_ERROR
    ]
    back = records_of(the_document(*given()))
    assert sorted(map(said, back), key=repr) == sorted(map(said, kept), key=repr)
    assert {record.patient.value for record in back} == {"MRN-0001"}
    assert len({record.source.value for record in back}) == len(kept)


def test_the_same_records_give_the_same_document_and_the_same_identities() -> None:
    assert the_document(*given()) == the_document(*given())


def test_sections_and_observations_carry_their_templates_and_codes() -> None:
    root = fromstring(the_document(*given()))
    sections = {
        code.get("code"): section
        for section in root.iterfind(".//c:section", NS)
        if (code := section.find("c:code", NS)) is not None
    }
    silent = (ALLERGIES, MEDICATIONS, PROBLEMS, SOCIAL_HISTORY)
    assert sections.keys() == {RESULTS.code, VITAL_SIGNS.code, *(section.code for section in silent)}
    assert {(each.get("root"), each.get("extension")) for each in root.iterfind("c:templateId", NS)} == {HEADER, CCD}
    for nothing in silent:
        held = sections[nothing.code]
        assert (held.get("nullFlavor"), held.findtext("c:text", None, NS)) == ("NI", "No information")
    for section in (RESULTS, VITAL_SIGNS):
        held = sections[section.code]
        for path, template in (
            ("c:templateId", section.template),
            ("c:entry/c:organizer/c:templateId", section.organizer),
            ("c:entry/c:organizer/c:component/c:observation/c:templateId", section.observation),
        ):
            found = {(each.get("root"), each.get("extension")) for each in held.iterfind(path, NS)}
            assert found == {template}
        assert held.find("c:text/c:table", NS) is not None


def test_an_empty_section_says_that_there_is_no_information() -> None:
    weight = next(record for record in given() if isinstance(record, VitalSign))
    root = fromstring(the_document(weight))
    told = [each.findtext("c:title", None, NS) for each in root.iterfind(".//c:section", NS) if not each.attrib]
    assert told == [VITAL_SIGNS.title]


def test_records_that_no_section_holds_make_no_document() -> None:
    withdrawn = msgspec.structs.replace(many_readings()[0], status=Status.ENTERED_IN_ERROR)
    assert written(withdrawn) == [sdk.Drop("nothing that a document's results or vital signs hold")]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'unit="mg/dL"', b'unit="CANARY"', "unit-unknown"),
        (b'value="182"', b'value="CANARY"', "value-missing"),
        (b'value="182"', b'value="6"', "implausible"),
        (b'type="PQ"', b'type="ST"', "value-type"),
        (b'value="20261120100000+0000"', b'value="20261120"', "no-time-of-day"),
    ],
)
def test_an_observation_that_cannot_be_read_is_set_aside_with_its_path(old: bytes, new: bytes, code: str) -> None:
    body = the_document(many_readings()[0])
    assert old in body
    (aside,) = read(body.replace(old, new))
    assert isinstance(aside, sdk.Aside)
    assert (aside.error.code, isinstance(aside.error, sdk.NeedsReview)) == (code, code == "implausible")
    assert (aside.error.path or "").startswith("section[30954-2]/entry[1]/component[1]")
    assert "CANARY" not in f"{aside.error} {aside!r}"


def test_observations_of_other_kinds_are_counted() -> None:
    body = the_document(many_readings()[0]).replace(b'code="99504-3"', b'code="2823-3"')
    assert read(body) == [sdk.Drop("no results or vital signs of ours (1 other)")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not-xml"),
        (b"<a>", "not-xml"),
        (b"<a/>", "not-cda"),
        (f'<ClinicalDocument xmlns="{CDA}"/>'.encode(), "patient-missing"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "doctype"),
    ],
)
def test_what_is_no_document_is_invalid(body: bytes, code: str) -> None:
    with pytest.raises(sdk.InvalidMessage) as raised:
        read(body)
    assert raised.value.code == code


def test_the_root_of_patients_is_an_oid() -> None:
    with pytest.raises(ValidationError, match="OID"):
        RecordsToCcdaSettings(patient_root="stm", custodian="x", assigner="STM")
