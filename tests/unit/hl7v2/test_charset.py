import pytest

from clinical.hl7v2.charset import codec_of, known_charset


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UNICODE UTF-8", "utf-8"),
        ("UNICODE", "utf-8"),
        ("utf8", "utf-8"),
        ("ASCII", "ascii"),
        ("8859/1", "iso8859-1"),
        ("ISO 8859-15", "iso8859-15"),
        ("ISO IR100", "iso8859-1"),
        ("BIG-5", "big5"),
        ("KS X 1001", "euc_kr"),
        ("WINDOWS-1250", "cp1250"),
        ("GB2312", "gb18030"),
        ("UNICODE UTF-16", None),
        ("ISO IR 999", None),
        ("", None),
    ],
)
def test_names_of_the_table_and_their_usual_spellings_are_known(name: str, codec: str | None) -> None:
    assert codec_of(name) == codec


@pytest.mark.parametrize("name", ["windows-1252", "utf-8", "iso-8859-2", "8859/9", "cp437"])
def test_a_setting_may_name_any_charset_that_keeps_ascii(name: str) -> None:
    assert "MSH|^~\\&".encode(known_charset(name)) == b"MSH|^~\\&"


@pytest.mark.parametrize("name", ["utf-16", "klingon", "hex", "rot13", "utf-8-sig", "cp037", ""])
def test_a_setting_cannot_name_one_that_hl7_cannot_use(name: str) -> None:
    with pytest.raises(ValueError, match="write one such as"):
        known_charset(name)
