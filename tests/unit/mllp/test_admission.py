"""Which messages come in, and what the others are told."""

from typing import Any

import pytest

from clinical.hl7v2 import Header, parse_ack
from connectors.mllp.admission import NOBODY, NotTaken, Refusals, admit, answer, no_frame, several, too_large
from connectors.mllp.settings import ListenerSettings

CANARY = "CANARY-4711"
ORU = b"MSH|^~\\&|GLUCO|STM|ISLET|LAB|20261120||ORU^R01^ORU_R01|M1|P|2.5.1\rPID|1||4711\r"


def taking(*accepts: str, **more: Any) -> ListenerSettings:
    return ListenerSettings(port=2575, accepts=accepts, **more)


def refused(content: bytes, *accepts: str, **more: Any) -> NotTaken:
    with pytest.raises(NotTaken) as caught:
        admit(content, taking(*accepts, **more))
    return caught.value


@pytest.mark.parametrize("accepts", [(), ("ORU^R01",), ("ORU",), ("ADT", "ORU^R01")])
def test_an_accepted_type_comes_in(accepts: tuple[str, ...]) -> None:
    assert admit(ORU, taking(*accepts)).control_id == "M1"


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
    assert admit(untyped, taking()).message_type == ""
    assert refused(untyped, "ORU^R01").error_code == "200"


@pytest.mark.parametrize("content", [b"", b"GET / HTTP/1.1", b"PID|1\r", b"MSH", b"MSH|"])
def test_content_without_header_is_refused(content: bytes) -> None:
    refusal = refused(content)
    assert refusal.code == "no-msh"
    assert refusal.header == NOBODY


@pytest.mark.parametrize(
    ("rules", "message", "code", "error_code", "location"),
    [
        ({"processing_ids": ("P",)}, ORU.replace(b"|P|", b"|T|"), "processing-id-not-accepted", "202", "MSH-11"),
        ({"processing_ids": ("P",)}, ORU.replace(b"|P|", b"||"), "processing-id-not-accepted", "202", "MSH-11"),
        ({"versions": ("2.3",)}, ORU, "version-not-accepted", "203", "MSH-12"),
        ({"versions": ("2.5",)}, ORU.replace(b"2.5.1", b"2.51"), "version-not-accepted", "203", "MSH-12"),
    ],
)
def test_another_processing_id_or_version_is_told_what_is_taken(
    rules: dict[str, Any], message: bytes, code: str, error_code: str, location: str
) -> None:
    refusal = refused(message, **rules)
    assert (refusal.code, refusal.error_code, refusal.location) == (code, error_code, location)
    assert next(iter(rules.values()))[0] in refusal.text


@pytest.mark.parametrize("version", [b"2.5", b"2.5.1", b"2.5.1^USA"])
def test_a_version_stands_for_its_parts_and_variants(version: bytes) -> None:
    assert admit(ORU.replace(b"2.5.1", version), taking(versions=("2.5",), processing_ids=("P",))).control_id == "M1"


def test_several_messages_where_they_are_not_taken_are_told_the_remedy() -> None:
    refusal = several(ORU + ORU)
    assert (refusal.code, refusal.header.control_id) == ("several-messages", "M1")
    assert "of its own" in refusal.text
    assert several(b"BHS|^~\\&|A\r" + ORU).header == NOBODY


def test_a_message_refused_again_and_again_is_to_be_left_off_and_others_are_not() -> None:
    refusals = Refusals(2)
    other = ORU.replace(b"M1", b"M2")
    outcomes = [refusals.judged(refused(content, "ADT"), content).outcome for content in (ORU, ORU, other, ORU, other)]
    assert outcomes == ["R", "R", "R", "E", "R"]
    last = refusals.judged(refused(ORU, "ADT"), ORU)
    assert (last.outcome, last.error_code, last.location) == ("E", "200", "MSH-9")
    assert "do not send it again" in last.text


def test_what_is_remembered_of_refusals_is_bounded() -> None:
    refusals = Refusals(1)
    for number in range(5000):
        refusals.judged(no_frame(), str(number).encode())
    assert len(refusals._counts) == 1000


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
    reply = parse_ack(answer(refusal.header, "AR", "A1", "20261120", refusal.text, refusal.error_code)[1:-2])
    assert (reply.code, reply.control_id) == ("AR", "")
    assert "0B" in reply.text


def test_an_answer_never_holds_a_byte_that_mllp_keeps() -> None:
    stray = admit(ORU.replace(b"M1", b"M\x1c1"), taking())
    assert parse_ack(answer(stray, "AA", "A1", "20261120")[1:-2]).control_id == "M1"


def test_a_text_that_cannot_be_escaped_is_left_out() -> None:
    header = Header("|", "^~", control_id="M1", version="2.5.1")
    reply = parse_ack(answer(header, "AR", "A1", "20261120", "takes ORU^R01", "200")[1:-2])
    assert (reply.code, reply.control_id, reply.error_codes) == ("AR", "M1", ("200",))


def test_refusals_hold_nothing_of_the_message() -> None:
    contents = [ORU.replace(b"ORU", b"XXX").replace(b"M1", CANARY.encode()), CANARY.encode(), CANARY.encode() + ORU]
    for content in contents:
        refusal = refused(content, "ORU^R01")
        assert CANARY not in f"{refusal} {refusal!r} {refusal.text} {refusal.code}"
