"""What a `NAME.test.yaml` may say."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from engine.config.documents import Document, Name
from engine.model.quantities import Duration

Scalar = str | int | float | bool
Fields = dict[str, Scalar]
"""Path or name of a field → what must stand there."""

BODIES: Final = ("file", "text", "hl7", "json", "records")
_MESSAGES: Final = re.compile(r"(\d+) messages?")


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - without an offset, so that it is refused below
    if moment.tzinfo is None:
        raise ValueError("is not a moment with an offset; write one such as 2026-11-20T10:15:00Z")
    return moment.astimezone(UTC)


Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "examples": ["2026-11-20T10:15:00Z"]})
]


def _messages(value: object) -> object:
    match = _MESSAGES.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) if match else value


Messages = Annotated[
    int, BeforeValidator(_messages), WithJsonSchema({"type": ["integer", "string"], "examples": ["1 message"]})
]


class PatientLink(Document):
    """A patient who is known before the test begins."""

    system: str = Field(min_length=1, examples=["STM"])
    value: str = Field(min_length=1, examples=["MRN-0001"])
    id: str = Field(min_length=1, examples=["p1"])


class Given(Document):
    """One body that is handed in, once or several `times`."""

    file: str | None = Field(None, description="A file below channels/, such as samples/oru-glucose.hl7")
    text: str | None = None
    hl7: str | list[str] | None = Field(None, description="The segments, one a line")
    json_: Any = Field(None, alias="json")
    records: list[dict[str, Scalar]] | None = Field(None, description="Readings in plain words")
    times: int = Field(1, ge=1, le=100)
    change: dict[str, Scalar] = Field({}, description="Fields that are set before it is handed in")
    meta: dict[str, str] = Field({}, description="What the source says about it")
    after: Duration = Field(0.0, ge=0, description="How much time passes first")

    @model_validator(mode="after")
    def _one_body(self) -> "Given":
        given = [name for name in BODIES if getattr(self, "json_" if name == "json" else name) is not None]
        if len(given) != 1:
            raise ValueError(f"must hold one of {', '.join(BODIES)}" + (f", not {len(given)}" if given else ""))
        return self


class When(Document):
    """What the other side of a destination does."""

    answers: list[str | int] = Field(
        min_length=1, description="One for each attempt, in order; afterwards all is taken", examples=[["AE", "AA"]]
    )


class CaseKeys(Document):
    """One test. `given`, `when` and `expect` are checked apart."""

    name: str = Field(min_length=1, examples=["a final glucose becomes one reading"])
    patients: list[PatientLink] = Field([], description="Patients who are known in this test")
    ledger: list[dict[str, Scalar]] = Field([], description="Readings that the ledger has, in plain words")
    given: Any = Field(examples=[{"file": "samples/oru-glucose.hl7"}])
    when: Any = None
    expect: Any = Field(examples=[{"ack": "AA"}])


class FileKeys(Document):
    """A whole file."""

    test_channel: Name = Field(description="The channel under test")
    at: Moment = Field(datetime(2026, 11, 20, 10, 15, tzinfo=UTC), description="What the clock says")
    patients: list[PatientLink] = Field([], description="Patients who are known in every test of this file")
    tests: Any = Field(examples=[[]])


class ErrorWords(Document):
    """`at`: the field's path; `says`: words that the text holds."""

    at: str | None = None
    says: str | None = None
    code: str | None = None


class Waiting(Document):
    """Copies that did not go on: how many, and why the first of them did not."""

    count: int = Field(ge=0)
    reason: str | None = Field(None, description="The code, or words of the reason")
    error: ErrorWords | None = None


class FileExpected(Document):
    """One file that was written. In both texts `*` stands for anything, as for an id."""

    name: str | None = Field(None, examples=["*.hl7"])
    content: str | None = Field(None, description="All of it; however its lines end, and without the last line end")


class DestinationExpected(Document):
    """What became of what went to one destination."""

    attempts: int | None = Field(None, ge=0, description="Attempts of all deliveries together")
    outcome: str | list[str] | None = Field(None, description="Of all, or of each in order")
    same_control_id: bool | None = Field(None, description="Did every attempt of a delivery carry the same MSH-10?")
    calls: list[int] | None = Field(None, description="How many deliveries each call carried")
    error: ErrorWords | None = Field(None, description="Why the first that was not delivered was not")
    files: int | list[FileExpected] | None = Field(None, description="What it wrote, in the order of writing")


class Expected(Document):
    """What must have come of it. Beside these stand `to-CHANNEL` and the names of destinations."""

    ack: str | list[str] | None = Field(None, description="What the sender was told")
    readings: int | list[Fields] | None = Field(None, description="What went on to other channels")
    filtered: int | Waiting | None = None
    duplicates: int | None = Field(None, description="Repeats, of messages and of readings")
    held: int | Waiting | None = None
    review: int | Waiting | None = None
    deferred: int | Waiting | None = None
    counted: dict[str, int] | None = Field(None, description="What steps counted")
    sent: int | list[Fields] | None = Field(None, description="What the destinations took")
    kept: int | list[Fields] | None = Field(None, description="Readings in the ledger")
