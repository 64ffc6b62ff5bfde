import pytest

from clinical.hl7v2 import Hl7Error, parse
from clinical.hl7v2.oru import PatientResult, patient_results
from tests.unit.hl7v2.messages import MSH, OBR, PID, message, obx


def grouped(*lines: str) -> list[PatientResult]:
    return patient_results(parse(message(MSH, *lines)))


def shape(patients: list[PatientResult]) -> list[list[tuple[bool, bool, list[int]]]]:
    """For each patient and order: has it an ORC, an OBR, and which OBX."""
    return [
        [(bool(order.orc), bool(order.obr), [found.number for found in order.observations]) for order in patient.orders]
        for patient in patients
    ]


def test_a_pid_starts_a_patient_and_orc_or_obr_an_order() -> None:
    patients = grouped(PID, "ORC|RE", OBR, obx(), obx(), OBR, obx(), "PID|2||B", "ORC|RE", obx(), "ORC|RE", OBR, obx())
    assert shape(patients) == [
        [(True, True, [1, 2]), (False, True, [3])],
        [(True, False, [4]), (True, True, [5])],
    ]
    assert [patient.number for patient in patients] == [1, 2]
    assert [order.number for patient in patients for order in patient.orders] == [1, 2, 0, 3]


def test_results_right_under_the_patient_are_an_order_without_header() -> None:
    assert shape(grouped(PID, "PV1|1|I", obx(), OBR, obx())) == [[(False, False, [1]), (False, True, [2])]]


def test_results_without_a_pid_belong_to_a_patient_who_is_not_named() -> None:
    patients = grouped(OBR, obx())
    assert patients[0].pid is None
    assert shape(patients) == [[(False, True, [1])]]


def test_notes_belong_to_what_they_follow() -> None:
    patients = grouped(PID, "NTE|1||p", OBR, "NTE|1||o", obx(), "NTE|1||a", "NTE|2||b", "SPM|1", "NTE|1||s", obx())
    (_, first), (_, second) = patients[0].observations()
    assert [note.raw(3) for note in first.notes] == ["a", "b"]
    assert second.notes == []


@pytest.mark.parametrize(
    ("role", "control"), [("P", False), ("", False), ("Q", True), ("C^x^HL70369", True), ("L", False)]
)
def test_the_role_of_the_specimen_tells_controls_from_patients(role: str, control: bool) -> None:
    patients = grouped(PID, OBR, obx(), "SPM|1" + "|" * 10 + role, OBR, obx())
    assert [order.control for order in patients[0].orders] == [control, False]


def test_segments_that_nobody_needs_are_passed_over() -> None:
    assert shape(grouped("SFT|x", "EVN|R01", PID, "ZZZ|1", "PD1|", OBR, "ZOB|1", obx(), "DSC|1|F")) == [
        [(False, True, [1])]
    ]


def test_two_messages_glued_together_are_refused() -> None:
    with pytest.raises(Hl7Error) as raised:
        grouped(PID, OBR, obx(), MSH, PID)
    assert (raised.value.code, raised.value.path) == ("two-messages", "MSH[2]")


def test_a_header_alone_has_no_results() -> None:
    assert grouped() == []
