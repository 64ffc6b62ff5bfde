"""CareLink Connect: values that are none, numbers as text, a pump's clock that is no UTC."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clinical.records import Carbohydrate, Detection, DeviceEvent, Glucose, InsulinDose, InsulinKind, Status
from clinical.vendors.carelink import read_carelink
from clinical.vendors.making import Whose
from clinical.vendors.parsing import Parsed, Unreadable
from tests.unit.vendors.mutations import CANARY, PATIENT, WHOSE, as_json, says_nothing_personal
from tests.unit.vendors.samples import real

SERVER = 1762827748982  # 2025-11-11T02:22:28Z, 21:22:28 in New York
HOUR = 3_600_000


def sg(time: str, value: Any, state: str = "NO_ERROR_MESSAGE", **more: Any) -> dict[str, Any]:
    return {"kind": "SG", "version": 1, "sg": value, "sensorState": state, "timestamp": f"2025-11-10T{time}", **more}


def marker(kind: str, time: str = "10:00:00", **values: Any) -> dict[str, Any]:
    return {"type": kind, "timestamp": f"2025-11-10T{time}", "data": {"dataValues": values, "resourceValues": {}}}


BOLUS = marker(
    "INSULIN",
    programmedFastAmount="2.5",
    deliveredFastAmount="1.25",
    activationType="RECOMMENDED",
    bolusType="FAST",
    completed=True,
)


def a_document(*sgs: Any, markers: Any = (), **fields: Any) -> dict[str, Any]:
    return {
        "clientTimeZoneName": "Eastern Standard Time",
        "firstName": CANARY,
        "lastName": CANARY,
        "currentServerTime": SERVER + 1000,
        "lastMedicalDeviceDataUpdateServerTime": SERVER,
        "medicalDeviceTime": SERVER - 5 * HOUR + 20_000,
        "medicalDeviceFamily": "NGP",
        "medicalDeviceInformation": {"modelNumber": "MMT-1884", "deviceSerialNumber": "NG1"},
        "cgmInfo": {"sensorSerialNumber": "B1", "sensorProductModel": "MMT-7040 "},
        "bgUnits": "MGDL",
        "lastSGTrend": "UP",
        "sgs": list(sgs),
        "markers": list(markers),
        **fields,
    }


EXAMPLE = a_document(
    sg("09:00:00", 122),
    sg("09:05:00", 0, "WARM_UP"),
    sg("09:10:00", 131),
    markers=[BOLUS, marker("AUTO_BASAL_DELIVERY", bolusAmount="0.1"), marker("MEAL", amount=54.0)],
    lastSG=sg("09:10:00", 131),
    lastAlarm={"faultId": "802", "GUID": "g1", "dateTime": "2025-11-10T09:00:00", "type": "ALARM"},
    notificationHistory={"clearedNotifications": [{"faultId": "816", "dateTime": "2025-11-10T08:00:00"}]},
)


def read(*sgs: Any, whose: Whose = WHOSE, **more: Any) -> Parsed:
    parsed = read_carelink(as_json(a_document(*sgs, **more)), whose)
    says_nothing_personal(parsed)
    return parsed


def one(*sgs: Any, **more: Any) -> Any:
    parsed = read(*sgs, **more)
    assert not parsed.problems
    (made,) = parsed.records
    return made


def test_a_value_is_a_reading_of_the_sensor_at_the_pumps_wall_clock() -> None:
    record = one(sg("09:00:00", 122, isBackfill=True))
    assert (record.value.steps, record.value.unit) == (122, "mg/dL")
    assert (record.effective.local, record.effective.offset_minutes, record.effective.zone) == (
        "2025-11-10T09:00:00",
        -300,
        "America/New_York",
    )
    assert (record.device.model, record.device.serial) == ("Guardian 4 Sensor", "B1")
    assert record.done[0].what == "filled in later by the device"


@pytest.mark.parametrize(
    ("state", "steps", "detection"),
    [("SG_BELOW_40_MGDL", 40, Detection.BELOW), ("SG_ABOVE_400_MGDL", 400, Detection.ABOVE)],
)
def test_no_value_with_a_state_of_the_range_lies_beyond_it(state: str, steps: int, detection: Detection) -> None:
    record = one(sg("09:00:00", 0, state))
    assert (record.value.steps, record.detection, record.original.value) == (steps, detection, "0")


def test_slots_without_a_value_in_a_row_are_one_event_with_an_end() -> None:
    parsed = read(
        sg("09:00:00", 122),
        sg("09:05:00", 0, "WARM_UP"),
        sg("09:10:00", 0, "WARM_UP"),
        sg("09:15:00", 0, "NO_SENSOR_SIGNAL"),
        sg("09:20:00", 0),
        {"kind": "SG", "sg": 0},
    )
    events = [record for record in parsed.records if isinstance(record, DeviceEvent)]
    assert [(event.event, event.effective.local, event.until and event.until.local) for event in events] == [
        ("warm-up", "2025-11-10T09:05:00", "2025-11-10T09:10:00"),
        ("signal-loss", "2025-11-10T09:15:00", "2025-11-10T09:15:00"),
    ]
    assert parsed.skipped == 1


def test_slots_at_the_beginning_were_told_by_an_earlier_answer() -> None:
    assert [type(record) for record in read(sg("09:00:00", 0, "WARM_UP"), sg("09:05:00", 122)).records] == [Glucose]


def test_the_trend_belongs_to_the_last_value_which_may_stand_outside_the_list() -> None:
    records = read(sg("09:00:00", 122), lastSG=sg("09:05:00", 131)).records
    assert [(record.value.steps, record.trend) for record in records if isinstance(record, Glucose)] == [
        (122, None),
        (131, "singleUp"),
    ]


def test_a_bolus_has_what_was_programmed_and_delivered_as_text() -> None:
    dose = one(markers=[BOLUS])
    assert (dose.requested.steps, dose.delivered.steps, dose.kind) == (2500, 1250, InsulinKind.BOLUS)
    assert (dose.status, dose.automatic, dose.original.code) == (Status.FINAL, False, "RECOMMENDED")


def test_what_comes_over_time_is_a_dose_of_its_own() -> None:
    values = {
        **BOLUS["data"]["dataValues"],
        "bolusType": "DUAL",
        "programmedExtendedAmount": 3,
        "deliveredExtendedAmount": 1,
        "effectiveDuration": 60,
        "completed": False,
    }
    doses = [
        record for record in read(markers=[marker("INSULIN", **values)]).records if isinstance(record, InsulinDose)
    ]
    assert [(dose.kind, dose.duration_seconds, dose.status) for dose in doses] == [
        (InsulinKind.BOLUS, None, Status.PRELIMINARY),
        (InsulinKind.EXTENDED_BOLUS, 3600, Status.PRELIMINARY),
    ]
    assert len({dose.source.value for dose in doses}) == 2


def test_automatic_doses_and_meals() -> None:
    dose = one(markers=[marker("AUTO_BASAL_DELIVERY", bolusAmount="0.10000000149011612")])
    assert (dose.kind, dose.delivered.steps, dose.automatic) == (InsulinKind.BASAL, 100, True)
    assert dose.original.value == "0.10000000149011612"
    meal = one(markers=[marker("MEAL", amount=54.0)])
    assert isinstance(meal, Carbohydrate)
    assert meal.amount.steps == 540
    correction = {**BOLUS["data"]["dataValues"], "activationType": "AUTOCORRECTION"}
    assert one(markers=[marker("INSULIN", **correction)]).automatic


@pytest.mark.parametrize(
    ("kind", "values", "event"),
    [
        ("AUTO_MODE_STATUS", {"autoModeOn": True}, "algorithm-on"),
        ("LOW_GLUCOSE_SUSPENDED", {"deliverySuspended": True}, "pump-suspend-low"),
        ("LOW_GLUCOSE_SUSPENDED", {"deliverySuspended": False}, "pump-resume"),
        ("TIME_CHANGE", {}, "clock-change"),
        ("CALIBRATION", {"unitValue": "120"}, "calibration"),
        ("SOMETHING_NEW", {}, "unmapped"),
    ],
)
def test_markers_that_are_events(kind: str, values: dict[str, Any], event: str) -> None:
    assert one(markers=[marker(kind, **values)]).event == event


def test_markers_without_values_at_the_edge_of_the_graph_are_none() -> None:
    assert read(markers=[marker("AUTO_MODE_STATUS"), marker("LOW_GLUCOSE_SUSPENDED")]).skipped == 2


@pytest.mark.parametrize(
    ("shown", "text", "steps", "unit"), [("MGDL", "120", 120, "mg/dL"), ("MMOL_L", "6.7", 67, "mmol/L")]
)
def test_a_meters_value_is_in_the_unit_that_the_app_shows(shown: str, text: str, steps: int, unit: str) -> None:
    record = one(markers=[marker("BG_READING", unitValue=text)], bgUnits=shown)
    assert (record.value.steps, record.value.unit) == (steps, unit)


def test_a_unit_that_is_not_sure_is_never_guessed() -> None:
    parsed = read(sg("09:00:00", 6), sg("09:05:00", 122), markers=[marker("BG_READING", unitValue="6.7")], bgUnits=None)
    assert [problem.code for problem in parsed.problems] == ["unit-missing", "unit-missing", "unit-missing"]
    assert one(sg("09:00:00", 122), bgUnits="MMOL_L").value.unit == "mg/dL"


def test_a_pump_that_is_not_in_the_named_zone_is_read_by_its_distance_from_utc() -> None:
    record = one(sg("09:00:00", 122), medicalDeviceTime=SERVER + 5 * HOUR + HOUR // 2)
    assert (record.effective.how, record.effective.offset_minutes) == ("message-offset", 330)
    assert "not in the zone" in record.done[0].what


@pytest.mark.parametrize("name", ["Central European Summer Time", "No Such Time"])
def test_zone_names_of_windows_and_java_and_the_setting_where_the_name_is_not_known(name: str) -> None:
    whose = Whose(PATIENT, "v1", ZoneInfo("Europe/Berlin"))
    record = one(sg("09:00:00", 122), clientTimeZoneName=name, medicalDeviceTime=SERVER + HOUR, whose=whose)
    assert (record.effective.how, record.effective.offset_minutes) == ("zone", 60)


def test_without_zone_and_clock_nobody_can_tell() -> None:
    with pytest.raises(Unreadable) as caught:
        read(sg("09:00:00", 122), clientTimeZoneName=None, medicalDeviceTime=0)
    assert caught.value.code == "timezone-missing"


@pytest.mark.parametrize("suffix", [".000Z", "-00:00", ".000-05:00"])
def test_an_offset_that_is_written_is_none(suffix: str) -> None:
    written = {"kind": "SG", "sg": 122, "datetime": f"2025-11-10T09:00:00{suffix}", "sensorState": "NORMAL"}
    assert one(written).effective.offset_minutes == -300


def test_problems_have_a_path_and_a_body_that_can_be_replayed() -> None:
    parsed = read(sg("09:00:00", "many"), markers=[marker("MEAL", amount="x"), marker("INSULIN")])
    assert [problem.path for problem in parsed.problems] == [
        "sgs[0].sg",
        "markers[0].data.dataValues.amount",
        "markers[1].data.dataValues.deliveredFastAmount",
    ]
    for problem in parsed.problems:
        assert CANARY.encode() not in problem.body
        assert [again.code for again in read_carelink(problem.body, WHOSE).problems] == [problem.code]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"sgs": 3}', b'{"sgs": [', b'{"lastSG": {}}'])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_carelink(body, WHOSE)


def test_a_real_answer_of_a_780g() -> None:
    parsed = read_carelink(real("medtronic/carelink_connect_780g_simplera_displaymessage.json"), WHOSE)
    assert not parsed.problems
    glucose = [record for record in parsed.records if isinstance(record, Glucose)]
    doses = [record for record in parsed.records if isinstance(record, InsulinDose)]
    assert (len(glucose), len(doses), sum(dose.automatic for dose in doses)) == (288, 173, 167)
    assert (glucose[-1].value.steps, glucose[-1].effective.millis) == (122, 1762827660000)
    assert {record.event for record in parsed.records if isinstance(record, DeviceEvent)} == {
        "alert-high",
        "alert-low",
        "alert-predicted-high",
        "alert-predicted-low",
        "reminder",
    }


def test_real_answers_of_old_pumps() -> None:
    documents = json.loads(real("medtronic/carelink_connect_legacy_paradigm_samples.json"))
    for document in documents.values():
        parsed = read_carelink(as_json(document), WHOSE)
        assert not parsed.problems
        assert [record for record in parsed.records if isinstance(record, Glucose)]
        assert {record.effective.how for record in parsed.records} == {"message-offset"}
