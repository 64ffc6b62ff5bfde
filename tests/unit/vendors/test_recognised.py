"""One step for every vendor's file: each is read as the step of its own format reads it."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from clinical.records import decode
from clinical.vendors.parsing import Unreadable
from clinical.vendors.sniff import sniff
from engine import sdk
from engine.shipped import shipped
from engine.testing.builders import a_message
from tests.unit.vendors.mutations import as_json
from transformers.recognised_to_records import RecognisedSettings, recognised_to_records

SAMPLES = shipped("channels") / "samples"
UNKNOWN = {"MRN-0001_mapped.csv"}  # a maker's of its own
FILES = sorted(file for file in SAMPLES.glob("MRN-*") if file.name not in UNKNOWN)
PATIENT = {"system": "STM", "file_name": "{patient}_*"}
HEADER = (
    "Gerät,Seriennummer,Gerätezeitstempel,Aufzeichnungstyp,Glukosewert-Verlauf mg/dL,Glukose-Scan mg/dL,a,b,c,d,e,f,g,"
    "Notizen,Glukose-Teststreifen mg/dL,Keton mmol/L"
)
LIBREVIEW = f"Glukose-Daten,Erstellt am,20-11-2026 10:00 UTC,Erstellt von,CANARY\n{HEADER}\n"
LIBREVIEW += "FreeStyle Libre 3,S1,20-11-2026 09:00,0,112,,,,,,,,,,,\n"


def read(body: bytes, name: str = "MRN-0001_x", **settings: Any) -> list[Any]:
    message = a_message(body, sdk.Shape.BYTES, meta={"file_name": name})
    model = RecognisedSettings.model_validate({"timezone": "Europe/Dublin", "patient": PATIENT, **settings})
    output = recognised_to_records(message, model)
    assert isinstance(output, list)
    return output


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_shipped_sample_becomes_records_of_its_patient(file: Path) -> None:
    (message,) = read(file.read_bytes(), file.name)
    assert message.shape is sdk.Shape.RECORDS
    assert {record.patient.value for record in decode(message.body)} == {"MRN-0001"}
    assert message.meta["format"]


def test_an_export_of_libreview_is_known_in_any_language() -> None:
    assert sniff(LIBREVIEW.encode()).step == "libreview_csv_to_records"
    (message,) = read(LIBREVIEW.encode())
    assert len(decode(message.body)) == 1
    assert b"CANARY" not in message.body


def test_a_step_is_told_what_belongs_to_it() -> None:
    twelfth = LIBREVIEW.replace("20-11-2026", "11-12-2026").encode()
    with pytest.raises(sdk.InvalidMessage) as caught:
        read(twelfth)
    assert caught.value.code == "dates-undecidable"
    assert len(read(twelfth, steps={"libreview_csv_to_records": {"dates": "month-first"}})) == 1


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"only": ["libre_csv"]}, "is no step"),
        ({"steps": {"map_csv": {}}}, "is no step"),
        ({"steps": {"libreview_csv_to_records": {"dates": "any"}}}, "steps.libreview_csv_to_records.dates"),
    ],
)
def test_settings_that_no_step_takes_are_refused_when_they_are_loaded(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        RecognisedSettings.model_validate({"patient": PATIENT, "timezone": "UTC", **settings})


def test_a_format_that_is_not_wanted_is_named_with_its_step() -> None:
    with pytest.raises(sdk.InvalidMessage, match="LibreView CSV, which is not read here") as caught:
        read(LIBREVIEW.encode(), only=["nightscout_to_records"])
    assert caught.value.code == "format-unwanted"


@pytest.mark.parametrize("body", [b"QUFB" * 20, b"a" * 200, as_json({"data": {"series": {}}})])
def test_what_only_looks_like_a_format_is_unknown(body: bytes) -> None:
    with pytest.raises(Unreadable):
        sniff(body)
