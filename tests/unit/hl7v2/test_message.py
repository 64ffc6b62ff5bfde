import pytest

from clinical.hl7v2 import NULL, Hl7Error, Raw, parse
from tests.unit.hl7v2.messages import MSH, message, obx, oru

PID = 'PID|1||MRN1^^^STM&1.2&ISO^MR~99^^^NHS^NH||DOE^JANE~ROE^J|""|19800101||||1 \\T\\ 2 STREET'


def test_fields_repetitions_components_and_subcomponents_are_reached_by_path() -> None:
    opened = parse(oru(pid=PID))
    assert opened.get("PID-3[2].1") == "99"
    assert opened.get("PID-3.4.2") == "1.2"
    assert opened.get("PID-3.4") == "STM&1.2&ISO"
    assert opened.get("PID-3") == "MRN1^^^STM&1.2&ISO^MR"
    assert opened.get("PID-11") == "1 & 2 STREET"
    assert opened.get("OBX-6") == opened.get("OBX-6.1") == opened.get("OBX[1]-6.1.1") == "mg/dL"
    assert opened.get("OBX-6.2") == opened.get("OBX-6.1.2") == opened.get("OBX-6[2]") == opened.get("OBX-99") == ""
    assert opened.get("ZZZ-1") == opened.get("PID[2]-3") == ""


def test_every_value_of_a_path_is_given_in_order() -> None:
    opened = parse(oru(obx(1, code="A^x^L"), obx(2, code="B\\T\\^y^L"), pid=PID))
    assert opened.values("OBX-3.1") == ["A", "B&"]
    assert opened.values("OBX[2]-3.1") == ["B&"]
    assert opened.values("PID-3.1") == ["MRN1", "99"]
    assert opened.values("PID-3[*].5") == ["MR", "NH"]
    assert opened.values("PID") == [PID]


def test_absent_and_deleted_are_different() -> None:
    opened = parse(oru(pid=PID))
    assert opened.get("PID-6") == NULL
    assert opened.get("PID-9") == ""


def test_the_separators_of_the_header_are_fields_one_and_two() -> None:
    opened = parse(oru())
    assert (opened.get("MSH-1"), opened.get("MSH-2"), opened.get("MSH-3")) == ("|", "^~\\&", "GLU")
    assert (opened.get("MSH-9"), opened.get("MSH-9.2"), opened.get("MSH-2.2")) == ("ORU^R01^ORU_R01", "R01", "")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\n\r", "\r\r\n"])
def test_any_line_end_ends_a_segment(end: str) -> None:
    opened = parse(message(MSH, PID, obx(), end=end))
    assert [segment.name for segment in opened.segments] == ["MSH", "PID", "OBX"]
    assert opened.get("OBX-5") == "182"


def test_mixed_line_ends_blank_lines_and_a_missing_last_one_are_taken() -> None:
    opened = parse(f"{MSH}\r\n\n  \r{PID}\n{obx()}".encode())
    assert [segment.name for segment in opened.segments] == ["MSH", "PID", "OBX"]


def test_segment_names_are_read_in_any_case_and_lines_that_are_none_have_no_path() -> None:
    opened = parse(message(MSH, "pid|1||X", "OBXX|1", "some text | more", "OBX"))
    assert opened.get("PID-3") == "X"
    assert [segment.text for segment in opened.all("OBX")] == ["OBX"]


def test_custom_and_truncation_separators_are_read() -> None:
    assert parse(b"MSH@~&#\\@A@B\rPID@1@@M#T#1~~~H\\1~MR&N2\r").values("PID-3.1") == ["M\\1", "N2"]
    assert parse(b"MSH|^~\\&#|A\rOBX|1|TX|||cut\\P\\").get("OBX-5") == "cut#"


def test_escapes_hide_separators_until_the_leaf() -> None:
    opened = parse(oru(obx(value="a\\S\\b^c\\F\\d", kind="CE")))
    assert opened.get("OBX-5.1") == "a^b"
    assert opened.get("OBX-5.2") == "c|d"
    assert opened.get("OBX-5") == "a\\S\\b^c\\F\\d"


def test_what_msh_2_does_not_name_does_not_separate() -> None:
    opened = parse(b"MSH|^|A\rPID|1||A~B^C&D\\T\\\r")
    assert opened.values("PID-3") == ["A~B^C&D\\T\\"]
    assert opened.get("PID-3.2") == "C&D\\T\\"


@pytest.mark.parametrize(
    ("charset", "name", "codec", "how"),
    [
        ("", "ascii", "utf-8", "utf-8"),
        ("", "Zoë", "utf-8", "utf-8"),
        ("UNICODE UTF-8", "Zoë", "utf-8", "declared"),
        ("UTF-8~UNICODE", "Zoë", "utf-8", "declared"),
        ("8859/1", "Zoë", "iso8859-1", "declared"),
        ("8859/15", "Zoë€", "iso8859-15", "declared"),
        ("GB 18030-2000", "李", "gb18030", "declared"),
        ("ISO IR 999", "Zoë", "utf-8", "utf-8"),
    ],
)
def test_the_character_set_is_what_msh_18_says_or_utf_8(charset: str, name: str, codec: str, how: str) -> None:
    text = f"MSH|^~\\&|A||||||ORU^R01|1|P|2.5||||||{charset}\rPID|1||1||{name}\r"
    opened = parse(text.encode(codec))
    assert opened.get("PID-5") == name
    assert opened.charset == (codec, how)


