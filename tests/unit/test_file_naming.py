"""Names of written files: from ids and times only."""

import pytest
from msgspec.structs import replace

from connectors.files.naming import check_template, file_name, received_at
from connectors.files.reader import FileReaderSettings
from connectors.files.writer import FileWriterSettings
from engine import sdk
from engine.testing.builders import a_delivery

# UUIDv7 of 2026-11-20T23:59:59.123Z
ORIGIN = "019aa3a5-0000-7000-8000-000000000000"
DELIVERY = replace(a_delivery(id_="019aa3a5-ffff-7abc-8000-00000000000a"), origin_id=ORIGIN, channel="oru-out")


def test_the_time_of_receipt_is_what_the_id_says() -> None:
    millis = int(ORIGIN.replace("-", "")[:12], 16)
    assert sdk.to_micros(received_at(DELIVERY)) == millis * 1000


def test_a_template_is_filled_from_ids_channel_and_time() -> None:
    day = received_at(DELIVERY).strftime("%Y%m%d")
    assert file_name("{channel}-{received:%Y%m%d}_{id}", DELIVERY) == f"oru-out-{day}_{DELIVERY.id}"


def test_a_name_is_equal_on_every_attempt() -> None:
    template = "{received:%Y%m%d%H%M%S}-{id}"
    assert file_name(template, DELIVERY) == file_name(template, replace(DELIVERY, attempt=7))


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{patient}-{id}", "no field {patient}"),
        ("{meta[name]}-{id}", "no field"),
        ("{id.__class__}", "no field"),
        ("{0}", "no field"),
        ("{id!r}", "without anything"),
        ("{id:>99}", "without anything"),
        ("{received}-{id}", "%Y%m%d"),
        ("{received:%D}-{id}", "no slash"),
        ("{received:%H:%M}-{id}", "no slash"),
        ("{received:{id}}-{id}", "no slash"),
        ("../{id}", "may hold"),
        ("a b {id}", "may hold"),
        (".{id}", "hides"),
        ("{id", "brace"),
        ("{channel}", "overwrite"),
        ("", "overwrite"),
    ],
)
def test_a_template_that_is_unsafe_or_ambiguous_is_refused_with_what_to_write(template: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_template(template, must=["id"])


def test_settings_check_their_template() -> None:
    with pytest.raises(ValueError, match=r"must hold \{id\}"):
        FileWriterSettings.model_validate({"folder": "/out", "file_name": "{channel}"})


def test_an_id_that_would_leave_the_folder_makes_no_name() -> None:
    with pytest.raises(sdk.Refused):
        file_name("{id}", replace(DELIVERY, id="../../etc/passwd"))


def test_an_id_without_time_cannot_give_the_time_of_receipt() -> None:
    with pytest.raises(sdk.Refused, match=r"leave \{received\} out"):
        file_name("{received:%Y}-{id}", replace(DELIVERY, origin_id="5f0c8bd2-6f0e-4e55-9d2c-000000000000"))


@pytest.mark.parametrize(
    ("written", "shape"),
    [
        ({"pattern": "*.csv"}, sdk.Shape.CSV),
        ({"pattern": "Clarity*.CSV"}, sdk.Shape.CSV),
        ({"pattern": "*.json"}, sdk.Shape.JSON),
        ({"pattern": "*.json", "shape": "fhir"}, sdk.Shape.FHIR),
        ({"pattern": "*.hl7"}, sdk.Shape.HL7V2),
        ({"pattern": "*"}, sdk.Shape.BYTES),
        ({}, sdk.Shape.BYTES),
    ],
)
def test_a_reader_takes_its_shape_from_the_ending_unless_told(written: dict[str, str], shape: sdk.Shape) -> None:
    assert FileReaderSettings.model_validate({"folder": "/in", **written}).emitted_shape() is shape


@pytest.mark.parametrize("same", [{"processed": "."}, {"refused": "/in/"}, {"processed": "x", "refused": "x"}])
def test_a_reader_needs_three_different_folders(same: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="three different folders"):
        FileReaderSettings.model_validate({"folder": "/in", **same})


def test_a_reader_claims_its_folder_and_pattern() -> None:
    assert FileReaderSettings.model_validate({"folder": "/in", "pattern": "*.csv"}).claims() == ["files /in/*.csv"]
