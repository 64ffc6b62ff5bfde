import pytest

from clinical.hl7v2 import Hl7Error, parse
from clinical.hl7v2.patient import patient_of
from clinical.records import PatientRef
from tests.unit.hl7v2.messages import oru


def found(identifiers: str, kind: str = "MR", assigner: str | None = None) -> PatientRef:
    pid = parse(oru(pid=f"PID|1||{identifiers}")).first("PID")
    return patient_of(pid, 1, kind=kind, assigner=assigner, fallback_system="FAC")


def test_the_repetition_of_the_wanted_type_names_the_patient() -> None:
    identifiers = "99^^^NHS^NH~MRN1^^^STM&1.2&ISO^MR~7^^^OTHER^PI"
    assert found(identifiers) == PatientRef(system="STM", value="MRN1")
    assert found(identifiers, "NH") == PatientRef(system="NHS", value="99")
    assert found(identifiers, "pi") == PatientRef(system="OTHER", value="7")


def test_the_assigner_chooses_among_equal_types_by_name_or_universal_id() -> None:
    identifiers = "A^^^STM&1.2.3&ISO^MR~B^^^GH^MR"
    assert found(identifiers, assigner="gh").value == "B"
    assert found(identifiers, assigner="1.2.3") == PatientRef(system="1.2.3", value="A")
    with pytest.raises(Hl7Error) as raised:
        found(identifiers)
    assert (raised.value.code, raised.value.path) == ("patient-unclear", "PID[1]-3")


def test_one_identifier_alone_needs_no_type_and_no_assigner() -> None:
    assert found("MRN1") == PatientRef(system="FAC", value="MRN1")
    assert found("MRN1", assigner="STM") == PatientRef(system="STM", value="MRN1")
    assert found(" MRN1 ^^^STM") == PatientRef(system="STM", value="MRN1")


def test_the_same_identifier_twice_is_one_patient() -> None:
    assert found("A^^^STM^MR~A^^^STM^MR").value == "A"


@pytest.mark.parametrize(
    "identifiers", ["", '""', "A~B", "A^^^STM^PI", "^^^STM^MR", '""^^^STM^MR', "A^^^STM^PI~B^^^GH^NH", "A^^^GH^MR"]
)
def test_without_the_wanted_identifier_the_results_belong_to_nobody(identifiers: str) -> None:
    with pytest.raises(Hl7Error) as raised:
        found(identifiers, assigner="STM")
    assert (raised.value.code, raised.value.path) == ("patient-missing", "PID[1]-3")


def test_without_a_pid_there_is_no_patient() -> None:
    with pytest.raises(Hl7Error) as raised:
        patient_of(None, 0, kind="MR", assigner=None, fallback_system="")
    assert raised.value.code == "patient-missing"


def test_errors_do_not_name_the_patient() -> None:
    for identifiers in ("CANARY^^^STM^PI", "CANARY^^^STM^MR~CANARY2^^^GH^MR"):
        with pytest.raises(Hl7Error) as raised:
            found(identifiers)
        assert "CANARY" not in str(raised.value)
