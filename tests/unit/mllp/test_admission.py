"""Which messages come in, and what the others are told."""

import pytest

from clinical.hl7v2 import Header, parse_ack
from connectors.mllp.admission import NOBODY, NotTaken, admit, answer, no_frame, too_large

CANARY = "CANARY-4711"
ORU = b"MSH|^~\\&|GLUCO|STM|ISLET|LAB|20261120||ORU^R01^ORU_R01|M1|P|2.5.1\rPID|1||4711\r"


def refused(content: bytes, *accepts: str) -> NotTaken:
    with pytest.raises(NotTaken) as caught:
        admit(content, accepts)
    return caught.value


@pytest.mark.parametrize("accepts", [(), ("ORU^R01",), ("ORU",), ("ADT", "ORU^R01")])
def test_an_accepted_type_comes_in(accepts: tuple[str, ...]) -> None:
    assert admit(ORU, accepts).control_id == "M1"


@pytest.mark.parametrize(
    ("accepts", "error_code"), [(("ORU^R30",), "201"), (("ADT",), "200"), (("ADT^A01", "ADT^A08"), "200")]
)
def test_another_type_is_told_what_is_taken(accepts: tuple[str, ...], error_code: str) -> None:
    refusal = refused(ORU, *accepts)
    assert (refusal.code, refusal.error_code, refusal.location) == ("type-not-accepted", error_code, "MSH-9")
    for accepted in accepts:
        assert accepted in refusal.text


def test_a_message_without_type_comes_in_only_where_all_types_do() -> None:
    untyped = ORU.replace(b"ORU^R01^ORU_R01", b"")
    assert admit(untyped, ()).message_type == ""
    assert refused(untyped, "ORU^R01").error_code == "200"


@pytest.mark.parametrize("content", [b"", b"GET / HTTP/1.1", b"PID|1\r", b"MSH", b"MSH|"])
def test_content_without_header_is_refused(content: bytes) -> None:
    refusal = refused(content)
    assert refusal.code == "no-msh"
    assert refusal.header == NOBODY


@pytest.mark.parametrize("segment", [b"FHS", b"BHS"])
def test_a_batch_is_refused_with_the_remedy(segment: bytes) -> None:
    refusal = refused(segment + b"|^~\\&|A\r" + ORU)
    assert refusal.code == "batch"
    assert "one by one" in refusal.text


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_two_messages_in_one_block_are_refused_rather_than_half_read(end: bytes) -> None:
    both = (ORU + ORU).replace(b"\r", end)
    assert refused(both).code == "several-messages"
    assert admit(ORU.replace(b"\r", end), ()).control_id == "M1"


@pytest.mark.parametrize(
    "content", [ORU.replace(b"ORU^R01^ORU_R01", b"ACK^R01"), ORU.replace(b"ORU^R01^ORU_R01", b"ACK"), b"\x06", b"\x15"]
)
def test_answers_are_not_answered(content: bytes) -> None:
    assert not refused(content).answerable


def test_an_oversize_message_is_answered_by_what_was_read_of_it() -> None:
    refusal = too_large(ORU, 16_000_000)
    assert refusal.header.control_id == "M1"
    assert "16000000" in refusal.text
    assert too_large(b"no header", 1).header == NOBODY


def test_what_is_no_hl7_at_all_still_gets_an_answer_that_can_be_read() -> None:
    refusal = no_frame()
    reply = parse_ack(answer(refusal.header, "AR", "A1", "20261120", refusal.text, refusal.error_code))
    assert (reply.code, reply.control_id) == ("AR", "")
    assert "0B" in reply.text


def test_an_answer_never_holds_a_byte_that_mllp_keeps() -> None:
    stray = admit(ORU.replace(b"M1", b"M\x1c1"), ())
    assert parse_ack(answer(stray, "AA", "A1", "20261120")).control_id == "M1"


def test_a_text_that_cannot_be_escaped_is_left_out() -> None:
    header = Header("|", "^~", control_id="M1", version="2.5.1")
    reply = parse_ack(answer(header, "AR", "A1", "20261120", "takes ORU^R01", "200"))
    assert (reply.code, reply.control_id, reply.error_codes) == ("AR", "M1", ("200",))


def test_refusals_hold_nothing_of_the_message() -> None:
    contents = [ORU.replace(b"ORU", b"XXX").replace(b"M1", CANARY.encode()), CANARY.encode(), CANARY.encode() + ORU]
    for content in contents:
        refusal = refused(content, "ORU^R01")
        assert CANARY not in f"{refusal} {refusal!r} {refusal.text} {refusal.code}"
