"""Every kind of record as its resource, and back."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any, Literal

import msgspec
import orjson
import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class as r4_model

from clinical import units
from clinical.fhir.errors import FhirError
from clinical.fhir.form import Form
from clinical.fhir.frame import encode
from clinical.fhir.read import read_resource
from clinical.fhir.resource import to_resource
from clinical.records import (
    AnyRecord,
    BloodPressure,
    Carbohydrate,
    DeviceEvent,
    InsulinDose,
    InsulinKind,
    Status,
    VitalKind,
    VitalSign,
)
from tests.unit.fhir.builders import many_readings
from tests.unit.fhir.kinds import PUMP, entry, every_kind, q

RECORDED = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
RELEASES: list[Literal["R4", "R5"]] = ["R4", "R5"]
DEVICES: list[Literal["contained", "identifier"] | None] = ["contained", "identifier", None]
PROVENANCES: list[Literal["contained"] | None] = ["contained", None]
FORMS = [
    Form(release=release, device=device, details=details, provenance=provenance)
    for release, device, details, provenance in product(RELEASES, DEVICES, (True, False), PROVENANCES)
]
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def written(record: AnyRecord, **form: Any) -> dict[str, Any]:
    """The resource as it comes out of the JSON."""
    resource: dict[str, Any] = orjson.loads(encode(to_resource(record, Form(**form), RECORDED)))
    return resource


def dose(**changes: Any) -> InsulinDose:
    good: dict[str, Any] = {"kind": InsulinKind.BOLUS, "delivered": q(4500, units.INSULIN)}
    return InsulinDose(**entry(), **good | changes)


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f"{f.release}-{f.device}-{f.details}-{f.provenance}")
def test_the_models_of_its_release_take_every_resource(form: Form) -> None:
    model = r4_model if form.release == "R4" else r5_model
    for record in (*every_kind(), *many_readings()[:4]):
        resource = to_resource(record, form, RECORDED)
        made: Any = model(resource["resourceType"]).model_validate_json(encode(resource))
        assert made.identifier[0].value == resource["identifier"][0]["value"]


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_with_details_every_kind_is_read_back_the_same(release: Literal["R4", "R5"]) -> None:
    for record in every_kind():
        form = Form(release=release, details=True, provenance="contained")
        assert read_resource(_decode(encode(to_resource(record, form, RECORDED)))) == record


def test_without_details_what_fhir_can_say_is_read_back() -> None:
    own = (
        "value", "amount", "systolic", "diastolic", "pulse", "kind", "delivered", "rate", "duration_seconds", "event",
        "text", "automatic", "insulin", "total", "basal", "bolus",
    )  # fmt: skip
    for record in every_kind():
        back = read_resource(_decode(encode(to_resource(record))))
        assert type(back) is type(record)
        assert back.effective.millis == record.effective.millis
        assert back.notes == record.notes
        assert back.device == record.device
        only_asked_for = isinstance(record, InsulinDose) and record.delivered is None
        for name in own:
            if hasattr(record, name) and not (name == "delivered" and only_asked_for):
                assert getattr(back, name) == getattr(record, name), (record, name)


def test_a_bolus_is_an_administration_at_a_moment() -> None:
    resource = written(dose(insulin="NovoRapid FlexPen"), device=None)
    assert resource == {
        "resourceType": "MedicationAdministration",
        "identifier": resource["identifier"],
        "status": "completed",
        "medicationCodeableConcept": {
            "coding": [
                {
                    "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                    "code": "51428",
                    "display": "insulin aspart",
                },
                {
                    "system": "http://snomed.info/sct",
                    "code": "411531001",
                    "display": "Short-acting insulin (substance)",
                },
            ],
            "text": "NovoRapid FlexPen",
        },
        "subject": {"type": "Patient", "identifier": {"system": "urn:islet:patient", "value": "p1"}},
        "effectiveDateTime": "2026-11-20T10:00:00+00:00",
        "dosage": {
            "route": {
                "coding": [
                    {
                        "system": "http://snomed.info/sct",
                        "code": "34206005",
                        "display": "Subcutaneous route (qualifier value)",
                    }
                ]
            },
            "method": {"coding": [{"system": "urn:islet:insulin-delivery", "code": "bolus"}]},
            "dose": {"value": 4.5, "unit": "U", "system": "http://unitsofmeasure.org", "code": "[iU]"},
        },
    }


def test_a_basal_rate_is_a_period_with_a_rate() -> None:
    basal = dose(
        kind=InsulinKind.BASAL, delivered=None, rate=q(850, units.INSULIN_RATE), duration_seconds=1800, automatic=True
    )
    resource = written(basal)
    assert resource["effectivePeriod"] == {"start": "2026-11-20T10:00:00+00:00", "end": "2026-11-20T10:30:00+00:00"}
    assert resource["dosage"]["rateQuantity"] == {
        "value": 0.85, "unit": "U/h", "system": "http://unitsofmeasure.org", "code": "[iU]/h",
    }  # fmt: skip
    assert [each["code"] for each in resource["dosage"]["method"]["coding"]] == ["basal", "automatic"]
    later = written(basal, release="R5")
    assert later["occurencePeriod"] == resource["effectivePeriod"]
    assert later["medication"]["concept"] == resource["medicationCodeableConcept"]
    assert later["device"] == [{"reference": {"reference": "#device"}}]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "completed"),
        ({"requested": q(6000, units.INSULIN)}, "stopped"),
        ({"requested": q(4500, units.INSULIN)}, "completed"),
        ({"kind": InsulinKind.PRIMING}, "not-done"),
    ],
)
def test_what_became_of_a_dose_is_its_status(changes: dict[str, Any], status: str) -> None:
    assert written(dose(**changes))["status"] == status


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (Status.PRELIMINARY, "in-progress"), (Status.FINAL, "completed"), (Status.AMENDED, "completed"),
        (Status.CORRECTED, "completed"), (Status.ENTERED_IN_ERROR, "entered-in-error"),
    ],
)  # fmt: skip
def test_the_status_of_an_administration_follows_the_table(status: Status, word: str) -> None:
    assert written(msgspec.structs.replace(dose(), status=status))["status"] == word


def test_an_interrupted_bolus_says_what_was_asked_for() -> None:
    dosage = written(dose(requested=q(6000, units.INSULIN)))["dosage"]
    assert (dosage["dose"]["value"], dosage["text"]) == (4.5, "requested 6 [iU]")


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("Lantus SoloStar", ["274783", "67866001"]), ("rapid-acting", ["411531001"]), (None, ["67866001"]),
        ("NovoMix 30", ["67866001"]), ("Humalog Mix25", ["67866001"]), ("Fiasp", ["51428", "411531001"]),
    ],
)  # fmt: skip
def test_an_insulin_has_the_code_of_its_substance_and_a_mixture_none(name: str | None, codes: list[str]) -> None:
    concept = written(dose(insulin=name))["medicationCodeableConcept"]
    assert [each["code"] for each in concept["coding"]] == codes


def test_a_dose_without_amount_or_rate_is_no_dose() -> None:
    with pytest.raises(FhirError) as caught:
        to_resource(dose(delivered=None))
    assert (caught.value.code, caught.value.path) == ("dose-missing", "delivered")


def test_vital_signs_follow_their_profiles() -> None:
    weight = written(VitalSign(**entry(), kind=VitalKind.WEIGHT, value=q(8150, units.KILOGRAM)))
    assert weight["meta"]["profile"] == ["http://hl7.org/fhir/StructureDefinition/bodyweight"]
    assert weight["code"]["coding"][0]["code"] == "29463-7"
    assert weight["category"][0]["coding"][0]["code"] == "vital-signs"
    assert weight["valueQuantity"]["code"] == "kg"
    pressure = BloodPressure(
        **entry(), systolic=q(128, units.PRESSURE), diastolic=q(82, units.PRESSURE), pulse=q(70, units.PER_MINUTE)
    )
    panel = written(pressure)
    assert panel["code"]["coding"][0]["code"] == "85354-9"
    parts = [(part["code"]["coding"][0]["code"], part["valueQuantity"]["value"]) for part in panel["component"]]
    assert parts == [("8480-6", 128), ("8462-4", 82), ("8867-4", 70)]
    assert "valueQuantity" not in panel
    assert {part["valueQuantity"]["code"] for part in panel["component"]} == {"mm[Hg]", "/min"}


def test_steps_of_a_whole_day_have_the_code_for_that() -> None:
    def code(seconds: int | None) -> str:
        steps = VitalSign(**entry(), kind=VitalKind.STEPS, value=q(4211, units.COUNT), duration_seconds=seconds)
        return str(written(steps)["code"]["coding"][0]["code"])

    assert (code(86_400), code(3600), code(None)) == ("41950-7", "55423-8", "55423-8")


def test_carbohydrate_is_grams() -> None:
    resource = written(Carbohydrate(**entry(), amount=q(455, units.GRAM)))
    assert resource["code"]["coding"][0]["code"] == "9059-7"
    assert (resource["valueQuantity"]["value"], resource["valueQuantity"]["code"]) == (45.5, "g")


def test_a_device_event_is_one_code_with_the_event_as_its_value() -> None:
    event = DeviceEvent(**entry(), event="calibration", value=q(105, units.MG_DL))
    resource = written(event)
    assert resource["code"]["coding"][0]["code"] == "device-event"
    assert resource["valueCodeableConcept"]["coding"][0]["code"] == "calibration"
    assert resource["component"][0]["valueQuantity"]["value"] == 105


def test_an_event_that_ends_before_it_starts_has_no_period() -> None:
    start = entry()["effective"]
    event = DeviceEvent(**entry(), event="suspend", until=msgspec.structs.replace(start, millis=start.millis - 1))
    assert "effectivePeriod" not in written(event)


def test_the_pump_is_a_device_with_its_udi_in_either_release() -> None:
    carrier = {
        "deviceIdentifier": "00852162004385",
        "issuer": "http://hl7.org/fhir/NamingSystem/gs1-di",
        "carrierHRF": PUMP.udi,
    }
    for release, name in (("R4", "deviceName"), ("R5", "name")):
        (device,) = written(dose(), release=release)["contained"]
        assert device["udiCarrier"] == [carrier]
        assert name in device


def test_a_udi_without_an_issuer_becomes_an_identifier_in_r5() -> None:
    odd = msgspec.structs.replace(PUMP, udi="12345", serial=None)
    record = msgspec.structs.replace(dose(), device=odd)
    (device,) = written(record, release="R5")["contained"]
    assert "udiCarrier" not in device
    assert device["identifier"][0]["value"] == "12345"
    assert read_resource(_decode(encode(to_resource(record, Form(release="R5"))))).device == odd


def test_provenance_inside_names_author_feed_and_maker_and_what_was_done() -> None:
    corrected = msgspec.structs.replace(dose(), status=Status.CORRECTED)
    provenance = written(corrected, provenance="contained")["contained"][1]
    assert provenance["target"] == [{"reference": "#"}]
    assert provenance["recorded"] == "2026-11-20T10:15:00.000Z"
    assert [agent["type"]["coding"][0]["code"] for agent in provenance["agent"]] == [
        "author", "transmitter", "assembler",
    ]  # fmt: skip
    assert provenance["agent"][0]["who"] == {"reference": "#device"}
    assert provenance["activity"]["coding"][0]["code"] == "UPDATE"
    assert provenance["entity"][0]["what"]["identifier"]["value"] == "stm-lab|ORU-1/1"
    with pytest.raises(FhirError, match="recorded"):
        to_resource(dose(), Form(provenance="contained"))


def test_no_identifier_holds_a_value() -> None:
    one, other = (written(dose(delivered=q(steps, units.INSULIN)))["identifier"] for steps in (4500, 1234))
    assert one == other
