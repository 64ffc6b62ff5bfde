"""Reading the body of a `records` message, with the error word that a wrong one deserves."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from clinical.records import AnyRecord, Record, decode
from engine import sdk

_DIGITS = 15
_PLACE = re.compile(r"`\$\.?([\w.\[\]]*)`$")


def read_records(body: bytes) -> tuple[Record, ...]:
    """The records of a body. Raises InvalidMessage with the path of the field that is wrong."""
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))
        raise sdk.InvalidMessage(
            "is not what a canonical record holds there",
            code="records",
            path=(place[1] if place else None) or None,
            detail=str(error),
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise sdk.InvalidMessage(
            "the body is not the JSON of a set of records", code="not-json", detail=str(error)
        ) from None


def order_of(records: Sequence[AnyRecord]) -> Mapping[str, str]:
    """Meta that puts messages of one patient in the order of their first record (`wait_for_order`)."""
    first = min(record.effective.millis for record in records)
    return {sdk.ORDER_AT: f"{max(first, 0):0{_DIGITS}d}"}
