"""Conditions on canonical records: a path that leads nowhere is refused when it is written, not silently false."""

from clinical.records import (
    Quantity,
    encode,
)
from engine import sdk
from engine.testing.builders import a_message
from tests.builders import a_bolus, a_glucose
from transformers.fields_records import RecordFields


def _records_message() -> sdk.Message:
    return a_message(encode([a_glucose(value=Quantity(steps=101, unit="mmol/L"))]), sdk.Shape.RECORDS)


def test_values_at_every_element() -> None:
    assert RecordFields().values(_records_message(), "records[].value.unit") == ["mmol/L"]
    assert RecordFields().values(_records_message(), "records[0].value.steps") == ["101"]


def test_a_field_at_its_default_counts_as_written() -> None:
    assert RecordFields().values(_records_message(), "records[].effective.precision") == ["second"]
    assert RecordFields().values(_records_message(), "records[].effective.fold") == ["false"]


def test_a_good_path_passes_the_check() -> None:
    assert RecordFields().check("records[].status") is None


def test_fields_of_every_kind_of_record_can_be_asked_for() -> None:
    for path in ("record", "delivered.unit", "kind", "systolic.steps", "event", "until.millis", "text", "analyte"):
        assert RecordFields().check(f"records[].{path}") is None
    mixed = a_message(encode([a_bolus("4.2"), a_glucose()]), sdk.Shape.RECORDS)
    assert RecordFields().values(mixed, "records[].delivered.steps") == ["4200"]
    assert RecordFields().values(mixed, "records[].record") == ["insulin-dose", "glucose"]


def test_a_path_that_leads_nowhere_is_told_what_there_is() -> None:
    told = RecordFields().check("records[].unit")
    assert told is not None
    assert "`records[]` has no `unit`" in told
    assert "value" in told


def test_a_list_without_brackets_is_told_how_to_write_it() -> None:
    told = RecordFields().check("records.status")
    assert told is not None
    assert "write `records[]`" in told
