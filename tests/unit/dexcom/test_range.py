import pytest

from clinical.records import Detection, Quantity
from clinical.units import MG_DL, MMOL_L
from clinical.vendors.dexcom_range import measured
from clinical.vendors.parsing import Flaw


@pytest.mark.parametrize(
    ("number", "unit", "status", "steps", "detection"),
    [
        ("101", MG_DL, None, 101, None),
        ("101", MG_DL, "ok", 101, None),
        ("40", MG_DL, None, 40, None),
        ("400", MG_DL, None, 400, None),
        ("39", MG_DL, None, 40, Detection.BELOW),
        ("401", MG_DL, None, 400, Detection.ABOVE),
        ("40", MG_DL, "low", 40, Detection.BELOW),
        ("400", MG_DL, "high", 400, Detection.ABOVE),
        (None, MG_DL, "low", 40, Detection.BELOW),
        (None, MG_DL, "HIGH", 400, Detection.ABOVE),
        ("Low", MG_DL, None, 40, Detection.BELOW),
        ("High", MG_DL, None, 400, Detection.ABOVE),
        ("5.6", MMOL_L, None, 56, None),
        # the edges of mmol/L are judged in mmol/L: 2.2 is 39.6 mg/dL, and yet inside
        ("2.2", MMOL_L, None, 22, None),
        ("22.2", MMOL_L, None, 222, None),
        ("2.1", MMOL_L, None, 22, Detection.BELOW),
        ("22.3", MMOL_L, None, 222, Detection.ABOVE),
        ("Low", MMOL_L, None, 22, Detection.BELOW),
        (None, MMOL_L, "high", 222, Detection.ABOVE),
    ],
)
def test_a_value_is_a_number_inside_the_range_or_its_limit_with_a_mark(
    number: str | None, unit: str, status: str | None, steps: int, detection: Detection | None
) -> None:
    reading = measured(number, unit, status)
    assert (reading.value, reading.detection) == (Quantity(steps=steps, unit=unit), detection)
    assert (reading.remark is None) == (detection is None)


def test_a_status_that_contradicts_the_number_leaves_the_number_and_says_so() -> None:
    reading = measured("62", MG_DL, "low")
    assert (reading.value.steps, reading.detection) == (62, None)
    assert reading.remark == "status says below the range, the number does not: number kept"


@pytest.mark.parametrize(
    ("number", "unit", "status", "code"),
    [
        (None, MG_DL, None, "value-missing"),
        (None, MG_DL, "ok", "value-missing"),
        ("", MG_DL, None, "value-missing"),
        ("abc", MG_DL, None, "value-not-a-number"),
        ("12x", MG_DL, "low", "value-not-a-number"),
        ("NaN", MG_DL, None, "value-not-a-number"),
        ("1e9", MG_DL, None, "value-not-a-number"),
        ("5", MG_DL, None, "value-impossible"),  # a receiver's error code
        ("-101", MG_DL, None, "value-impossible"),
        ("601", MG_DL, None, "value-impossible"),
        ("5.6", MG_DL, None, "value-impossible"),  # mmol/L under a wrong name
        ("101", MMOL_L, None, "value-impossible"),
    ],
)
def test_what_a_sensor_cannot_have_measured_is_refused(
    number: str | None, unit: str, status: str | None, code: str
) -> None:
    with pytest.raises(Flaw) as caught:
        measured(number, unit, status)
    assert caught.value.code == code