def test_bytes_that_are_not_utf_8_are_read_in_the_default_and_that_is_recorded() -> None:
    raw = b"MSH|^~\\&|A\rPID|1||1||Zo\xeb \x80\r"
    assert (parse(raw).get("PID-5"), parse(raw).charset) == ("Zoë €", ("cp1252", "default"))
    assert parse(raw, "iso8859-1").get("PID-5") == "Zoë \x80"


def test_bytes_that_are_not_what_msh_18_says_are_read_all_the_same_and_that_is_recorded() -> None:
    opened = parse(b"MSH|^~\\&|A" + b"|" * 15 + b"UTF-8\rPID|1||1||Zo\xeb\r")
    assert (opened.get("PID-5"), opened.charset.how) == ("Zoë", "fallback")
    assert parse(b"MSH|^~\\&|A\rPID|1||1||\x81\xff\r").charset.codec == "iso8859-1"


def test_an_edit_changes_its_field_and_no_other_byte() -> None:
    raw = f'\ufeff\r\n{MSH}\r\n\r\n{PID}\nZZZ|x\\q|""|\r{obx()}|||\r\r{obx(2)}'.encode()
    edited = parse(raw).but({"OBX[2]-6": "mmol/L"})
    assert edited.raw == raw[: -len(obx(2))] + obx(2, unit="mmol/L").encode()


def test_a_path_without_an_index_writes_every_segment_and_the_first_repetition() -> None:
    edited = parse(oru(obx(1), obx(2), pid=PID)).but({"OBX-6": "mmol/L", "PID-3.4": "NEW", "PID-5[*].1": "X"})
    assert edited.values("OBX-6") == ["mmol/L", "mmol/L"]
    assert edited.values("PID-3.4") == ["NEW", "NHS"]
    assert edited.values("PID-5") == ["X^JANE", "X^J"]


def test_parts_that_were_not_there_are_made() -> None:
    edited = parse(oru()).but({"PID-40[2].3.2": "x", "MSH-18": "UNICODE UTF-8", "PID-3.4.3": "ISO"})
    assert edited.get("PID-40") == ""
    assert edited.get("PID-40[2].3.2") == "x"
    assert edited.values("PID-40") == ["", "^^&x"]
    assert edited.get("MSH-18") == "UNICODE UTF-8"
    assert edited.get("PID-3") == "MRN1^^^STM&&ISO^MR"


def test_written_values_are_escaped_except_a_deletion_and_what_is_escaped_already() -> None:
    opened = parse(oru(pid=PID))
    edited = opened.but({"PID-5": "a^b|c\n", "PID-7": NULL, "PID-2": opened.get_raw("PID-3")})
    assert edited.get("PID-5") == "a^b|c\n"
    assert edited.segments[1].raw(5).startswith("a\\S\\b\\F\\c\\.br\\~")
    assert edited.get("PID-7") == NULL
    assert edited.get("PID-2.4.2") == "1.2"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("PV1-2", "I", "no-segment"),
        ("OBX[3]-5", "1", "no-segment"),
        ("MSH-1", "@", "bad-path"),
        ("MSH-2", "^~", "bad-path"),
        ("PID", "x", "bad-path"),
        ("nonsense", "x", "bad-path"),
        ("PID-3.1", Raw("a^b"), "bad-path"),
        ("PID-3", Raw("a~b"), "bad-path"),
        ("PID-3.4.1", Raw("a&b"), "bad-path"),
    ],
)
def test_what_cannot_be_written_is_refused(path: str, value: str, code: str) -> None:
    with pytest.raises(Hl7Error) as raised:
        parse(oru()).but({path: value})
    assert raised.value.code == code


def test_a_value_outside_the_character_set_is_refused_and_not_garbled() -> None:
    opened = parse(oru(msh=MSH + "||||||8859/1"))
    assert opened.but({"PID-5": "Zoë"}).get("PID-5") == "Zoë"
    with pytest.raises(Hl7Error) as raised:
        opened.but({"PID-5": "李CANARY"})
    assert raised.value.code == "charset"
    assert "CANARY" not in str(raised.value)


def test_another_character_set_is_not_claimed_for_text_that_is_not_rewritten() -> None:
    opened = parse(oru(msh=MSH + "||||||8859/1").replace(b"JANE", b"Zo\xeb"))
    with pytest.raises(Hl7Error):
        opened.but({"MSH-18": "8859/2"})
    assert parse(oru(msh=MSH + "||||||8859/1")).but({"MSH-18": "UTF-8"}).charset.codec == "utf-8"


def test_an_edit_of_nothing_gives_the_same_message() -> None:
    opened = parse(oru())
    assert opened.but({}) is opened


def test_a_part_is_a_message_of_its_own_with_the_segments_as_they_came() -> None:
    raw = oru(obx(1), obx(2, value="\\Z1\\|"), msh=MSH + "||||||8859/1").replace(b"JANE", b"Zo\xeb")
    opened = parse(raw)
    part = opened.part([opened.first("MSH"), None, opened.first("PID"), opened.all("OBX")[1]])
    lines = raw.split(b"\r")
    assert part == b"\r".join([lines[0], lines[1], lines[4], b""])


def test_nothing_of_a_message_shows_in_reprs() -> None:
    opened = parse(oru(pid="PID|CANARY", msh=MSH.replace("GLU", "CANARY")))
    assert "CANARY" not in repr(opened) + repr(opened.segments) + repr(parse(b"MSH|^~\\&|\rCANARY").segments)


def test_the_truncated_header_of_the_reader_is_no_message() -> None:
    for raw in (b"", b"MSH", b"MSH|", b"\r\n", b"PID|1\r"):
        with pytest.raises(Hl7Error):
            parse(raw)
