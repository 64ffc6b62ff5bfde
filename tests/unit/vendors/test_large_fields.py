"""One enormous field: a cell, a JSON string, a JSON number, an XML attribute. It is refused with its place, or left
out, in time and memory that grow with the body and not with its square."""

import io
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from clinical.records import PatientRef
from clinical.vendors.apple_health import read_apple_health
from clinical.vendors.apple_health_xml import Splitter
from clinical.vendors.carelink import read_carelink
from clinical.vendors.carelink_csv import read_carelink_csv
from clinical.vendors.clarity import read_clarity
from clinical.vendors.dexcom import open_egvs, read_egvs
from clinical.vendors.dexcom_events import read_dexcom_events
from clinical.vendors.dexcom_share import read_share
from clinical.vendors.eversense import read_eversense
from clinical.vendors.fitbit import read_fitbit
from clinical.vendors.glooko import read_glooko
from clinical.vendors.health_auto_export import read_health_auto_export
from clinical.vendors.health_connect import read_health_connect
from clinical.vendors.librelinkup import read_librelinkup
from clinical.vendors.libreview import read_libreview
from clinical.vendors.making import Whose
from clinical.vendors.nightscout import read_nightscout
from clinical.vendors.novopen import read_novopen
from clinical.vendors.open_mhealth import read_open_mhealth
from clinical.vendors.parsing import Parsed, Unreadable
from clinical.vendors.tandem import read_tandem_events
from clinical.vendors.tconnect_csv import read_tconnect
from clinical.vendors.tidepool import read_tidepool
from tests.unit.dexcom.clarity_files import COLUMNS, a_file, an_egv

PATIENT = PatientRef(system="stm", value="P-1")
WHOSE = Whose(PATIENT, "1", ZoneInfo("Europe/Berlin"), datetime(2026, 11, 21, tzinfo=UTC))
HERE = b"@@"
SMALL, WHOLE = 6_000_000, 100_000_000
SAMPLE = (
    '<Record type="HKQuantityTypeIdentifierBloodGlucose" sourceName="@@" unit="mg/dL" '
    'startDate="2026-03-01 10:00:00 +0100" endDate="2026-03-01 10:00:00 +0100" value="100"/>'
)
LIBREVIEW = (
    "Glucose Data,Generated on,20-10-2021 22:34 UTC\nDevice,Serial Number,Device Timestamp,Record Type,"
    "Historic Glucose mg/dL,Scan Glucose mg/dL,a,b,c,d,e,f,g,Notes,Strip Glucose mg/dL,Ketone mmol/L,h,i,j\n"
    "F,S,20-10-2021 22:34,6,,,,,,,,,,@@,,,,,\n"
)
GLOOKO = "Name:X\nTimestamp,CGM Glucose Value (mg/dl),Serial Number\n1/13/2026 10:00,@@,S\n"


class Case(NamedTuple):
    read: Callable[[bytes], Parsed]
    body: str
    said: str
    """Code and path of what is refused or set aside; nothing where the field is none that is read."""


def _split(body: bytes) -> Parsed:
    splitter = Splitter()
    parts = [part for at in range(0, len(body), 65_536) for part in splitter.feed(body[at : at + 65_536])]
    return read_apple_health(b"".join([*parts, *splitter.finish()]), WHOSE)


def _zipped(body: bytes) -> Parsed:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("cgm_data_1.csv", body)
    return read_glooko(packed.getvalue(), WHOSE)


def _of(read: Callable[[bytes, Whose], Parsed]) -> Callable[[bytes], Parsed]:
    return lambda body: read(body, WHOSE)


def _egvs(body: bytes) -> Parsed:
    return read_egvs(open_egvs(body), PATIENT)


