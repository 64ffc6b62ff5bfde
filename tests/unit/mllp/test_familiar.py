"""What is remembered of an MSH says the same of the next message as reading it does, or nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.hl7v2 import Hl7Error, header
from connectors.mllp.familiar import Familiar
from tests.examples import some

FIRST = b"MSH|^~\\&|GLUCO|STM|ISLET|LAB|20261120101500+0000||ORU^R01^ORU_R01|M1|P|2.5.1\rPID|1||4711\r"


def familiar(content: bytes = FIRST) -> Familiar:
    found = Familiar.of(content, header(content))
    assert found is not None
    return found


def test_a_message_with_another_time_and_control_id_is_known_and_read_the_same() -> None:
    later = FIRST.replace(b"20261120101500+0000", b"20261120101700").replace(b"M1", b"M-2")
    found = familiar().header(later)
    assert found == header(later)
    assert found is not None
    assert (found.control_id, found.time) == ("M-2", "20261120101700")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GLUCO", b"OTHER"),
        (b"^~\\&", b"^~\\&#"),
        (b"|STM|", b"||"),
        (b"0000||ORU", b"0000|secret|ORU"),
        (b"ORU^R01^ORU_R01", b"ADT^A01^ADT_A01"),
        (b"|P|", b"|T|"),
        (b"2.5.1", b"2.5.1|||AL|NE||8859/1"),
        (b"|M1|", b"|M\xc3\xa9|"),
        (b"|M1|", b"|M\n1|"),
        (b"\rPID", b"\nPID"),
        (b"|M1|P|2.5.1\r", b"|M1\r"),
        (b"MSH|", b"\xef\xbb\xbfMSH|"),
    ],
)
def test_a_message_that_differs_in_anything_else_is_read_anew(old: bytes, new: bytes) -> None:
    assert familiar().header(FIRST.replace(old, new)) is None


@pytest.mark.parametrize("content", [FIRST.replace(b"\r", b"\n"), FIRST[:-10].partition(b"\r")[0], b"MSH|^~\\&|A|B\r"])
def test_an_msh_out_of_the_common_is_not_remembered(content: bytes) -> None:
    assert Familiar.of(content, header(content)) is None


MSH = st.lists(st.text("aZ9|^~\\&#\r\n -.é", max_size=6), max_size=14).map(
    lambda fields: ("MSH|^~\\&|" + "|".join(fields) + "\rPID|1||4711\r").encode()
)


@settings(max_examples=some(200))
@given(MSH, MSH, st.text("aZ9^|\r\n-é", max_size=6), st.text("aZ9^|\r\n-é", max_size=6))
def test_what_is_remembered_never_says_otherwise_than_reading(
    first: bytes, other: bytes, time: str, control_id: str
) -> None:
    try:
        known = Familiar.of(first, header(first))
    except Hl7Error:
        return
    fields = first.split(b"|")
    alike = b"|".join([*fields[:6], time.encode(), *fields[7:9], control_id.encode(), *fields[10:]])
    for content in (first, other, alike):
        found = known.header(content) if known else None
        assert found is None or found == header(content)
