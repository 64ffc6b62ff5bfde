import pytest

from clinical.hl7v2 import Hl7Error, header

MSH = b"MSH|^~\\&|GLU^1.2^ISO|STM|ISLET|HUB|20261120101500+0100||ORU^R01^ORU_R01|4711|P|2.5.1|||AL|NE||UNICODE UTF-8"


def test_every_field_that_routing_and_acknowledging_need_is_given_as_raw_text() -> None:
    found = header(MSH + b"\rPID|1\r")
    assert (found.field_sep, found.encoding_chars) == ("|", "^~\\&")
    assert (found.sending_application, found.sending_facility) == ("GLU^1.2^ISO", "STM")
    assert (found.receiving_application, found.receiving_facility) == ("ISLET", "HUB")
    assert (found.time, found.message_type, found.control_id) == ("20261120101500+0100", "ORU^R01", "4711")
    assert (found.processing_id, found.version) == ("P", "2.5.1")
    assert (found.accept_ack, found.application_ack, found.charset) == ("AL", "NE", "UNICODE UTF-8")


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\n\r", b""])
def test_the_header_ends_at_whatever_line_end_comes_first(end: bytes) -> None:
    assert header(MSH + end + b"PID|1\rOBX|1").charset == "UNICODE UTF-8" + ("" if end else "PID")


def test_a_line_feed_ends_the_header_even_if_a_carriage_return_comes_later() -> None:
    assert header(b"MSH|^~\\&|A|B\nPID|1|2|3|4|5|6|7|ADT^A01\r").message_type == ""


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n", b" \n\t", b"\xef\xbb\xbf\r"])
def test_a_byte_order_mark_and_blank_lines_before_the_header_are_passed_over(before: bytes) -> None:
    assert header(before + MSH).control_id == "4711"


def test_the_message_type_is_joined_by_a_caret_whatever_the_separators() -> None:
    assert header(b"MSH@~&#\\@A@B@C@D@2026@@ADT~A01~ADT_A01@M1@P@2.5\r").message_type == "ADT^A01"


def test_a_message_type_without_an_event_stands_alone() -> None:
    assert header(b"MSH|^~\\&|||||||ACK").message_type == "ACK"


def test_missing_fields_are_empty() -> None:
    found = header(b"MSH|^~\\&|A")
    assert found.sending_application == "A"
    assert found.control_id == found.version == found.charset == ""


@pytest.mark.parametrize("raw", [b"", b"MS", b"MSH", b"MSH|", b"PID|1", b"hello", b"\x00MSH|^~\\&|", b"\xef\xbb\xbf"])
def test_without_a_header_there_is_no_message(raw: bytes) -> None:
    with pytest.raises(Hl7Error) as raised:
        header(raw)
    assert raised.value.code == "no-msh"


def test_a_batch_is_named_as_what_it_is() -> None:
    with pytest.raises(Hl7Error) as raised:
        header(b"FHS|^~\\&|A\rMSH|^~\\&|\r")
    assert (raised.value.code, raised.value.path) == ("batch", "FHS")


@pytest.mark.parametrize(
    "msh", [b"MSHX^~\\&X", b"MSH||A|B", b"MSH|^^\\&|A", b"MSH|^~|\\&", b"MSH|ABCD|", b"MSH|^~\\&#!|"]
)
def test_separators_that_cannot_separate_are_refused_or_read_as_they_are(msh: bytes) -> None:
    if msh == b"MSH|^~|\\&":  # two separators are enough
        assert header(msh).encoding_chars == "^~"
        return
    with pytest.raises(Hl7Error):
        header(msh)


@pytest.mark.parametrize("chars", ["^", "^~", "^~\\", "^~\\&", "^~\\&#", "^~\\\\&"])
def test_one_to_five_separators_are_taken_and_a_doubled_escape_character_too(chars: str) -> None:
    assert header(f"MSH|{chars}|A|B|||||ORU^R01".encode()).message_type == "ORU^R01"


@pytest.mark.parametrize(
    ("charset", "name"), [("", b"\xc3\xa4"), ("UNICODE UTF-8", b"\xc3\xa4"), ("8859/1", b"\xe4"), ("", b"\xe4")]
)
def test_a_name_that_is_not_ascii_is_decoded_by_msh_18_or_by_what_the_bytes_are(charset: str, name: bytes) -> None:
    raw = b"MSH|^~\\&|" + name + b"|||||||||||||||" + charset.encode()
    found = header(raw)
    assert found.sending_application == "ä"
    assert found.sending_application.encode(found.codec) == name
