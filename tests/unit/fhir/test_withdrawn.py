"""What was withdrawn without its value: no resource says 0."""

import msgspec
import pytest

from clinical.fhir.frame import encode
from clinical.fhir.read import read_resource
from clinical.fhir.resource import to_resource
from clinical.records import AnyRecord, BloodPressure, Carbohydrate, Quantity, Status, VitalKind, VitalSign
from tests.unit.fhir.builders import a_reading
from tests.unit.fhir.kinds import entry

GONE = {"status": Status.ENTERED_IN_ERROR}
PRESSURE = Quantity(steps=0, unit="mm[Hg]")


@pytest.mark.parametrize(
    "record",
    [
        a_reading(value=Quantity(steps=0, unit="mg/dL"), **GONE),
        Carbohydrate(**entry(**GONE), amount=Quantity(steps=0, unit="g")),
        VitalSign(**entry(**GONE), kind=VitalKind.HEART_RATE, value=Quantity(steps=0, unit="/min")),
        BloodPressure(**entry(**GONE), systolic=PRESSURE, diastolic=PRESSURE),
    ],
    ids=["glucose", "carbohydrate", "heart rate", "blood pressure"],
)
def test_what_was_withdrawn_without_its_value_says_that_and_comes_back(record: AnyRecord) -> None:
    resource = msgspec.json.decode(encode(to_resource(record)))
    assert {"valueQuantity", "component"}.isdisjoint(resource)
    assert resource["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    back = read_resource(resource)
    assert (type(back), back.status) == (type(record), Status.ENTERED_IN_ERROR)


def test_what_was_withdrawn_with_its_value_keeps_it() -> None:
    assert to_resource(a_reading(**GONE))["valueQuantity"]["value"] == 182
