"""C-CDA: what makes the document a CCD, outcomes in it, and whose documents of others are."""

from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from clinical.ccda.templates import CDA, LOINC, RESULTS
from clinical.records import Status, decode
from engine import sdk
from engine.testing.builders import a_message
from tests.unit.ccda.test_documents import given, the_document
from tests.unit.fhir.builders import many_readings
from transformers.ccda_to_records import CcdaToRecordsSettings, ccda_to_records
from transformers.outcomes_to_ccda import OutcomesToCcdaSettings, outcomes_to_ccda

NS = {"c": CDA}
DAY = (Path(__file__).parents[3] / "channels/samples/outcome-day.json").read_bytes()
ROOT = "2.16.840.1.113883.19.5"


def from_outcomes(body: bytes, **settings: object) -> list[sdk.StepOutput]:
    made = OutcomesToCcdaSettings.model_validate(
        {"patient_root": ROOT, "custodian": "St Mary's", "assigner": "test", **settings}
    )
    outputs: list[sdk.StepOutput] = outcomes_to_ccda(a_message(body, sdk.Shape.JSON), made)
    return outputs


def read(body: bytes, **settings: object) -> list[sdk.StepOutput]:
    made = CcdaToRecordsSettings.model_validate({"timezone": "UTC", **settings})
    outputs: list[sdk.StepOutput] = ccda_to_records(a_message(body, sdk.Shape.XML), made)
    return outputs


def found(root: Element, path: str) -> Element:
    element = root.find(path, NS)
    assert element is not None, path
    return element


def test_it_says_over_which_time_care_is_summarised_and_who_stands_behind_it() -> None:
    root = fromstring(the_document(*given()))
    event = found(root, "c:documentationOf/c:serviceEvent")
    low, high = (found(event, f"c:effectiveTime/c:{end}").get("value", "") for end in ("low", "high"))
    assert (event.get("classCode"), low <= high) == ("PCPR", True)
    author = found(root, "c:author/c:assignedAuthor")
    assert [part.tag.rpartition("}")[2] for part in author] == [
        "id",
        "addr",
        "telecom",
        "assignedAuthoringDevice",
        "representedOrganization",
    ]
    names = [part.tag.rpartition("}")[2] for part in root]
    order = ["recordTarget", "author", "custodian", "documentationOf", "component"]
    assert [name for name in names if name in order] == order


def test_vital_signs_are_grouped_under_both_codes_and_results_over_an_interval() -> None:
    root = fromstring(the_document(*given()))
    for organizer in root.iterfind(".//c:organizer", NS):
        code, when = found(organizer, "c:code"), found(organizer, "c:effectiveTime")
        if code.get("code") == "46680005":
            translation = found(code, "c:translation")
            assert (translation.get("code"), translation.get("codeSystem")) == ("74728-7", LOINC)
        else:
            assert [part.tag.rpartition("}")[2] for part in when] == ["low", "high"]


def test_the_figures_of_a_day_are_one_organizer_over_its_window() -> None:
    (output,) = from_outcomes(DAY)
    assert isinstance(output, sdk.Message)
    organizer = found(fromstring(output.body), ".//c:organizer")
    assert found(organizer, "c:code").get("code") == "107931-8"
    codes = [found(each, "c:code").get("code") for each in organizer.iterfind("c:component/c:observation", NS)]
    bands = ["104642-4", "104641-6", "97510-2", "104640-8", "104639-0"]
    assert codes == ["97507-8", "97506-0", "104638-2", "104637-4", "104636-6", *bands]
    mean = found(organizer, "c:component/c:observation")
    assert found(mean, "c:value").attrib["value"] == "120.00"
    assert found(mean, "c:effectiveTime/c:low").get("value") == "20261120000000+0000"
    assert found(organizer, "c:statusCode").get("code") == "active"  # the day has not ended


