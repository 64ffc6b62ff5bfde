"""How fast vendors' formats become records, on one core: `python benchmarks/vendors.py [NAME ...]`.

Each case makes a body of its own, parses it three times and tells the best, in CPU time of this process.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from clinical.records import PatientRef
from clinical.vendors.apple_health import read_apple_health
from clinical.vendors.clarity import read_clarity
from clinical.vendors.dexcom import open_egvs, read_egvs
from clinical.vendors.making import Whose
from clinical.vendors.nightscout import read_nightscout
from clinical.vendors.tidepool import read_tidepool

PATIENT = PatientRef(system="stm", value="P-1")
WHOSE = Whose(PATIENT, "1")
START = datetime(2026, 1, 1, tzinfo=UTC)
MANY = 50_000


class Case(NamedTuple):
    """`amount` in `unit` is what `make`'s body holds, `goal` how many of them a second must do."""

    unit: str
    goal: float | None
    make: Callable[[], bytes]
    parse: Callable[[bytes], int]
    amount: Callable[[bytes], float]


def moments(count: int) -> list[datetime]:
    return [START + timedelta(minutes=5 * number) for number in range(count)]


def egvs() -> bytes:
    records = [
        {
            "recordId": f"00000000-0000-4000-8000-{number:012d}",
            "systemTime": f"{at:%Y-%m-%dT%H:%M:%S}Z",
            "displayTime": f"{at:%Y-%m-%dT%H:%M:%S}+00:00",
            "transmitterId": "8f14e45fceea167a5a36dedd4bea2543",
            "transmitterTicks": 300 * number,
            "value": 70 + number % 200,
            "status": None,
            "trend": "flat",
            "trendRate": 0.1,
            "unit": "mg/dL",
            "rateUnit": "mg/dL/min",
            "displayDevice": "iOS",
            "transmitterGeneration": "g7",
            "displayApp": "G7",
        }
        for number, at in enumerate(moments(MANY))
    ]
    return msgspec.json.encode({"recordType": "egv", "recordVersion": "3.0", "userId": "u", "records": records})


def clarity() -> bytes:
    header = (
        "Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Event Subtype,Patient Info,Device Info,Source Device ID,"
        "Glucose Value (mg/dL),Insulin Value (u),Carb Value (grams),Duration (hh:mm:ss),"
        "Glucose Rate of Change (mg/dL/min),Transmitter Time (Long Integer),Transmitter ID"
    )
    rows = [
        f"{n},{at:%Y-%m-%dT%H:%M:%S},EGV,,,,iPhone G6,{70 + n % 200},,,,,{300 * n},8ABCDE"
        for n, at in enumerate(moments(MANY))
    ]
    return "\r\n".join([header, *rows, ""]).encode()


def apple() -> bytes:
    device = (
        "&lt;&lt;HKDevice: 0x28&gt;, name:Watch, manufacturer:Apple, model:Watch, hardware:Watch2,4, software:9&gt;"
    )
    rows = []
    for number, at in enumerate(moments(MANY)):
        kind, unit = ("HeartRate", "count/min") if number % 2 else ("ActiveEnergyBurned", "kcal")
        written = f"{at:%Y-%m-%d %H:%M:%S} +0000"
        rows.append(
            f' <Record type="HKQuantityTypeIdentifier{kind}" sourceName="Watch" sourceVersion="9" device="{device}" '
            f'unit="{unit}" creationDate="{written}" startDate="{written}" endDate="{written}" '
            f'value="{60 + number % 40}">\n'
            f'  <MetadataEntry key="HKMetadataKeyHeartRateMotionContext" value="0"/>\n </Record>'
        )
    return ('<HealthData locale="en">\n' + "\n".join(rows) + "\n</HealthData>\n").encode()


def nightscout() -> bytes:
    entries = [
        {"_id": f"e{n}", "type": "sgv", "sgv": 70 + n % 200, "date": int(at.timestamp() * 1000), "direction": "Flat"}
        for n, at in enumerate(moments(MANY))
    ]
    return msgspec.json.encode(entries)


def tidepool() -> bytes:
    data = [
        {
            "type": "cbg",
            "units": "mg/dL",
            "value": 70 + n % 200,
            "time": f"{at:%Y-%m-%dT%H:%M:%S}.000Z",
            "deviceId": "d",
        }
        for n, at in enumerate(moments(MANY))
    ]
    return msgspec.json.encode(data)


def records(_body: bytes) -> float:
    return MANY


def megabytes(body: bytes) -> float:
    return len(body) / 1e6


ZONE = ZoneInfo("Europe/Dublin")
CASES = {
    "dexcom-egvs": Case("readings", 150_000, egvs, lambda b: len(read_egvs(open_egvs(b), PATIENT).records), records),
    "clarity-csv": Case("rows", 100_000, clarity, lambda b: len(read_clarity(b, PATIENT, ZONE).records), records),
    "apple-health": Case("MB", 30, apple, lambda b: len(read_apple_health(b, WHOSE).records), megabytes),
    "nightscout": Case("entries", None, nightscout, lambda b: len(read_nightscout(b, WHOSE).records), records),
    "tidepool": Case("data", None, tidepool, lambda b: len(read_tidepool(b, WHOSE).records), records),
}


def measure(case: Case) -> float:
    """The best of three, in `unit` per second. Raises ValueError if there were no records."""
    body, best = case.make(), 0.0
    for _ in range(3):
        began = time.process_time()
        made = case.parse(body)
        spent = time.process_time() - began
        if not made:
            raise ValueError("there were no records")
        best = max(best, case.amount(body) / spent)
    return best


def main(names: list[str]) -> None:
    for name in names or CASES:
        case = CASES[name]
        goal = f", goal {case.goal:,.0f}" if case.goal else ""
        print(f"{name:14} {measure(case):12,.0f} {case.unit}/s{goal}")


if __name__ == "__main__":
    main(sys.argv[1:])
