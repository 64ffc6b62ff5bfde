"""Every parser of tables against files gone wrong: records, problems, or one clear refusal."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinical.vendors.carelink_csv import read_carelink_csv
from clinical.vendors.clarity import read_clarity
from clinical.vendors.eversense import read_eversense
from clinical.vendors.glooko import read_glooko
from clinical.vendors.libreview import read_libreview
from clinical.vendors.making import Whose
from clinical.vendors.tconnect_csv import read_tconnect
from tests.examples import some
from tests.unit.dexcom.clarity_files import a_file, an_egv
from tests.unit.vendors import test_carelink_csv as carelink
from tests.unit.vendors import test_eversense as eversense
from tests.unit.vendors import test_glooko as glooko
from tests.unit.vendors import test_libreview as libreview
from tests.unit.vendors import test_tconnect_csv as tconnect
from tests.unit.vendors.mutations import PATIENT, Parse, survives, torn

DUBLIN = Whose(PATIENT, "v1", ZoneInfo("Europe/Dublin"))
CASES: Mapping[str, tuple[bytes, Parse]] = {
    "libreview": (
        libreview.an_export(
            libreview.historic("20-10-2021 08:00", "110"),
            libreview.row("20-10-2021 08:01", "1", _1="112"),
            libreview.row("20-10-2021 08:02", "2", _2="115"),
            libreview.row("20-10-2021 08:04", "4", rapid="4.5", long="12"),
            libreview.row("31-10-2021 01:15", "5", grams="45"),
        ),
        lambda body: read_libreview(body, DUBLIN),
    ),
    "carelink": (carelink.an_export(), lambda body: read_carelink_csv(body, DUBLIN)),
    "tconnect": (tconnect.an_export(), lambda body: read_tconnect(body, DUBLIN)),
    "eversense": (eversense.EXAMPLE, lambda body: read_eversense(body, DUBLIN)),
    "glooko": (glooko.EXAMPLE, lambda body: read_glooko(body, DUBLIN)),
    "clarity": (
        a_file([an_egv(f"2025-10-26T03:{5 * n:02d}:00", "101", str(4240874 + 300 * n), "8ABCDE") for n in range(4)]),
        lambda body: read_clarity(body, PATIENT, ZoneInfo("Europe/Dublin")),
    ),
    "carelink paradigm": (carelink.PARADIGM, lambda body: read_carelink_csv(body, DUBLIN)),
}
CELLS = st.sampled_from(
    ["", "\x00", "NaN", "1e9", "-1", "9" * 400, "5,5", "1.234,5", '"', '""', ";", "0", "39", "High", "2026-13-40", "é"]
) | st.text(max_size=8)


def delimiter_of(body: bytes) -> str:
    return max(",;\t", key=body.decode().count)


def _swapped(cells: list[str], one: int, other: int) -> list[str]:
    """Two columns in each other's place, their headers too."""
    if max(one, other) < len(cells):
        cells[one], cells[other] = cells[other], cells[one]
    return cells


@st.composite
def mutated(draw: st.DrawFn, body: bytes) -> bytes:
    """The file with up to four cells, columns or rows changed, dropped, doubled or moved."""
    delimiter = delimiter_of(body)
    rows = [line.split(delimiter) for line in body.decode().splitlines()]
    for _ in range(draw(st.integers(1, 4))):
        row = draw(st.integers(0, len(rows) - 1))
        place = draw(st.integers(0, max(len(rows[row]) - 1, 0)))
        match draw(st.sampled_from(("cell", "drop", "row", "double", "column", "move", "swap", "locale", "cut"))):
            case "cell":
                rows[row][place : place + 1] = [draw(CELLS)]
            case "drop":
                del rows[row][place : place + 1]
            case "row" if len(rows) > 1:
                del rows[row]
            case "double":
                rows.insert(draw(st.integers(0, len(rows))), list(rows[row]))
            case "column":
                rows = [[*cells[:place], *cells[place + 1 :]] for cells in rows]
            case "move":
                rows = [[*cells[place:], *cells[:place]] for cells in rows]
            case "swap":
                other = draw(st.integers(0, 18))
                rows = [_swapped(cells, place, other) for cells in rows]
            case "locale":
                rows = [[cell.replace(".", ",") for cell in cells] for cells in rows]
            case _:
                rows = rows[: max(row, 1)]
    changed = "\r\n".join(draw(st.sampled_from((delimiter, ";", ","))).join(cells) for cells in rows)
    return changed.encode("utf-8", "surrogatepass") + draw(st.sampled_from((b"", b"\r\n")))


@pytest.mark.parametrize("name", CASES)
def test_the_example_itself_gives_records(name: str) -> None:
    body, parse = CASES[name]
    parsed = survives(parse, body)
    assert parsed is not None
    assert parsed.records


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(max_examples=some(80), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_files_with_cells_columns_and_rows_changed(name: str, data: st.DataObject) -> None:
    body, parse = CASES[name]
    survives(parse, data.draw(mutated(body)))


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(max_examples=some(40), deadline=None)
def test_files_with_bytes_cut_out_and_put_in(name: str, data: st.DataObject) -> None:
    body, parse = CASES[name]
    survives(parse, data.draw(torn(body)))


@pytest.mark.parametrize("name", CASES)
def test_a_cell_of_many_megabytes_breaks_nothing(name: str) -> None:
    body, parse = CASES[name]
    survives(parse, body + b"9" * 11_000_000 + delimiter_of(body).encode() + b"9\r\n")
