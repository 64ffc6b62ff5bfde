"""Whatever a program writes whole is taken for whole; whatever is cut from JSON is not."""

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from connectors.files.completeness import flaw
from engine import sdk

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(CELLS, inner, max_size=4),
    max_leaves=12,
)


@given(
    st.integers(1, 6).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=12)),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_a_csv_of_equal_rows_is_whole_with_or_without_its_last_line_end(
    rows: list[list[str]], end: str, ended: bool
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    whole = text.getvalue() if ended else text.getvalue().removesuffix(end)
    assert flaw(whole.encode(), sdk.Shape.CSV) is None


@given(st.lists(st.lists(st.integers(0, 9).map(str), min_size=4, max_size=4), min_size=2, max_size=9), st.data())
def test_a_csv_cut_before_the_last_rows_last_field_is_seen(rows: list[list[str]], data: st.DataObject) -> None:
    whole = "\n".join(",".join(row) for row in rows)
    last = whole.rfind("\n") + 1
    cut = data.draw(st.integers(last + 1, whole.rfind(",")))
    found = flaw(whole[:cut].encode(), sdk.Shape.CSV)
    assert found is not None
    assert (found.code, found.line) == ("csv-cut", len(rows))


@given(st.dictionaries(CELLS, VALUES, max_size=5), st.data())
def test_json_is_whole_and_every_beginning_of_it_is_cut(value: dict[str, object], data: st.DataObject) -> None:
    whole = json.dumps(value, ensure_ascii=False, indent=1).encode()
    assert flaw(whole, sdk.Shape.JSON) is None
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert flaw(cut, sdk.Shape.JSON) is not None
