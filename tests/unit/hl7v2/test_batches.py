"""Several messages at once: what is a message, whom to answer, and what the trailers say."""

import pytest

from clinical.hl7v2 import Hl7Error, is_batch, unpack
from clinical.hl7v2.batches import pointer_in, pointer_out

ONE = b"MSH|^~\\&|A|B|C|D|20261120||ORU^R01|M1|P|2.5.1\rPID|1\rNTE|1||BTS and MSH| in a text\r"
TWO = ONE.replace(b"M1", b"M2")
BHS = b"BHS|^~\\&|LAB|STM|ISLET|HUB|20261120||||B7\r"


def test_messages_are_given_as_they_came() -> None:
    batch = unpack(b"FHS|^~\\&\r" + BHS + ONE + TWO + b"BTS|2\r" + BHS + ONE + b"BTS|1\rFTS|2\r")
    assert batch.messages == (ONE, TWO, ONE)
    assert (batch.declared, batch.complete) == (3, True)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_whatever_the_line_ends(end: bytes) -> None:
    raw = (BHS + ONE + TWO + b"BTS|2").replace(b"\r", end)
    assert is_batch(raw)
    assert [message.replace(end, b"\r") for message in unpack(raw).messages] == [ONE, TWO]


@pytest.mark.parametrize("raw", [ONE, b"\xef\xbb\xbf" + ONE, b"\r\n" + ONE, ONE + b"MSHX|no header\r", b"", b"PID|1\r"])
def test_one_message_is_no_batch(raw: bytes) -> None:
    assert not is_batch(raw) or unpack(raw).messages == (ONE + b"MSHX|no header\r",)


@pytest.mark.parametrize("raw", [ONE + TWO, b"\xef\xbb\xbf" + ONE + TWO, b"\r\n" + BHS + ONE, b"\n" + ONE + TWO])
def test_headers_or_a_second_msh_make_a_batch(raw: bytes) -> None:
    assert is_batch(raw)
    assert unpack(raw).messages[0] == ONE


def test_an_answer_to_the_whole_goes_to_the_batch_else_to_its_first_message() -> None:
    found = unpack(BHS + ONE).header
    assert (found.control_id, found.sending_application, found.receiving_facility) == ("B7", "LAB", "HUB")
    assert (found.version, found.processing_id, found.message_type) == ("2.5.1", "P", "ORU^R01")
    for head in (b"BHS|^~\\&|LAB\r", b"BHS|||||||||||B7\r", b"BHS\r", b""):
        assert unpack(head + ONE + TWO).header.control_id == "M1"
    assert unpack(BHS.replace(b"BHS", b"FHS") + b"BHS|^~\\&|LAB\r" + ONE).header.control_id == "B7"


@pytest.mark.parametrize(
    ("trailer", "declared", "complete"),
    [
        (b"BTS|2\r", 2, True),
        (b"BTS|3\r", 3, False),
        (b"BTS\r", None, True),
        (b"BTS|two\r", None, True),
        (b"", None, True),
    ],
)
def test_counts_are_compared_and_not_trusted(trailer: bytes, declared: int | None, complete: bool) -> None:
    batch = unpack(BHS + ONE + TWO + trailer)
    assert (batch.declared, batch.complete, len(batch.messages)) == (declared, complete, 2)


@pytest.mark.parametrize(
    ("raw", "code"), [(b"", "no-msh"), (b"x\r" + ONE, "no-msh"), (BHS, "empty-batch"), (b"PID|1\r", "no-msh")]
)
def test_what_holds_no_message_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(Hl7Error) as caught:
        unpack(raw)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("raw", "out"),
    [
        (ONE, ""),
        (ONE + b"DSC|1|F\r", "1"),
        (ONE + b"DSC|P7|F", "P7"),
        (ONE + b"DSC\r", ""),
        ((ONE + b"DSC|P7|F\r").replace(b"\r", b"\n"), "P7"),
    ],
)
def test_the_pointer_to_a_next_part_is_read_from_the_last_segment(raw: bytes, out: str) -> None:
    assert pointer_out(raw) == out


def test_the_pointer_to_the_part_before_is_msh_14() -> None:
    assert pointer_in(ONE) == ""
    assert pointer_in(ONE.replace(b"2.5.1", b"2.5.1||P7|AL")) == "P7"
    assert pointer_in(ONE.replace(b"2.5.1", b"2.5.1||P7").replace(b"\r", b"\n")) == "P7"
    assert pointer_in(b"") == ""