EGV = '{"recordType":"egv","records":[{"systemTime":"2026-03-01T10:00:00Z","value":%s,"unit":"mg/dL","trend":"%s"}]}'
CASES = {
    "clarity": Case(
        lambda body: read_clarity(body, PATIENT, ZoneInfo("UTC")),
        a_file([an_egv("2026-03-01T10:00:00", "@@")], columns=COLUMNS, preamble=[]).decode(),
        "csv-quote line 2",
    ),
    "libreview": Case(_of(read_libreview), LIBREVIEW, "csv-quote line 3"),
    "carelink-csv": Case(
        _of(read_carelink_csv), "Index;Date;Time;Alarm\n1;2025/01/01;10:00:00;@@\n", "csv-quote line 2"
    ),
    "tconnect": Case(
        _of(read_tconnect),
        "SerialNumber,Description,EventDateTime,Readings (CGM / BGM)\n9,EGV,2026-03-01T10:00:00,@@\n",
        "csv-quote line 2",
    ),
    "glooko": Case(_of(read_glooko), GLOOKO, "csv-quote line 3"),
    "glooko-zip": Case(_zipped, GLOOKO, "csv-quote cgm_data_1.csv line 3"),
    "eversense": Case(
        _of(read_eversense),
        "EventDateStr,EventTimeStr,Value,UnitMeasureVal,SensorID\n19-May-2021,3:00 PM,@@,mg/dL,1\n",
        "csv-quote line 2",
    ),
    "egv": Case(_egvs, EGV % ("100", "@@"), "field-invalid records[0].trend"),
    "egv-number": Case(_egvs, EGV % ("1@@", "flat"), "value-not-a-number records[0].value"),
    "dexcom-event": Case(
        _of(read_dexcom_events),
        '{"recordType":"event","records":[{"systemTime":"2026-03-01T10:00:00","eventType":"insulin","value":1@@}]}',
        "json-number line 1 column 100",
    ),
    "share": Case(_of(read_share), '[{"DT":"@@","Value":100}]', "field-invalid [0].DT"),
    "carelink-json": Case(
        _of(read_carelink), '{"bgUnits":"MGDL","sgs":[{"sg":100,"timestamp":"@@"}]}', "time-unreadable sgs[0].timestamp"
    ),
    "librelinkup": Case(
        _of(read_librelinkup),
        '{"status":0,"data":{"graphData":[{"FactoryTimestamp":"@@","ValueInMgPerDl":100}]}}',
        "field-invalid data.graphData[0].FactoryTimestamp",
    ),
    "nightscout": Case(
        _of(read_nightscout), '[{"type":"sgv","sgv":"@@","date":1763900000000}]', "value-not-a-number [0].sgv"
    ),
    "tidepool": Case(
        _of(read_tidepool), '[{"type":"cbg","units":"@@","value":100,"time":"2026-03-01T10:05:00Z"}]',
        "field-invalid [0].units",
    ),
    "health-connect": Case(
        _of(read_health_connect),
        '[{"recordType":"BloodGlucose","time":"@@","level":{"inMillimolesPerLiter":5.5}}]',
        "value-not-a-number [0].time",
    ),
    "open-mhealth": Case(
        _of(read_open_mhealth),
        '[{"blood_glucose":{"unit":"@@","value":9},"effective_time_frame":{"date_time":"2026-03-01T07:25:00Z"}}]',
        "field-invalid [0].blood_glucose.unit",
    ),
    "health-auto-export": Case(
        _of(read_health_auto_export),
        '{"data":{"metrics":[{"name":"heart_rate","units":"x","data":[{"date":"@@","qty":100}]}]}}',
        "field-invalid data.metrics[0].data[0].date",
    ),
    "fitbit": Case(
        _of(read_fitbit), '{"weight":[{"date":"@@","time":"10:00:00","weight":80}]}', "field-invalid weight[0].date"
    ),
    "novopen": Case(
        _of(read_novopen), '{"readAt":"2026-11-20T10:00:00Z","pen":{"serial":"1"},"reports":["@@"]}',
        "novopen-report reports[0]",
    ),
    "tandem": Case(_of(read_tandem_events), '"@@~"', "tandem-invalid line 1"),
    "apple-health": Case(_of(read_apple_health), f"<HealthData>{SAMPLE}</HealthData>", "element-too-long line 1"),
    "apple-health-stream": Case(_split, f"<HealthData>{SAMPLE}</HealthData>", "element-too-long line 1"),
    "apple-health-comment": Case(
        _of(read_apple_health), "<HealthData><!--@@--></HealthData>", "element-too-long line 1"
    ),
}  # fmt: skip


def _said(case: Case, length: int) -> str:
    body = case.body.encode().replace(HERE, b"1" * length, 1)
    try:
        parsed = case.read(body)
    except Unreadable as unreadable:
        return f"{unreadable.code} {unreadable.path}"
    return " ".join(f"{problem.code} {problem.path}" for problem in parsed.problems)


@pytest.mark.parametrize("name", CASES)
def test_a_field_of_megabytes_is_refused_with_its_place(name: str) -> None:
    """Six megabytes, at most a dozen times that in memory."""
    tracemalloc.start()
    try:
        assert _said(CASES[name], SMALL) == CASES[name].said
        assert tracemalloc.get_traced_memory()[1] < 12 * SMALL
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["libreview", "egv", "dexcom-event", "apple-health", "apple-health-stream"])
def test_a_field_of_a_hundred_megabytes_takes_seconds(name: str) -> None:
    """Of CPU time: what goes over it again with each slice took twelve, and half a minute on a busy machine."""
    began = time.process_time()
    assert _said(CASES[name], WHOLE) == CASES[name].said
    assert time.process_time() - began < 6
