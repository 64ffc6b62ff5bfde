"""Signs that a file was cut."""

from pathlib import Path

import pytest

from connectors.files.completeness import Flaw, flaw
from engine import sdk

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
CUT = "the last row has {} of {} fields and no line end: the file was cut"
QUOTE = "a quote opens in this row and is never closed: the file was cut, or a quote is too many"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a,b\n1,2\n3", Flaw("csv-cut", CUT.format(1, 2), 3)),
        (b"a;b;c\r\n1;2;3\r\n4;5", Flaw("csv-cut", CUT.format(2, 3), 3)),
        (b"title\n\na,b,c\n1,2,3\n4,5", Flaw("csv-cut", CUT.format(2, 3), 5)),
        (b'a,b\n"x\ny",2\n3', Flaw("csv-cut", CUT.format(1, 2), 4)),
        (b'a,b\n1,2\n"x', Flaw("csv-quote", QUOTE, 3)),
        (b'a,b\n1,"2\n3,4\n', Flaw("csv-quote", QUOTE, 2)),
        (b'a,b\n1,2\n"3,4\n' + b"5,6\n" * 50_000, Flaw("csv-quote", QUOTE, 3)),
        (b"", Flaw("empty", "the file has no content")),
    ],
)
def test_a_cut_csv_is_told_with_its_line(body: bytes, expected: Flaw) -> None:
    assert flaw(body, sdk.Shape.CSV) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"a,b\n1,2\n",
        b"a,b\n1,2",  # no line end, but a whole row: many exports end so
        b"a,b\r\n1,2\r\n3\r\n",  # ragged, but ended
        b"a,b\n1,2\n3\r",  # cut between CR and LF: the row is whole
        b'a,b\n"x ""y"" z","1\n2"\n',
        b'a,b\n5" needle,2\n',  # a quote inside a bare field is a character
        b"title,x\na,b,c\n1,2,3\n\n",
        b"w,w,w\nx,x\ny,y,y\nz,z",  # rows of two lengths are this file's way
        b"\xef\xbb\xbfa,b\n\xb5,2\n",  # a byte order mark, and letters of another encoding
        "a\tb\n1\t2\n".encode("utf-16"),
        b"one column\n1",
    ],
)
def test_a_whole_csv_shows_no_flaw(body: bytes) -> None:
    assert flaw(body, sdk.Shape.CSV) is None


@pytest.mark.parametrize(
    ("body", "code", "line", "column"),
    [
        (b'{"a": [1,\n 2', "json-broken", 2, 3),
        (b'{"a":\n  tru}', "json-broken", 2, 3),
        (b"{}\n{}", "json-broken", 2, 1),
        (b'{"a":\n "\xc3\xa9\xff"}', "json-not-utf8", 2, 4),
        (b"\xef\xbb\xbf{}", "json-bom", 1, 1),
        (b"", "empty", None, None),
    ],
)
@pytest.mark.parametrize("shape", [sdk.Shape.JSON, sdk.Shape.FHIR])
def test_json_that_is_none_is_told_with_line_and_column(
    shape: sdk.Shape, body: bytes, code: str, line: int | None, column: int | None
) -> None:
    found = flaw(body, shape)
    assert found is not None
    assert (found.code, found.line, found.column) == (code, line, column)


def test_a_reason_holds_no_value_of_the_file() -> None:
    found = flaw(b'{"name": "Zweistein", "mrn": 4711', sdk.Shape.JSON)
    assert found is not None
    assert "Zweistein" not in repr(found)
    assert "4711" not in repr(found)


@pytest.mark.parametrize("shape", [sdk.Shape.XML, sdk.Shape.HL7V2, sdk.Shape.BYTES])
def test_other_shapes_are_only_looked_at_for_being_empty(shape: sdk.Shape) -> None:
    assert flaw(b'{"cut', shape) is None
    assert flaw(b"", shape) is not None


def test_a_place_reads_as_words() -> None:
    assert Flaw("c", "r", 3, 4).place == "line 3, column 4"
    assert Flaw("c", "r", 3).place == "line 3"
    assert Flaw("c", "r").place == ""


def test_no_real_export_is_taken_for_cut_and_a_real_cut_is() -> None:
    exports = sorted((SAMPLES / "vendors").rglob("*.csv"))
    if not exports:
        pytest.skip(f"LOUD: no real vendor exports under {SAMPLES}; they are not part of the project")
    assert {export.name: flaw(export.read_bytes(), sdk.Shape.CSV) for export in exports} == {
        export.name: None for export in exports
    }
    clarity = next(export for export in exports if export.name.startswith("clarity_g6_mgdl_us")).read_bytes()
    cut = clarity[: clarity.rfind(b",", 0, len(clarity) // 2)]
    found = flaw(cut, sdk.Shape.CSV)
    assert found is not None
    assert (found.code, found.line) == ("csv-cut", cut.count(b"\n") + 1)
