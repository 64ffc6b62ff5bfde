"""`map_json`: JSON of any maker to records, by YAML alone."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pydantic import Field

from clinical.vendors.json_fields import read_document, write_document
from clinical.vendors.mapping import Cells
from clinical.vendors.parsing import Parsed, Problem, Unreadable
from engine import sdk
from transformers import json_paths
from transformers.mapping_rules import MapSettings, RowOf, mapped
from transformers.vendor_readings import outputs, refuse


class MapJsonSettings(MapSettings):
    """Settings of `map_json`. Columns are paths inside one item: `glucose.value`."""

    items: str = Field("", description="Path of the list of items, such as data.readings; empty: the body itself")


@sdk.transformer("map_json", settings=MapJsonSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS)
def map_json(message: sdk.Message, settings: MapJsonSettings) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """JSON of any maker to records, as `records` says: which paths hold time, value and unit of which kind.

    An item that cannot be read is set aside with its path (`data.readings[3].glucose.value`), the others go on.
    Raises InvalidMessage, with line and column, for what is no JSON, and where `items` leads to no list.
    """
    try:
        document = read_document(message.body)
        items = _items(document, settings.items)
    except Unreadable as unreadable:
        refuse(unreadable)
    rows = [_row(settings.items, place, item) for place, item in enumerate(items)]
    found = mapped(message, settings, rows)
    given: list[sdk.StepOutput] = []
    for patient, parsed in found:
        made = outputs(message, _placed(parsed), patient)
        given.extend([] if isinstance(made, sdk.Drop) else made)
    return given or [sdk.Drop("no readings")]


def _items(document: Any, path: str) -> list[Any]:
    holder = [document] if not path else json_paths.values(document, path)
    if holder and isinstance(holder[0], list):
        return holder[0]
    text = f"there is no list at `{path}`; correct `items`" if path else "the body is no list; set `items`"
    raise Unreadable(text, code="items-missing", path=path or None)


def _row(path: str, place: int, item: Any) -> RowOf:
    return f"{path}[{place}]", _cells(item), lambda: _only(path, item)


def _cells(item: Any) -> Cells:
    def cell(column: str) -> str:
        found = json_paths.values(item, column)
        value = found[0] if found else None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, Decimal):
            return f"{value:f}" if abs(value.adjusted()) < 20 else str(value)
        return str(value).strip() if isinstance(value, str | int) else ""

    return cell


def _only(path: str, item: Any) -> bytes:
    document: Any = [item]
    for step in reversed(path.split(".") if path else []):
        document = {step: document}
    return write_document(document)


def _placed(parsed: Parsed) -> Parsed:
    """Problems with the path of their field, as far as the rule names one."""
    problems = [
        Problem(f"{one.path}.{name}" if json_paths.is_path(name) else one.path, one.code, one.text, one.body)
        for one in parsed.problems
        for name in [one.text.partition(": ")[0]]
    ]
    return Parsed(parsed.records, problems, parsed.skipped)
