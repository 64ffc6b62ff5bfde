"""Whatever the bytes: our exception or an answer, and what was not edited is written as it came."""

from datetime import UTC, datetime

from hypothesis import assume, example, given
from hypothesis import strategies as st

from clinical.hl7v2 import Delimiters, Hl7Error, ack, header, is_batch, parse, parse_ack, parse_path, unpack
from clinical.hl7v2.batches import pointer_in, pointer_out
from clinical.hl7v2.dtm import offset_of, read_dtm, write_dtm

NOW = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
SIGNS = "|^~\\&#\r\n\"'.+-<>:; \tABCXFSTRENHPZ0123456789äß\x00\x0b\x1c\x85\u2028\u3000"
PATHS = ["MSH-1", "MSH-2", "MSH-9.2", "PID", "PID-3[2].4.2", "OBX-5", "OBX[2]-5[*].1.1", "NTE[*]-3", "Z01-999.9.9"]

names = st.sampled_from(
    ["PID", "PV1", "ORC", "OBR", "OBX", "NTE", "SPM", "ZZZ", "MSH", "msh", "obx", "FHS", "", "OBXX"]
)
contents = st.text(alphabet=SIGNS, max_size=60)
ends = st.sampled_from(["\r", "\n", "\r\n", "\r\r", "\n\r"])
headers = st.sampled_from(
    ["MSH|^~\\&|A|B|", "MSH|^~\\&#|", "MSH|^|", "MSH|^~|A", "MSH@~&#\\@A@", "\ufeffMSH|^~\\&|", "\r\n MSH|^~\\&|"]
)
lines = st.lists(st.tuples(names, contents, ends).map("".join), max_size=8).map("".join)
charsets = st.sampled_from(["utf-8", "cp1252", "iso8859-1", "gb18030", "utf-16"])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Bytes that begin like a message and go on like anything."""
    text = draw(headers) + draw(contents) + draw(ends) + draw(lines)
    return text.encode(draw(charsets), "replace")


anything = st.one_of(messages(), st.binary(max_size=200), messages().map(lambda raw: raw[: len(raw) // 2]))


@given(anything)
@example(b"MSH|^~\\&")
@example(b"MSH|^~\\&\n")
@example(b"\xef\xbb\xbf\nMSH|^~\\&|")
def test_no_bytes_give_another_exception_than_ours(raw: bytes) -> None:
    for read in (header, parse, parse_ack, is_batch, unpack, pointer_in, pointer_out):
        try:
            read(raw)
        except Hl7Error as error:
            assert error.text  # noqa: PT017 - most bytes are no message, some are


@given(anything)
def test_what_opens_answers_every_path_and_is_written_as_it_came(raw: bytes) -> None:
    try:
        message = parse(raw)
    except Hl7Error:
        return
    assert message.raw == raw
    assert message.segments[0].name == "MSH"
    for path in PATHS:
        values = message.values(path)
        assert message.get(path) == (values[0] if values else "")
    for segment in message.segments:
        for number in range(1, len(segment.fields) + 1):
            segment.leaf(number, 2, 2, 2)
        if segment.name not in ("MSH", "FHS", "BHS"):
            assert message.delimiters.field.join(segment.fields) == segment.text
    again = parse(message.part(message.segments), message.charset.codec)
    assert [segment.text for segment in again.segments] == [segment.text for segment in message.segments]


@given(messages(), st.lists(st.integers(1, 25), min_size=2, max_size=6, unique=True).map(sorted))
@example(b"MSH|^~\\&|A\robx|1||a~b^c&d\r\nOBX\rOBXY|1|2|3\nObx|\\T\\^x\\|2|\\S\\&e\r", [1, 3])
def test_rows_are_what_leaves_are(raw: bytes, fields: list[int]) -> None:
    try:
        message = parse(raw)
    except Hl7Error:
        return
    for name in ("OBX", "PID", "NTE"):
        one_by_one = [tuple(segment.leaf(field) for field in fields) for segment in message.all(name)]
        assert message.rows(name, *fields) == one_by_one


@given(
    st.lists(messages(), min_size=1, max_size=5), st.sampled_from([b"", b"BHS|^~\\&|A\r", b"FHS|^~\\&\rBHS|^~\\&\r"])
)
def test_a_batch_of_messages_is_taken_apart_into_these_messages(parts: list[bytes], heads: bytes) -> None:
    whole = [part for part in (part.strip() for part in parts) if part.startswith(b"MSH|") and not is_batch(part)]
    assume(whole and not any(name in part.upper() for part in whole for name in (b"FHS", b"BHS", b"BTS", b"FTS")))
    assume(not any(part.lower().count(b"msh") > 1 for part in whole))
    raw = heads + b"".join(part + b"\r" for part in whole)
    assert is_batch(raw) or (len(whole) == 1 and not heads)
    batch = unpack(raw)
    assert list(batch.messages) == [part + b"\r" for part in whole]
    assert batch.complete


@given(anything)
def test_taking_apart_any_bytes_gives_messages_or_our_exception(raw: bytes) -> None:
    try:
        batch = unpack(raw)
    except Hl7Error as error:
        assert error.text  # noqa: PT017 - most bytes are no batch
    else:
        assert all(message.startswith(b"MSH") and message in raw for message in batch.messages)


@given(anything)
def test_the_header_says_what_the_reader_says(raw: bytes) -> None:
    try:
        found = header(raw)
        message = parse(raw)
    except Hl7Error:
        return
    assert found.encoding_chars == message.segments[0].raw(2)
    if raw.isascii():
        assert found.control_id == message.segments[0].raw(10)
        assert found.sending_application == message.segments[0].raw(3)


@given(anything, st.text(max_size=20), st.sampled_from(["OBX[2]-6", None, "MSH-9"]))
def test_whatever_has_a_header_can_be_answered_and_the_answer_read(raw: bytes, text: str, location: str | None) -> None:
    try:
        found = header(raw)
    except Hl7Error:
        return
    reply = parse_ack(ack(found, "AE", "1", NOW, text, "101", location))
    assert reply.code == "AE"
    assert reply.control_id == found.control_id
    assert reply.error_codes == ("101",)


@given(messages(), st.text(max_size=30), st.sampled_from(["OBX-5", "PID-3[2].4.2", "OBX[1]-6[*]", "MSH-4", "NTE-3"]))
def test_an_edit_is_read_back_and_touches_no_other_segment(raw: bytes, value: str, path: str) -> None:
    try:
        message = parse(raw)
        edited = message.but({path: value})
    except Hl7Error:
        return
    assume(message.charset.codec == edited.charset.codec)
    parsed = parse_path(path)
    written = [edited_segment for edited_segment in edited.segments if edited_segment.name == parsed.segment]
    assert edited.get(path) == value or value == ""
    assert len(written) == len(message.all(parsed.segment))
    before = [segment.text for segment in message.segments if segment.name != parsed.segment]
    assert [segment.text for segment in edited.segments if segment.name != parsed.segment] == before


@given(st.text(max_size=60), st.sampled_from([("|", "^~\\&"), ("|", "^~\\&#"), ("@", "~&#\\"), ("$", "*!?%")]))
def test_escaping_and_resolving_is_the_identity_and_leaves_no_separator(text: str, signs: tuple[str, str]) -> None:
    delimiters = Delimiters.of(*signs)
    escaped = delimiters.escaped(text)
    assert delimiters.unescaped(escaped) == text
    separators = {delimiters.field, delimiters.component, delimiters.repetition, delimiters.subcomponent}
    assert not (separators | {"\r", "\n", "\x0b", "\x1c"}) & set(escaped)


@given(st.text(alphabet=SIGNS, max_size=40))
def test_resolving_any_text_never_fails(text: str) -> None:
    Delimiters.of("|", "^~\\&#").unescaped(text)


@given(st.text(alphabet="0123456789.+-Z T", max_size=24))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    offset_of(text)
    try:
        written = read_dtm(text)
    except Hl7Error as error:
        assert error.code in ("bad-time", "no-time-of-day")  # noqa: PT017 - some texts are times
    else:
        assert 1900 <= written.wall.year <= 2200


@given(st.datetimes(min_value=datetime(1950, 1, 1), max_value=datetime(2200, 1, 1)), st.timezones())  # noqa: DTZ001
def test_a_time_that_is_written_is_read_back(wall: datetime, zone: object) -> None:
    moment = wall.replace(microsecond=wall.microsecond // 1000 * 1000, tzinfo=zone)  # type: ignore[arg-type]
    offset = moment.utcoffset()
    assert offset is not None
    assume(offset.seconds % 60 == 0 and abs(offset.total_seconds()) <= 14 * 3600)
    written = read_dtm(write_dtm(moment))
    assert written.wall == moment.replace(tzinfo=None, fold=0)
    assert written.offset_minutes == offset.total_seconds() / 60
