"""`oru_to_records`: what v2.7 and later say otherwise (PRT in place of OBX-18), and what older ones do (OBR-15.7)."""

import pytest

from clinical.records import Device, decode
from engine import sdk
from engine.testing.builders import a_message
from tests.unit.hl7v2.messages import MSH, OBR, PID, message, obx
from transformers.oru_to_records import OruToRecordsSettings, oru_to_records

V28 = MSH.replace("|2.5.1", "|2.8")
PRT = "PRT|1|UC||EQUIP||||||SENSOR-7^DEXCOM^0011^EUI-64"


def run(*lines: str) -> list[sdk.StepOutput]:
    made = oru_to_records(a_message(message(*lines), sdk.Shape.HL7V2), OruToRecordsSettings(timezone="UTC"))
    return list(made) if isinstance(made, list) else [made]


def devices(*lines: str) -> list[Device | None]:
    return [r.device for out in run(*lines) if isinstance(out, sdk.Message) for r in decode(out.body)]


def test_the_device_that_took_part_is_the_device() -> None:
    assert devices(V28, PID, OBR, obx(), PRT) == [Device(vendor="DEXCOM", serial="SENSOR-7")]


def test_udi_and_serial_number_have_fields_of_their_own() -> None:
    prt = "PRT|1|UC||EQUIP||||||GW^ACME||||||(01)00386270000385||||S99"
    assert devices(V28, PID, OBR, obx(), prt) == [Device(vendor="ACME", serial="S99", udi="(01)00386270000385")]


def test_an_order_s_device_holds_for_results_without_one() -> None:
    other = PRT.replace("SENSOR-7", "SENSOR-8")
    second = obx(2, time="20261120100500+0000")
    third = obx(3, time="20261120101000+0000", f18="OWN^ACME")
    found = devices(V28, PID, OBR, PRT, obx(), second, other, third)
    assert [device and device.serial for device in found] == ["SENSOR-7", "SENSOR-8", "OWN"]


def test_a_person_who_took_part_is_no_device() -> None:
    assert devices(V28, PID, OBR, obx(), "PRT|1|UC||RO|1234^SMITH") == [None]


@pytest.mark.parametrize("between", [PRT, "ZBX|1|x", "zbx|1|x"])
def test_a_note_behind_what_belongs_to_a_result_is_the_result_s(between: str) -> None:
    (output,) = run(V28, PID, OBR, obx(), between, "NTE|1||after a meal")
    assert isinstance(output, sdk.Message)
    (record,) = decode(output.body)
    assert record.notes == ("after a meal",)


def test_what_is_set_aside_keeps_what_belongs_to_it() -> None:
    (aside,) = run(V28, PID, OBR, PRT, obx(unit=""), PRT, "ZBX|1|x", "NTE|1||note")
    assert isinstance(aside, sdk.Aside)
    assert aside.body == message(V28, PID, OBR, PRT, obx(unit=""), PRT, "ZBX|1|x", "NTE|1||note")


@pytest.mark.parametrize("role", ["Q", "C", "B", "q"])
def test_the_specimen_s_role_of_old_versions_tells_controls_from_patients(role: str) -> None:
    (dropped,) = run(MSH.replace("|2.5.1", "|2.4"), PID, OBR + "|" * 8 + f"BLD^^^^^^{role}", obx())
    assert isinstance(dropped, sdk.Drop)
    assert "quality-control" in dropped.reason


def test_a_patient_s_specimen_of_an_old_version_stays_one() -> None:
    assert len(devices(MSH.replace("|2.5.1", "|2.4"), PID, OBR + "|" * 8 + "BLD^^^^^^P", obx())) == 1
