import pytest

from engine import sdk
from engine.testing.builders import a_message
from tests.unit.hl7v2.messages import obx, oru
from transformers.fields_hl7v2 import Hl7v2Fields, fields

PID = 'PID|1||A^^^STM&1.2^MR~B^^^GH^PI||DOE&x^JANE|""'


def values(
    path: str, raw: bytes = oru(obx(1, code="X^a^L"), obx(2, "99", code="Y\\T\\^b^L", sub="2"), pid=PID)
) -> list[str]:
    return list(Hl7v2Fields().values(a_message(raw, sdk.Shape.HL7V2), path))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("OBX-3.1", ["X", "Y&"]),
        ("OBX[2]-5", ["99"]),
        ("OBX[3]-5", []),
        ("OBX-4", ["2"]),
        ("PID-3[1].1", ["A"]),
        ("PID-3.1", ["A", "B"]),
        ("PID-3.4.2", ["1.2"]),
        ("PID-3[1].4.2", ["1.2"]),
        ("PID-3[2].5", ["PI"]),
        ("PID-6", ['""']),
        ("MSH-9", ["ORU^R01^ORU_R01"]),
        ("MSH-9.2", ["R01"]),
        ("MSH-11", ["P"]),
        ("ZPX-1", []),
    ],
)
def test_values_by_path(path: str, expected: list[str]) -> None:
    assert Hl7v2Fields().check(path) is None
    assert values(path) == expected


@pytest.mark.parametrize("path", ["OBX", "OBX.3", "obx 3", "", "records[].value", "OBX[0]-3"])
def test_a_path_that_is_none_is_told_what_to_write(path: str) -> None:
    assert "such as OBX" in (Hl7v2Fields().check(path) or "")


def test_the_header_of_a_message_with_leading_blank_lines_is_found() -> None:
    assert values("MSH-10", b"\xef\xbb\xbf\r\n" + oru()) == ["4711"]


@pytest.mark.parametrize("path", ["MSH-9", "OBX-3"])
def test_a_body_that_is_no_message_is_refused(path: str) -> None:
    with pytest.raises(sdk.InvalidMessage):
        values(path, b"CANARY")


def test_it_is_the_reader_of_hl7v2_bodies() -> None:
    assert fields.accepts == {sdk.Shape.HL7V2}
