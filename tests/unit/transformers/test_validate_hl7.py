import pytest

from engine import sdk
from engine.testing.builders import a_message
from tests.unit.hl7v2.messages import MSH, PID, message, obx, oru
from transformers.validate_hl7 import ValidateHl7Settings, validate_hl7

GOOD_PID = "PID|1||MRN1^^^STM^MR||DOE^JANE"


def checked(raw: bytes, **settings: object) -> sdk.Message:
    made = validate_hl7(a_message(raw, sdk.Shape.HL7V2), ValidateHl7Settings.model_validate(settings))
    assert isinstance(made, sdk.Message)
    return made


def refused(raw: bytes, **settings: object) -> sdk.InvalidMessage:
    with pytest.raises(sdk.InvalidMessage) as raised:
        checked(raw, **settings)
    return raised.value


def test_a_message_of_its_versions_structure_passes_unchanged() -> None:
    assert checked(oru(pid=GOOD_PID)).body == oru(pid=GOOD_PID)


@pytest.mark.parametrize("msh", [MSH.replace("^~\\&", "^~\\&#"), MSH.replace("|2.5.1", "|2.4")])
def test_z_segments_line_feeds_and_a_fifth_separator_are_no_findings(msh: str) -> None:
    checked(message(msh, GOOD_PID, "ZPX|anything", "OBR|1|P1|F1|x^y^L", obx(), end="\n"))


def test_findings_are_told_by_path_without_values() -> None:
    error = refused(oru(obx(1), obx(2, code=""), pid="PID|1||||CANARY^CANARY"))
    assert error.code == "conformance"
    assert error.path == "PID[1]-3"
    assert "PID[1]-3 is required and missing" in error.text
    assert "OBX[2]-3 is required and missing" in error.text
    assert "CANARY" not in str(error)


def test_no_more_findings_are_told_than_wanted() -> None:
    raw = oru(*(obx(n, code="") for n in range(1, 5)), pid=GOOD_PID)
    assert refused(raw, findings=2).text.count("missing") == 2


def test_fields_beyond_the_version_are_named() -> None:
    assert refused(oru(obx(f26="x"), pid=GOOD_PID)).path == "OBX[1]"


def test_a_version_that_nobody_knows_can_be_overruled() -> None:
    raw = oru(msh=MSH.replace("2.5.1", "9.9"), pid=GOOD_PID)
    assert refused(raw).path == "MSH-12"
    checked(raw, version="2.5.1")


def test_a_body_that_is_no_message_is_refused() -> None:
    assert refused(b"nothing").code == "no-msh"


def test_a_structure_that_cannot_be_checked_is_refused_and_not_passed() -> None:
    assert refused(message(MSH.replace("ORU^R01^ORU_R01", "XYZ^X99^XYZ_X99"), PID)).code == "conformance"
