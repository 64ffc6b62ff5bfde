"""`select_records`: some kinds of record go on, the others end here."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field

from clinical.records import encode, kind_of
from engine import sdk
from transformers.record_bodies import read_records

Kind = Literal[
    "glucose",
    "insulin-dose",
    "insulin-total",
    "carbohydrate",
    "device-event",
    "vital-sign",
    "blood-pressure",
    "annotation",
]


class SelectRecordsSettings(sdk.Settings):
    """`kinds`: the kinds of record that go on."""

    kinds: Annotated[frozenset[Kind], Field(min_length=1, examples=[["glucose"]])]


@sdk.transformer("select_records", settings=SelectRecordsSettings, accepts={sdk.Shape.RECORDS}, emits=sdk.Shape.RECORDS)
def select_records(message: sdk.Message, settings: SelectRecordsSettings) -> sdk.Message | sdk.Drop:
    """The records of the wanted kinds, in their order. What is left out is counted in the tally by its kind:
    `left-out-insulin-dose`."""
    records = read_records(message.body)
    wanted = [record for record in records if kind_of(record) in settings.kinds]
    left_out = Counter(f"left-out-{kind_of(record)}" for record in records if kind_of(record) not in settings.kinds)
    if not wanted:
        return sdk.Drop("no records of the wanted kinds", tally=left_out)
    if not left_out:
        return message
    counted = [message.meta.get("tally", ""), *(f"{word}={count}" for word, count in left_out.items())]
    return message.but(body=encode(wanted), meta={"tally": " ".join(part for part in counted if part)})