def test_the_mean_is_told_in_the_unit_of_the_house_and_a_new_version_keeps_the_ids() -> None:
    later = DAY.replace(b'"version": 1', b'"version": 2').replace(b'"status": "partial"', b'"status": "amended"')
    (first,), (second,) = from_outcomes(DAY, unit="both"), from_outcomes(later, unit="both")
    assert isinstance(first, sdk.Message)
    assert isinstance(second, sdk.Message)
    ids = [
        [each.get("root") for each in fromstring(m.body).iterfind(".//c:organizer//c:id", NS)] for m in (first, second)
    ]
    assert ids[0] == ids[1]
    assert b'code="105273-7"' in first.body


def test_an_outcome_that_was_withdrawn_has_no_place() -> None:
    gone = DAY.replace(b'"status": "partial"', b'"status": "entered-in-error"')
    assert from_outcomes(gone) == [sdk.Drop("no figures that a document's results hold")]


def test_figures_read_back_are_no_readings() -> None:
    (output,) = from_outcomes(DAY)
    assert isinstance(output, sdk.Message)
    assert read(output.body) == [sdk.Drop("no results or vital signs of ours (10 other)")]


def test_what_is_no_set_of_outcomes_is_invalid() -> None:
    with pytest.raises(sdk.InvalidMessage):
        from_outcomes(b"{}")


PATIENT = f'<id root="{ROOT}" extension="MRN-0001" />'.encode()


def test_an_identifier_of_a_listed_system_names_the_patient() -> None:
    body = the_document(many_readings()[0])
    assert PATIENT in body
    both = body.replace(PATIENT, b'<id root="1.2.3" extension="X" />' + PATIENT)
    (output,) = read(both, patient_systems={ROOT: "STM"})
    assert isinstance(output, sdk.Message)
    patient = decode(output.body)[0].patient
    assert (patient.system, patient.value) == ("STM", "MRN-0001")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (f'<id root="{ROOT}" extension="CANARY" />'.encode(), "patient-unclear"),
        (b"</patientRole></recordTarget><recordTarget><patientRole>", "patient-unclear"),
    ],
)
def test_a_document_of_two_patients_is_nobodys(more: bytes, code: str) -> None:
    body = the_document(many_readings()[0]).replace(PATIENT, PATIENT + more)
    with pytest.raises(sdk.InvalidMessage) as raised:
        read(body, patient_systems={ROOT: "STM"})
    assert raised.value.code == code
    assert "CANARY" not in str(raised.value)


MOMENT = b'<effectiveTime value="20261120100000+0000" />'


def test_a_value_over_a_span_of_time_has_no_moment_and_none_is_guessed() -> None:
    body = the_document(many_readings()[0])
    span = b'<effectiveTime><low value="20261120100000+0000" /><high value="20261120110000+0000" /></effectiveTime>'
    (aside,) = read(body.replace(MOMENT, span))
    assert isinstance(aside, sdk.Aside)
    assert (aside.error.code, (aside.error.path or "").endswith("effectiveTime")) == ("period", True)


def test_the_organizer_says_when_if_the_observation_does_not() -> None:
    (output,) = read(the_document(many_readings()[0]).replace(MOMENT, b""))
    assert isinstance(output, sdk.Message)
    assert decode(output.body)[0].original.time == "20261120100000+0000"


@pytest.mark.parametrize(("code", "status"), [("active", Status.PRELIMINARY), ("completed", Status.FINAL)])
def test_the_status_is_the_documents(code: str, status: Status) -> None:
    body = the_document(many_readings()[0]).replace(
        b'statusCode code="completed"', f'statusCode code="{code}"'.encode()
    )
    (output,) = read(body)
    assert isinstance(output, sdk.Message)
    assert decode(output.body)[0].status is status


def test_what_was_cancelled_is_counted_as_no_result() -> None:
    body = the_document(many_readings()[0]).replace(b'statusCode code="completed"', b'statusCode code="cancelled"')
    assert read(body) == [sdk.Drop(f"no {RESULTS.title.lower()} or vital signs of ours (1 other)")]


def test_a_patient_of_another_assigner_is_set_aside() -> None:
    (aside,) = from_outcomes(DAY, assigner="STM")
    assert isinstance(aside, sdk.Aside)
    assert (aside.error.code, aside.shape) == ("patient-elsewhere", sdk.Shape.JSON)
    (again,) = from_outcomes(aside.body)
    assert isinstance(again, sdk.Message)
