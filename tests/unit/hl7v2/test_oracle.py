"""python-hl7 reads well-formed messages as we do; where it is known to be wrong we do not follow it."""

import hl7
import pytest

from clinical.hl7v2 import parse
from tests.unit.hl7v2.messages import MSH, OBR, message, obx, oru

PID = 'PID|1||MRN1^^^STM&1.2&ISO^MR~99^^^NHS^NH||DOE^JANE~ROE^J|""|19800101||||STREET'


def test_fields_components_and_repetitions_agree_with_python_hl7() -> None:
    raw = oru(obx(1), obx(2, value="7.8", unit="mmol/L^^UCUM", f18="SN^ACME"), pid=PID)
    ours, theirs = parse(raw), hl7.parse(raw.decode())
    assert len(ours.segments) == len(theirs)
    for mine, other in zip(ours.segments, theirs, strict=True):
        assert mine.name == str(other[0])
        for number in range(1, len(mine.fields)):
            assert mine.raw(number) == str(other[number])
            for place, repetition in enumerate(mine.repetitions(number) if number > 2 else []):
                for component in range(1, len(repetition.split("^")) + 1):
                    path = f"{mine.name}-{number}[{place + 1}].{component}.1"
                    their = other.extract_field(1, number, place + 1, component, 1)
                    if sum(segment.name == mine.name for segment in ours.segments) == 1:
                        assert ours.get(path) == their


@pytest.mark.parametrize("text", ["a \\T\\ b", "\\F\\\\S\\\\R\\\\E\\", "\\X41\\", "plain"])
def test_escapes_agree_with_python_hl7(text: str) -> None:
    raw = oru(obx(value=text, kind="ST"))
    assert parse(raw).get("OBX-5") == hl7.parse(raw.decode())["OBX.F5"]


def test_line_feeds_and_lone_backslashes_are_read_right_where_python_hl7_loses_data() -> None:
    raw = message(MSH, OBR, obx(value="C:\\temp", kind="ST"), end="\n")
    assert parse(raw).get("OBX-5") == "C:\\temp"
    assert len(parse(raw).segments) == 3
    assert len(hl7.parse(raw.decode())) == 1  # if this changes, the note above is out of date
