"""Whatever comes: records, problems, or one clear refusal; never another exception, never a value nobody wrote."""

import json
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.records import PatientRef
from clinical.vendors.clarity import read_clarity
from clinical.vendors.dexcom import open_egvs, read_egvs
from clinical.vendors.parsing import Parsed, Unreadable
from tests.builders import glucoses
from tests.examples import some
from tests.unit.dexcom.clarity_files import a_file, an_egv
from tests.unit.dexcom.test_egvs import an_egv as an_api_egv

PATIENT = PatientRef(system="stm", value="P-1")
ZONE = ZoneInfo("Europe/Dublin")

anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["low", "high", "mg/dL", "mmol/L", "39", "\x00", "2025-01-30T23:10:55Z", "2025-1-3 4:5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
fields = st.sampled_from(sorted(an_api_egv()))


def allowed(parsed: Parsed, rows: int) -> None:
    assert len(parsed.records) + len(parsed.problems) == rows
    for record in glucoses(parsed.records):
        low, high = (40, 400) if record.value.unit == "mg/dL" else (22, 222)
        assert low <= record.value.steps <= high
    for problem in parsed.problems:
        assert problem.code
        assert problem.path


@given(st.lists(st.dictionaries(fields, anything, max_size=4), max_size=5))
@settings(max_examples=some(150), deadline=None)
def test_records_with_anything_in_any_field(changes: list[dict[str, Any]]) -> None:
    records = [an_api_egv(number, **change) for number, change in enumerate(changes)]
    body = json.dumps({"recordType": "egv", "records": records}).encode()
    allowed(read_egvs(open_egvs(body), PATIENT), len(records))


@given(st.data())
@settings(max_examples=some(150), deadline=None)
def test_answers_with_bytes_cut_out_and_put_in(data: st.DataObject) -> None:
    body = json.dumps({"recordType": "egv", "records": [an_api_egv(0), an_api_egv(1)]}).encode()
    begin = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(begin, min(begin + 40, len(body))))
    mutated = body[:begin] + data.draw(st.binary(max_size=20)) + body[end:]
    try:
        egvs = open_egvs(mutated)
    except Unreadable:
        return  # the one clear refusal
    allowed(read_egvs(egvs, PATIENT), len(egvs.records))


cells = st.text(max_size=12).filter(lambda text: not set(text) & set('",\r\n')) | st.sampled_from(
    ["EGV", "Low", "High", "39", "5.6", "5,6", "", "2026-03-01T10:00:00", "2025-10-26 01:30:00", "\x00", "9" * 30]
)


@given(st.lists(st.dictionaries(st.integers(0, 12), cells, max_size=4), min_size=1, max_size=6))
@settings(max_examples=some(150), deadline=None)
def test_rows_with_anything_in_any_cell(changes: list[dict[int, str]]) -> None:
    rows = []
    for number, change in enumerate(changes):
        row = list(an_egv(f"2026-03-01T10:{5 * number:02d}:00", "101", str(4240874 + 300 * number), "8ABCDE"))
        for place, text in change.items():
            row[place] = text
        rows.append(row)
    try:
        parsed = read_clarity(a_file(rows), PATIENT, ZONE)
    except Unreadable:
        return
    allowed(parsed, sum(any(cell.strip() == "EGV" for cell in row) for row in rows))


@given(st.data())
@settings(max_examples=some(150), deadline=None)
def test_exports_with_bytes_cut_out_and_put_in(data: st.DataObject) -> None:
    body = a_file([an_egv(f"2026-03-01T10:{5 * n:02d}:00", "101", str(4240874 + 300 * n), "8ABCDE") for n in range(4)])
    begin = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(begin, min(begin + 40, len(body))))
    mutated = body[:begin] + data.draw(st.binary(max_size=20)) + body[end:]
    try:
        parsed = read_clarity(mutated, PATIENT, ZONE)
    except Unreadable:
        return
    allowed(parsed, len(parsed.records) + len(parsed.problems))
