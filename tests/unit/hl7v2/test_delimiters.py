import pytest

from clinical.hl7v2 import Delimiters, Hl7Error

USUAL = Delimiters.of("|", "^~\\&")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("a \\T\\ b", "a & b"),
        ("\\F\\\\S\\\\T\\\\R\\\\E\\", "|^&~\\"),
        ("line\\.br\\next", "line\nnext"),
        ("two\\.sp2\\on\\.sp\\end", "two\n\non\nend"),
        ("\\X41\\\\X42\\", "AB"),
        ("\\Xc3bc\\", "ü"),
        ("\\Xc3\\\\Xbc\\", "ü"),
        ("a\\X0D0A\\b", "a\r\nb"),
        ("\\X4\\", "\\X4\\"),
        ("\\Xff\\", "\\Xff\\"),
        ("\\Xzz\\", "\\Xzz\\"),
        ("some \\Z99\\ text", "some \\Z99\\ text"),
        ("\\H\\bold\\N\\", "\\H\\bold\\N\\"),
        ("\\C2842\\ \\M824041\\", "\\C2842\\ \\M824041\\"),
        ("\\.in+4\\ \\.ti-2\\ \\.ce\\", "\\.in+4\\ \\.ti-2\\ \\.ce\\"),
        ("C:\\temp", "C:\\temp"),
        ("C:\\temp\\T\\x", "C:\\temp&x"),
        ("end\\", "end\\"),
        ("\\\\", "\\\\"),
        ("\\f\\", "\\f\\"),
        ("\\P\\", "\\P\\"),
        ("\\Z1\\S\\T\\", "\\Z1\\S&"),
    ],
)
def test_escapes_are_resolved_and_unknown_ones_and_lone_signs_stay(raw: str, value: str) -> None:
    assert USUAL.unescaped(raw) == value


def test_hexadecimal_runs_are_bytes_of_the_messages_charset() -> None:
    assert USUAL.unescaped("\\Xfc\\", "iso8859-1") == "ü"


def test_the_truncation_character_is_resolved_where_it_is_named() -> None:
    assert Delimiters.of("|", "^~\\&#").unescaped("cut\\P\\") == "cut#"


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        ("a|b^c~d\\e&f", "a\\F\\b\\S\\c\\R\\d\\E\\e\\T\\f"),
        ("1\n2", "1\\.br\\2"),
        ("1\r2\x0b\x1c", "1\\X0D\\2\\X0B\\\\X1C\\"),
        ("plain 5.40", "plain 5.40"),
        ("\\X41\\", "\\E\\X41\\E\\"),
    ],
)
def test_values_are_escaped_so_that_no_separator_line_end_or_frame_byte_is_left(value: str, raw: str) -> None:
    assert USUAL.escaped(value) == raw
    assert USUAL.unescaped(raw) == value


def test_other_separators_are_escaped_and_the_usual_ones_are_not() -> None:
    other = Delimiters.of("@", "~&#\\")
    assert other.escaped("a@b|c~d\\") == "a#F#b|c#S#d#T#"
    assert other.unescaped("#F#|#T#") == "@|\\"


def test_without_an_escape_character_a_value_that_needs_one_cannot_be_written() -> None:
    plain = Delimiters.of("|", "^~")
    assert plain.escaped("a\\b") == "a\\b"
    assert plain.unescaped("a\\F\\b") == "a\\F\\b"
    with pytest.raises(Hl7Error):
        plain.escaped("a|b")


def test_what_a_short_msh_2_does_not_name_is_empty() -> None:
    short = Delimiters.of("|", "^~")
    assert (short.component, short.repetition, short.escape, short.subcomponent) == ("^", "~", "", "")


def test_a_doubled_escape_character_counts_once() -> None:
    doubled = Delimiters.of("|", "^~\\\\&")
    assert (doubled.escape, doubled.subcomponent, doubled.truncation) == ("\\", "&", "")
    assert doubled.encoding_chars == "^~\\&"


@pytest.mark.parametrize(
    ("sep", "chars"),
    [("", "^~\\&"), ("a", "^"), ("|", ""), ("|", "^^"), ("|", "|~\\&"), ("|", "^~\\& "), ("|", "^~\\&#!"), ("é", "^")],
)  # fmt: skip
def test_signs_that_cannot_separate_are_refused(sep: str, chars: str) -> None:
    with pytest.raises(Hl7Error):
        Delimiters.of(sep, chars)
