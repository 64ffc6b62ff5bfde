"""Names for the files we write: from ids, the channel and the time of receipt only, never from a message. Pure."""

import re
import string
import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from engine import sdk

ENDINGS: Final = {
    sdk.Shape.JSON: ".json",
    sdk.Shape.FHIR: ".json",
    sdk.Shape.RECORDS: ".json",
    sdk.Shape.HL7V2: ".hl7",
    sdk.Shape.CSV: ".csv",
    sdk.Shape.XML: ".xml",
    sdk.Shape.BYTES: ".bin",
}
FIELDS: Final = ("id", "channel", "received")
_LITERAL = re.compile(r"[A-Za-z0-9._-]*")
_FORMAT = re.compile(r"(%[YmdHMSjGVu]|[A-Za-z0-9._-])+")
_LONGEST: Final = 200


def check_template(template: str, must: Collection[str] = (), may: Collection[str] = FIELDS) -> str:
    """The template itself. Raises ValueError that says what to write."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError("has a brace too many or too few; write fields as {id}") from error
    used = {name for _, name, _, _ in parts if name is not None}
    for literal, name, form, conversion in parts:
        if not _LITERAL.fullmatch(literal):
            raise ValueError("may hold letters, digits, points, hyphens and underscores, beside fields such as {id}")
        if name is not None:
            _check_field(name, form or "", conversion, may)
    if missing := [name for name in must if name not in used]:
        raise ValueError(f"must hold {{{missing[0]}}}, or one file would overwrite another")
    if template.startswith(".") or not template:
        raise ValueError("must not be empty or begin with a point, which hides a file")
    return template


def _check_field(name: str, form: str, conversion: str | None, may: Collection[str]) -> None:
    if name not in may:
        known = ", ".join(f"{{{field}}}" for field in may)
        raise ValueError(f"knows no field {{{name}}}; there are {known} (a patient's data has no place in a file name)")
    if conversion or (name != "received" and form):
        raise ValueError(f"write {{{name}}} without anything behind it")
    if name == "received" and not _FORMAT.fullmatch(form):
        raise ValueError("write {received:%Y%m%d}, with any of %Y %m %d %H %M %S %j %G %V %u, and no slash or colon")


def received_at(delivery: sdk.Delivery) -> datetime:
    """When the message came in from outside, to the millisecond, UTC: what its id, a UUIDv7, says.

    From the id and not from a clock, so that an attempt after midnight gives the name of the attempt before.
    """
    origin = uuid.UUID(delivery.origin_id)
    if origin.version != 7:
        raise sdk.Refused("the message's id bears no time; leave {received} out of the name", code="id-without-time")
    return datetime.fromtimestamp((origin.int >> 80) / 1000, UTC)


def file_name(template: str, delivery: sdk.Delivery) -> str:
    """The template filled in. Raises Refused if that makes no file name."""
    values: dict[str, object] = {"id": delivery.id, "channel": delivery.channel}
    if "{received" in template:
        values["received"] = received_at(delivery)
    name = template.format_map(values)
    if not _LITERAL.fullmatch(name) or len(name) > _LONGEST:
        raise sdk.Refused("the name template and this delivery's ids make no safe file name", code="file-name")
    return name
