"""The hour that comes twice, in files whose rows do not stand as their vendor writes them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest

from clinical.records import PatientRef
from clinical.vendors.clarity import read_clarity
from clinical.vendors.libreview import read_libreview
from clinical.vendors.making import Whose
from clinical.vendors.tandem import read_tandem_events
from tests.unit.dexcom.clarity_files import COLUMNS, a_file, an_egv
from tests.unit.vendors.tandem_files import a_body, egv

PATIENT = PatientRef(system="stm", value="P-1")
ZONE = ZoneInfo("Europe/Berlin")
WHOSE = Whose(PATIENT, "1", ZONE, datetime(2026, 11, 21, tzinfo=UTC))
HEADER = (
    "Device,Serial Number,Device Timestamp,Record Type,Historic Glucose mg/dL,Scan Glucose mg/dL,a,b,c,d,e,f,g,Notes,"
    "Strip Glucose mg/dL,Ketone mmol/L,h,i,j"
)


def _libreview(times: Sequence[str]) -> bytes:
    rows = [f"FreeStyle LibreLink,S,25-10-2026 {at},1,,{100 + n}" + "," * 13 for n, at in enumerate(times)]
    return "\r\n".join(["Glucose Data,Generated on,26-10-2026 10:00 UTC", HEADER, *rows, ""]).encode()


def _told(times: Sequence[str]) -> dict[str, int]:
    """Value → minutes after midnight UTC; what is held is not there."""
    records = read_libreview(_libreview(times), WHOSE).records
    return {record.original.value or "": record.effective.millis // 60_000 % 1440 for record in records}


# Scans of one night in the order in which they happened: 02:50 in summer time, 02:10 in winter time.
NIGHT = ("01:30", "02:50", "02:10", "03:30")
TRUE = (23 * 60 + 30, 50, 70, 150)


def test_rows_in_order_tell() -> None:
    assert tuple(_told(NIGHT).values()) == TRUE


def test_rows_newest_first_tell_as_much() -> None:
    told = _told(NIGHT[::-1])
    assert tuple(told[str(100 + place)] for place in (3, 2, 1, 0)) == TRUE


@pytest.mark.parametrize("order", [order for order in permutations(range(4)) if order[0] < order[3]])
def test_rows_in_any_other_order_are_held_or_right(order: tuple[int, ...]) -> None:
    """02:10 in summer and 02:50 in winter time would be wrong by an hour, both of them."""
    told = _told([NIGHT[place] for place in order])
    assert all(told.get(str(100 + at), TRUE[place]) == TRUE[place] for at, place in enumerate(order))


@pytest.mark.parametrize(
    "times",
    [
        ("02:10", "02:50", "02:00", "02:05"),  # as they happened, with nothing beside the hour
        ("02:05", "02:00", "02:50", "02:10"),  # the same, newest first
    ],
)
def test_rows_of_that_hour_alone_are_held_where_their_order_is_not_sure(times: Sequence[str]) -> None:
    parsed = read_libreview(_libreview(times), WHOSE)
    assert {problem.code for problem in parsed.problems} == {"time-twice"}
    assert not parsed.records


def test_a_clarity_file_newest_first_tells_nothing_by_order() -> None:
    times = ("01:30", "02:50", "02:10", "03:30")
    rows = [an_egv(f"2026-10-25T{at}:00") for at in times]
    happened = read_clarity(a_file(rows, columns=COLUMNS[:12]), PATIENT, ZONE)
    assert [record.effective.millis // 60_000 % 1440 for record in happened.records] == list(TRUE)
    turned = read_clarity(a_file(rows[::-1], columns=COLUMNS[:12]), PATIENT, ZONE)
    assert [problem.code for problem in turned.problems] == ["time-twice"] * 2


def _instants(body: bytes) -> dict[str, int]:
    parsed = read_tandem_events(body, WHOSE, serial="9")
    return {record.original.value or "": record.effective.millis // 60_000 % 1440 for record in parsed.records}


def test_what_a_pump_fills_in_later_is_of_the_pass_that_fits() -> None:
    """No signal in the first pass; at 02:50 of the second one the pump gets a value, and then those it missed."""
    body = a_body(
        egv(1, "2026-10-25T01:55:00", 101),
        egv(2, "2026-10-25T02:50:00", 102),
        egv(3, "2026-10-25T02:50:10", 103, kind=2, measured="2026-10-25T02:00:00"),
        egv(4, "2026-10-25T02:00:00", 104),
        egv(5, "2026-10-25T02:05:00", 105, kind=2, measured="2026-10-25T02:55:00"),
        egv(6, "2026-10-25T03:05:00", 106),
    )
    told = _instants(body)
    # The hour's one jump back by sequence lies between 3 and 4: all before it is the first pass.
    assert told == {"101": 1435, "102": 50, "103": 0, "104": 60, "105": 55, "106": 125}


def test_a_filled_in_value_that_fits_both_passes_is_held() -> None:
    body = a_body(
        egv(1, "2026-10-25T01:55:00", 101),
        egv(2, "2026-10-25T04:00:00", 102, kind=2, measured="2026-10-25T02:00:00"),
        egv(3, "2026-10-25T04:05:00", 103),
    )
    parsed = read_tandem_events(body, WHOSE, serial="9")
    assert [problem.code for problem in parsed.problems] == ["time-twice"]
    assert len(parsed.records) == 2
