"""The key that keeps one patient's messages in order."""

import pytest

from clinical.hl7v2 import header
from clinical.hl7v2.patient_key import patient_key

HEAD = b"MSH|^~\\&|GLUCO|STM|ISLET|LAB|20261120101500||ORU^R01|1|P|2.5.1"


@pytest.mark.parametrize(
    ("rest", "key"),
    [
        (b"\rPID|1||4711^^^STM^MR||Doe", "4711|STM"),
        (b"\nPID|1||4711^^^STM||Doe", "4711|STM"),
        (b"\r\nPID|1||4711^^^STM^MR~99^^^NHS\r\nOBX|1", "4711|STM"),
        (b"\rPID|1||4711\rOBX|1|PID|x", "4711|"),
        (b"\rPID|1||^^^STM", None),
        (b"\rPID|1", None),
        (b"\rOBX|1|ST|x||PID|||4711", None),
        (b"\rPID|1||4711^^^STM\rMRG|99\rPID|2||12^^^STM", "4711|STM"),
    ],
)
def test_identifier_and_authority_of_the_first_patient(rest: bytes, key: str | None) -> None:
    raw = HEAD + rest
    assert patient_key(raw, header(raw)) == key


def test_delimiters_are_those_of_the_message() -> None:
    raw = b"MSH$%*\\&$GLUCO$STM$ISLET$LAB$20261120$$ORU%R01$1$P$2.5.1\rPID$1$$4711%%%STM*8%%%X"
    assert patient_key(raw, header(raw)) == "4711|STM"
