"""LibreLinkUp's answers: two times, two units, a measurement that stands there twice."""

import json
from typing import Any

import pytest

from clinical.records import Detection, DeviceEvent, Glucose
from clinical.vendors.librelinkup import read_librelinkup
from clinical.vendors.parsing import Parsed, Unreadable
from tests.unit.vendors.mutations import CANARY, WHOSE, as_json, says_nothing_personal
from tests.unit.vendors.samples import real


def a_measurement(mg_dl: Any = 115, utc: str = "12/30/2022 4:47:40 PM", **fields: Any) -> dict[str, Any]:
    return {
        "FactoryTimestamp": utc,
        "Timestamp": "12/30/2022 5:47:40 PM" if utc.startswith("12/30/2022 4:47") else None,
        "type": 1,
        "ValueInMgPerDl": mg_dl,
        "GlucoseUnits": 1,
        "Value": mg_dl,
        "isHigh": True,
        **fields,
    }


def a_connection(**fields: Any) -> dict[str, Any]:
    return {
        "patientId": "P1",
        "firstName": CANARY,
        "lastName": CANARY,
        "sensor": {"sn": "SENSOR1", "a": 1671955478, "w": 60},
        "glucoseMeasurement": a_measurement(TrendArrow=3),
        "glucoseItem": a_measurement(TrendArrow=1),
        **fields,
    }


def a_graph(*points: Any, **fields: Any) -> dict[str, Any]:
    data = {"connection": a_connection(**fields), "activeSensors": [], "graphData": list(points)}
    return {"status": 0, "data": data, "ticket": {"token": CANARY}}


EXAMPLE = a_graph(a_measurement(110, "12/30/2022 4:50:40 AM", type=0), a_measurement(109, "12/30/2022 4:55:40 AM"))


def read(document: Any, **more: Any) -> Parsed:
    parsed = read_librelinkup(as_json(document), WHOSE, **more)
    says_nothing_personal(parsed)
    assert not [problem for problem in parsed.problems if CANARY.encode() in problem.body]
    return parsed


def values(parsed: Parsed) -> list[Glucose]:
    return [record for record in parsed.records if isinstance(record, Glucose)]


def test_the_instant_is_utc_and_the_other_time_the_wall_clock() -> None:
    (record,) = values(read(a_graph()))
    assert (record.effective.millis, record.effective.local, record.effective.offset_minutes) == (
        1672418860000,
        "2022-12-30T17:47:40",
        60,
    )
    assert (record.value.steps, record.trend, record.device and record.device.serial) == (115, "flat", "SENSOR1")


def test_the_same_measurement_in_the_graph_counts_once_and_history_has_no_arrow() -> None:
    parsed = read(a_graph(a_measurement(), a_measurement(110, "12/30/2022 4:50:40 AM")))
    assert (len(values(parsed)), parsed.skipped) == (2, 1)
    assert values(parsed)[0].trend is None


@pytest.mark.parametrize(
    ("mg_dl", "detection"), [(40, Detection.BELOW), (500, Detection.ABOVE), (41, None), (115, None)]
)
def test_the_limits_of_the_range_are_values_and_the_flags_of_alarms_are_not(
    mg_dl: int, detection: Detection | None
) -> None:
    (record,) = values(read({"status": 0, "data": [a_measurement(mg_dl)]}))
    assert (record.value.steps, record.detection) == (mg_dl, detection)


def test_units_0_is_mmol_and_value_must_be_the_same_reading() -> None:
    assert values(read({"status": 0, "data": [a_measurement(197, GlucoseUnits=0, Value=10.9)]}))[0].value.steps == 197
    for wrong in ({"GlucoseUnits": 1, "Value": 10.9}, {"GlucoseUnits": 0, "Value": 197}, {"GlucoseUnits": 7}):
        (problem,) = read({"status": 0, "data": [a_measurement(197, **wrong)]}).problems
        assert (problem.path, problem.code) == ("data[0].Value", "unit-contradicted")
        assert [again.code for again in read_librelinkup(problem.body, WHOSE).problems] == ["unit-contradicted"]


def test_the_sensors_start_and_warm_up_are_told_once() -> None:
    document = a_graph()
    document["data"]["activeSensors"] = [{"sensor": {"sn": "SENSOR1", "a": 1671955478, "w": 60}}]
    events = [record for record in read(document).records if isinstance(record, DeviceEvent)]
    assert [event.event for event in events] == ["sensor-start", "warm-up"]
    assert events[1].until is not None
    assert events[1].until.millis - events[1].effective.millis == 3_600_000


def test_of_several_people_only_the_named_one_is_read() -> None:
    two = {"status": 0, "data": [a_connection(), a_connection(patientId="P2", glucoseMeasurement=a_measurement(200))]}
    with pytest.raises(Unreadable) as caught:
        read(two)
    assert caught.value.code == "patient-ambiguous"
    assert [record.value.steps for record in values(read(two, patient_id="P2"))] == [200]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ([], "not-librelinkup"),
        ({"a": 1}, "not-librelinkup"),
        ({"status": 0, "data": {"user": {}}}, "not-librelinkup"),
        ({"status": 0, "data": {"redirect": True, "region": "eu2"}}, "librelinkup-region"),
        ({"status": 2, "error": {"message": CANARY}}, "librelinkup-refused"),
    ],
)
def test_answers_that_say_no_are_refused(document: Any, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(document)
    assert caught.value.code == code
    assert CANARY not in str(caught.value)


def test_times_that_cannot_be_read_are_set_aside() -> None:
    parsed = read({"status": 0, "data": [a_measurement(utc="30.12.2022 16:47"), a_measurement(utc="")]})
    assert [problem.code for problem in parsed.problems] == ["time-unreadable", "time-missing"]


def test_a_real_graph() -> None:
    parsed = read_librelinkup(real("libre/llu_graph.json"), WHOSE)
    assert (parsed.problems, len(values(parsed))) == ([], 142)
    assert (values(parsed)[-1].value.steps, values(parsed)[-1].trend) == (115, "flat")


def test_real_connections_and_logins() -> None:
    connections = json.loads(real("libre/llu_connections.json"))
    people = [one["patientId"] for one in connections["data"]]
    for person in people:
        assert len(values(read_librelinkup(as_json(connections), WHOSE, patient_id=person))) == 1
    for name in ("login", "login-failed"):
        with pytest.raises(Unreadable):
            read_librelinkup(real(f"libre/llu_{name}.json"), WHOSE)
