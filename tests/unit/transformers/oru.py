"""The step `oru_to_records` as tests use it: a message in, readings or what was set aside out."""

from typing import Any

from clinical.records import Glucose, decode
from engine import sdk
from engine.testing.builders import a_message
from tests.builders import glucoses
from transformers.oru_to_records import OruToRecordsSettings, oru_to_records

TABLE = {"GLU": {"code": "GLU", "analyte": "capillary-glucose", "name": "POC"}}


def run(raw: bytes, **settings: Any) -> list[sdk.StepOutput]:
    made = oru_to_records(
        a_message(raw, sdk.Shape.HL7V2), OruToRecordsSettings(**{"timezone": "Europe/Dublin", **settings})
    )
    return [made] if isinstance(made, (sdk.Message, sdk.Aside, sdk.Drop)) else list(made)


def readings(outputs: list[sdk.StepOutput]) -> list[Glucose]:
    return [record for output in outputs if isinstance(output, sdk.Message) for record in glucoses(decode(output.body))]


def asides(outputs: list[sdk.StepOutput]) -> list[tuple[str | None, str]]:
    return [(output.error.path, output.error.code) for output in outputs if isinstance(output, sdk.Aside)]


def one(raw: bytes, **settings: Any) -> Glucose:
    outputs = run(raw, **settings)
    assert asides(outputs) == []
    (reading,) = readings(outputs)
    return reading


def aside(raw: bytes, **settings: Any) -> sdk.Aside:
    (output,) = run(raw, **settings)
    assert isinstance(output, sdk.Aside)
    return output
