from datetime import UTC, datetime

import hl7
import pytest

from clinical.hl7v2 import Hl7Error, Outcome, ack, answer_code, header, parse, parse_ack

AT = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
RAW = (
    b"MSH|^~\\&|GLU^1.2^ISO|STM^9&x^ISO|ISLET|HUB|20261120101500||ORU^R01^ORU_R01|{4711-a}|T|2.5.1^USA|||AL|NE||8859/1\r"
    b"PID|1\r"
)


def test_an_acceptance_swaps_the_parties_whole_and_copies_what_must_be_copied() -> None:
    assert ack(header(RAW), "AA", "77", AT) == (
        b"MSH|^~\\&|ISLET|HUB|GLU^1.2^ISO|STM^9&x^ISO|20261120101500+0000||ACK^R01^ACK|77|T|2.5.1^USA||||||8859/1\r"
        b"MSA|AA|{4711-a}\r"
    )


def test_a_refusal_says_where_what_and_why() -> None:
    answer = ack(header(RAW), "AE", "77", AT, "no unit; send mg/dL | mmol/L", "101", "OBX[2]-6.1")
    assert answer.split(b"\r")[1:] == [
        b"MSA|AE|{4711-a}|no unit; send mg/dL \\F\\ mmol/L",
        b"ERR||OBX^2^6^1^1|101^Required field missing^HL70357|E||||no unit; send mg/dL \\F\\ mmol/L",
        b"",
    ]


@pytest.mark.parametrize(
    ("location", "written"),
    [("MSH-9", "MSH^1^9"), ("PID", "PID^1"), ("PID-3[2].4.1", "PID^1^3^2^4^1"), ("OBX[3]-5", "OBX^3^5"), (None, "")],
)
def test_the_location_is_written_as_err_2_asks(location: str | None, written: str) -> None:
    answer = parse(ack(header(RAW), "AR", "77", AT, "no", "200", location))
    assert answer.get("ERR-2") == written


def test_before_version_2_5_the_reason_stands_in_err_1_and_msa_3() -> None:
    old = RAW.replace(b"2.5.1^USA", b"2.3")
    answer = ack(header(old), "AR", "77", AT, "send ORU^R01", "200", "MSH-9")
    assert answer.split(b"\r")[1:3] == [
        b"MSA|AR|{4711-a}|send ORU\\S\\R01",
        b"ERR|MSH^1^9^200&Unsupported message type&HL70357",
    ]
    assert answer.split(b"|")[8] == b"ACK^R01"
    assert parse_ack(answer).error_codes == ("200",)


def test_since_version_2_7_msa_3_is_left_empty() -> None:
    answer = parse(ack(header(RAW.replace(b"2.5.1^USA", b"2.7")), "AE", "77", AT, "text"))
    assert answer.get("MSA-3") == ""
    assert (answer.get("ERR-8"), answer.get("ERR-3.1")) == ("text", "207")


def test_the_answer_is_written_with_the_separators_and_the_charset_of_the_question() -> None:
    question = "MSH@~&#\\@Blutzucker-Gerät@STM@@@@@ORU~R01@1@P@2.5@@@@@@8859/1\r".encode("iso8859-1")
    answer = ack(header(question), "AE", "77", AT, "a@b")
    assert "@@Blutzucker-Gerät@STM@".encode("iso8859-1") in answer
    assert parse_ack(answer).text == "a@b"


def test_a_message_without_an_escape_character_is_answered_all_the_same() -> None:
    answer = ack(header(b"MSH|^~|A|B|||||ORU^R01|1|P|2.5"), "AE", "7|7", AT, "a|b^c\nd")
    assert parse_ack(answer).text == "a b c d"


def test_a_message_without_a_control_id_gets_an_empty_msa_2() -> None:
    assert parse_ack(ack(header(b"MSH|^~\\&|A"), "AR", "1", AT, "no control id", "101", "MSH-10")).control_id == ""


def test_text_that_the_charset_cannot_hold_does_not_keep_the_answer_back() -> None:
    answer = ack(header(RAW.replace(b"8859/1", b"ASCII")), "AE", "77", AT, "zu spät")
    assert parse_ack(answer).text == "zu sp?t"


def test_python_hl7_reads_our_answers() -> None:
    answer = hl7.parse(ack(header(RAW), "AE", "77", AT, "why", "207", "OBX[1]-5").decode("iso8859-1"))
    assert str(answer.segment("MSA")[1]) == "AE"
    assert str(answer.segment("MSA")[2]) == "{4711-a}"
    assert str(answer.segment("ERR")[8]) == "why"


