"""Readings in another unit, for display and for systems that take one unit only."""

from typing import Literal

import msgspec

from clinical.records import AnyRecord, Deed, Glucose, Quantity, encode
from clinical.units import convert, text_of
from engine import sdk
from transformers.record_bodies import read_records

RULE, RULE_VERSION = "convert-units", "1"


class ConvertUnitsSettings(sdk.Settings):
    """The unit that readings leave in."""

    to: Literal["mg/dL", "mmol/L"]


@sdk.transformer("convert_units", settings=ConvertUnitsSettings, accepts={sdk.Shape.RECORDS}, emits=sdk.Shape.RECORDS)
def convert_units(message: sdk.Message, settings: ConvertUnitsSettings) -> sdk.Message:
    """Every glucose reading in the unit `to`. What was received stays: `original` is untouched, and the conversion is
    written down with the value that it started from.

    For what goes out. Put it after `reconcile`, never before: each conversion moves some values over the edges of
    ranges.
    """
    records = read_records(message.body)
    converted = [_converted(record, settings.to) for record in records]
    if all(new is old for new, old in zip(converted, records, strict=True)):
        return message
    return message.but(body=encode(converted))


def _converted(record: AnyRecord, unit: str) -> AnyRecord:
    if not isinstance(record, Glucose) or record.value.unit == unit:
        return record
    what = f"from {text_of(record.value.steps, record.value.unit)} {record.value.unit} to {unit}"
    replaced = record.replaces_value
    return msgspec.structs.replace(
        record,
        value=_quantity(record.value, unit),
        replaces_value=_quantity(replaced, unit) if replaced is not None else None,
        done=(*record.done, Deed(rule=RULE, version=RULE_VERSION, what=what)),
    )


def _quantity(value: Quantity, unit: str) -> Quantity:
    return Quantity(steps=convert(value.steps, value.unit, unit), unit=unit)
