"""A stream that switches its unit: 22.5 is a very high mmol/L, and must not become a low mg/dL."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from clinical.records import Glucose, PatientRef
from clinical.vendors.apple_health import read_apple_health
from clinical.vendors.carelink import read_carelink
from clinical.vendors.carelink_csv import read_carelink_csv
from clinical.vendors.clarity import read_clarity
from clinical.vendors.dexcom import open_egvs, read_egvs
from clinical.vendors.dexcom_share import read_share
from clinical.vendors.librelinkup import read_librelinkup
from clinical.vendors.making import Whose
from clinical.vendors.nightscout import read_nightscout
from clinical.vendors.parsing import Parsed
from clinical.vendors.tconnect_csv import read_tconnect
from clinical.vendors.tidepool import read_tidepool

PATIENT = PatientRef(system="stm", value="P-1")
ZONE = ZoneInfo("Europe/Berlin")
WHOSE = Whose(PATIENT, "1", ZONE, datetime(2026, 11, 21, tzinfo=UTC))


def _clarity(value: str) -> Parsed:
    header = (
        "Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Event Subtype,Patient Info,Device Info,Source Device ID,"
        "Glucose Value (mg/dL),Insulin Value (u),Carb Value (grams),Duration (hh:mm:ss),"
        "Glucose Rate of Change (mg/dL/min),Transmitter Time (Long Integer),Transmitter ID"
    )
    row = f"1,2026-03-01T10:00:00,EGV,,,,iPhone G6,{value},,,,,300,8ABCDE"
    return read_clarity(f"{header}\r\n{row}\r\n".encode(), PATIENT, ZONE)


def _egv(value: str) -> Parsed:
    record = (
        '{"recordId":"r","systemTime":"2026-03-01T10:00:00Z","displayTime":"2026-03-01T11:00:00+01:00",'
        f'"unit":"mg/dL","value":{value}}}'
    )
    return read_egvs(open_egvs(f'{{"recordType":"egv","records":[{record}]}}'.encode()), PATIENT)


def _share(value: str) -> Parsed:
    return read_share(f'[{{"DT":"/Date(1638360273000)/","Value":{value},"Trend":4}}]'.encode(), WHOSE)


def _librelinkup(value: str) -> Parsed:
    item = f'{{"FactoryTimestamp":"12/30/2025 3:47:40 PM","ValueInMgPerDl":{value}}}'
    return read_librelinkup(f'{{"status":0,"data":{{"graphData":[{item}]}}}}'.encode(), WHOSE)


def _carelink(value: str) -> Parsed:
    sg = f'{{"kind":"SG","sg":{value},"sensorState":"NO_ERROR_MESSAGE","timestamp":"2025-11-20T00:05:00"}}'
    return read_carelink(f'{{"bgUnits":"MGDL","sgs":[{sg}]}}'.encode(), WHOSE)


def _carelink_csv(value: str) -> Parsed:
    lines = (
        "-------;MiniMed 780G;Sensor;NG1;-------",
        "Index;Date;Time;Sensor Glucose (mg/dL)",
        f"1;2025/10/25;09:00:00;{value.replace('.', ',')}",
        "",
    )
    return read_carelink_csv("\r\n".join(lines).encode(), WHOSE)


def _nightscout(value: str) -> Parsed:
    return read_nightscout(f'[{{"_id":"1","type":"sgv","sgv":{value},"date":1763900000000}}]'.encode(), WHOSE)


def _tidepool(value: str) -> Parsed:
    datum = f'{{"type":"cbg","units":"mg/dL","value":{value},"time":"2026-03-01T10:05:00Z","deviceId":"d"}}'
    return read_tidepool(f"[{datum}]".encode(), WHOSE)


def _apple(value: str) -> Parsed:
    at = "2026-03-01 10:00:00 +0100"
    sample = (
        '<Record type="HKQuantityTypeIdentifierBloodGlucose" sourceName="Dexcom G7" unit="mg/dL" '
        f'startDate="{at}" endDate="{at}" value="{value}"/>'
    )
    return read_apple_health(f"<HealthData>{sample}</HealthData>".encode(), WHOSE)


def _tconnect(value: str) -> Parsed:
    lines = (
        "DeviceType,SerialNumber,Description,EventDateTime,Readings (CGM / BGM)",
        f"t:slim X2 Insulin Pump,9,EGV,2026-03-01T10:00:00,{value}",
        "",
    )
    return read_tconnect("\n".join(lines).encode(), WHOSE)


EVERY = [_clarity, _egv, _share, _librelinkup, _carelink, _carelink_csv, _nightscout, _tidepool, _apple, _tconnect]


@pytest.mark.parametrize("read", EVERY)
@pytest.mark.parametrize("value", ["22.5", "33.0", "24.4"])
def test_a_mmol_under_the_heading_of_mg_is_set_aside(read: Callable[[str], Parsed], value: str) -> None:
    parsed = read(value)
    assert not parsed.records
    assert [problem.code for problem in parsed.problems] == ["unit-contradicted"]


@pytest.mark.parametrize("read", EVERY)
def test_a_whole_number_below_the_range_is_low(read: Callable[[str], Parsed]) -> None:
    assert len(read("39").records) == 1


@pytest.mark.parametrize("read", [_clarity, _egv])
def test_dexcom_has_no_decimals_in_mg(read: Callable[[str], Parsed]) -> None:
    assert read("120.5").problems[0].code == "unit-contradicted"
    assert len(read("120.0").records) == 1


def test_a_hypo_that_an_app_has_converted_is_one() -> None:
    """1.8 mmol/L, exported by a phone that shows mg/dL."""
    reading = _apple("32.42806").records[0]
    assert isinstance(reading, Glucose)
    assert reading.value.steps == 40
    assert reading.detection == "below"


def test_an_annotation_that_the_number_contradicts_is_not_believed() -> None:
    note = {"code": "bg/out-of-range", "threshold": 600, "value": "high"}
    at = "2026-03-01T10:05:00Z"
    datum = {"type": "smbg", "units": "mmol/L", "value": 5.5507479555, "time": at, "deviceId": "d"}
    parsed = read_tidepool(json.dumps([{**datum, "annotations": [note]}]).encode(), WHOSE)
    assert [problem.code for problem in parsed.problems] == ["value-contradicted"]