def test_our_own_answer_is_read_back() -> None:
    reply = parse_ack(ack(header(RAW), "AR", "77", AT, "not now", "207"))
    assert (reply.code, reply.control_id, reply.text, reply.error_codes) == ("AR", "{4711-a}", "not now", ("207",))


@pytest.mark.parametrize(
    ("raw", "code", "control_id", "text", "codes"),
    [
        (b"MSH|^~\\&|||||||ACK|ACK|P|2.5\rMSA|AA|1", "AA", "1", "", ()),
        (b"MSH|^~\\&|||||||ACK|9|P|2.5\nMSA|AA|1\n", "AA", "1", "", ()),
        (b"MSH|^~\\&|||||||ACK|9|P|2.5\r\nMSA|aa|{X y}|OK\r\n", "AA", "{X y}", "OK", ()),
        (b"MSH|^~\\&|||||||ACK|9|P|2.3.1\rMSA|AE|1|Unknown PID|||0\r", "AE", "1", "Unknown PID", ()),
        (b"MSH|^~\\&|||||||ACK|9|P|2.3\rMSA|AE|1\rERR|PID^1^3^204&U&x~OBX^1^5^102\r", "AE", "1", "", ("204", "102")),
        (b"MSH|^~\\&|||||||ACK|9|P|2.5\rERR||PID^1^3|204^x^HL70357|E|||a|b\rMSA|AE|1|b\r", "AE", "1", "b; a", ("204",)),
        (b"\xef\xbb\xbfMSH|^~\\&|||||||ACK|9\r\r msa|CA|1\r", "CA", "1", "", ()),
        (b"MSH|^~\\&#|||||||ACK|9|P|2.5\rMSA|AA|", "AA", "", "", ()),
        (b"MSH|^~\\&|||||||ACK|9|P|2.5\rMSA|AE|1|C:\\temp \\T\\ co\r", "AE", "1", "C:\\temp & co", ()),
    ],
)  # fmt: skip
def test_answers_of_real_peers_are_read(
    raw: bytes, code: str, control_id: str, text: str, codes: tuple[str, ...]
) -> None:
    reply = parse_ack(raw)
    assert (reply.code, reply.control_id, reply.text, reply.error_codes) == (code, control_id, text, codes)


@pytest.mark.parametrize(
    "raw",
    [b"", b"garbage", b"MSH|^~\\&|||||||ACK|9\r", b"MSH|^~\\&|\rMSA||1\r", b"MSH|^~\\&|\rMSA\r", b"MSH|a|\rMSA|AA|1"],
)
def test_what_has_no_code_is_no_answer(raw: bytes) -> None:
    with pytest.raises(Hl7Error):
        parse_ack(raw)


def test_what_a_peer_says_is_hidden_from_repr() -> None:
    assert "CANARY" not in repr(parse_ack(b"MSH|^~\\&|\rMSA|AE|CANARY|CANARY\r"))


@pytest.mark.parametrize(
    ("raw", "codes", "severity"),
    [
        (b"MSA|AE|1|x|||204^Unknown key^HL70357\r", ("204",), ""),
        (b"MSA|AE|1\rERR||PID^1^3|103^x|W|X-17^own^L||a\rERR|||207|E\r", ("103", "207", "X-17"), "E"),
        (b"MSA|AE|1\rERR||||w\r", (), "W"),
        (b"MSA|AA|1|x|||0\r", (), ""),
    ],
)
def test_error_codes_and_severity_are_read_from_wherever_peers_write_them(
    raw: bytes, codes: tuple[str, ...], severity: str
) -> None:
    reply = parse_ack(b"MSH|^~\\&|||||||ACK|9|P|2.5\r" + raw)
    assert (reply.error_codes, reply.severity) == (codes, severity)


@pytest.mark.parametrize(
    ("accept", "application", "codes"),
    [
        ("", "", ["AA", "AE", "AR"]),
        ("AL", "NE", ["CA", "CE", "CR"]),
        ("ER", "AL", ["AA", "CE", "CR"]),
        ("SU", "ER", ["CA", "AE", "AR"]),
        ("NE", "AL", ["AA", "AE", "AR"]),
        ("NE", "NE", [None, None, None]),
        ("NE", "2", [None, None, None]),
        ("", "AL", ["AA", "AE", "AR"]),
        ("1", "2", ["AA", "AE", "AR"]),
    ],
)
def test_which_answer_is_wanted(accept: str, application: str, codes: list[str | None]) -> None:
    found = header(RAW.replace(b"|AL|NE|", f"|{accept}|{application}|".encode()))
    outcomes: tuple[Outcome, ...] = ("A", "E", "R")
    assert [answer_code(found, outcome, enhanced=True) for outcome in outcomes] == codes
    assert [answer_code(found, outcome, enhanced=False) for outcome in outcomes] == ["AA", "AE", "AR"]
