"""t:connect's export: tables in any order, boluses in two parts, rows wider than their header."""

from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clinical.records import Analyte, Carbohydrate, Detection, Glucose, InsulinDose, InsulinKind, Status
from clinical.vendors.making import Whose
from clinical.vendors.parsing import Parsed, Unreadable
from clinical.vendors.tconnect_csv import read_tconnect
from tests.unit.vendors.mutations import CANARY, PATIENT, kinds, says_nothing_personal
from tests.unit.vendors.samples import real

BOSTON = Whose(PATIENT, "v1", ZoneInfo("America/New_York"))
READINGS = "DeviceType,SerialNumber,Description,EventDateTime,Readings (CGM / BGM)"
BOLUSES = (
    "Type,Description,BolusRequestID,CompletionDateTime,InsulinDelivered,CompletionStatusDesc,BolexSize,"
    "BolexInsulinDelivered,BolexCompletionStatusDesc,EventDateTime,BolusType,Duration,CarbSize,ActualTotalBolusRequested"
)
BASALS = "Type,EventDateTime,BasalRate"
IOB = "Type,EventID,EventDateTime,IOB"


def reading(value: str, time: str = "2021-04-01T00:01:33", kind: str = "EGV") -> str:
    return f'"t:slim X2 Insulin Pump","11111111","{kind}","{time}","{value}",'


def bolus(**cells: str) -> str:
    values = {
        "Type": "Bolus",
        "BolusRequestID": "7001.000",
        "InsulinDelivered": "13.53",
        "CompletionStatusDesc": "Completed",
        "EventDateTime": "2021-04-01T12:53:36",
        "ActualTotalBolusRequested": "13.53",
        **cells,
    }
    return ",".join(f'"{values.get(name, "")}"' for name in BOLUSES.split(",")) + ',"0",'


TABLES = (
    (READINGS, reading("235")),
    (BOLUSES, bolus(CarbSize="75")),
    (BASALS, '"Basal","2021-04-01T01:00:00","0.85"'),
    (IOB, '"IOB","81","2021-04-01T00:00:19","13.24"'),
)


def an_export(*tables: tuple[str, ...]) -> bytes:
    preamble = ["Tandem Diabetes Care Inc.", f"Patient Name, {CANARY}", f"Patient DOB, {CANARY}"]
    lines = [*preamble, *(line for table in tables or TABLES for line in ("", *table)), ""]
    return "\r\n".join(lines).encode()


def read(*tables: tuple[str, ...], **more: Any) -> Parsed:
    parsed = read_tconnect(an_export(*tables), BOSTON, **more)
    says_nothing_personal(parsed)
    return parsed


def doses(*rows: str) -> list[InsulinDose]:
    parsed = read((BOLUSES, *rows))
    assert not parsed.problems
    return [record for record in parsed.records if isinstance(record, InsulinDose)]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_tables_in_any_order_give_the_same(order: tuple[int, ...]) -> None:
    parsed = read(*(TABLES[place] for place in order))
    assert kinds(parsed) == ["glucose", "insulin-dose", "insulin-dose", "carbohydrate"]
    assert (parsed.problems, parsed.skipped) == ([], 1)
    assert {record.device and record.device.serial for record in parsed.records} == {"11111111"}
    assert [record.source.value for record in parsed.records] == [
        "11111111|EGV|2021-04-01T00:01:33",
        "11111111|basal|2021-04-01T01:00:00",
        "11111111|bolus|7001",
        "11111111|bolus|7001|carbs",
    ]


@pytest.mark.parametrize("left_out", range(3))
def test_a_table_may_be_missing(left_out: int) -> None:
    assert read(*(table for place, table in enumerate(TABLES) if place != left_out)).records


def test_readings_of_the_sensor_and_of_a_meter() -> None:
    records = read((READINGS, reading("39"), reading("120", kind="BG"))).records
    assert [(r.analyte, r.value.steps, r.detection) for r in records if isinstance(r, Glucose)] == [
        (Analyte.INTERSTITIAL_GLUCOSE, 40, Detection.BELOW),
        (Analyte.CAPILLARY_GLUCOSE, 120, None),
    ]


def test_a_bolus_that_was_interrupted_says_both_amounts() -> None:
    (dose,) = doses(bolus(InsulinDelivered="1.82", ActualTotalBolusRequested="2.63", CompletionStatusDesc="Alarm"))
    assert dose.requested is not None
    assert dose.delivered is not None
    assert (dose.requested.steps, dose.delivered.steps, dose.original.code) == (2630, 1820, "Alarm")
    (none,) = doses(bolus(InsulinDelivered="0.00", ActualTotalBolusRequested="0.50"))
    assert none.delivered is not None
    assert none.delivered.steps == 0


def test_what_comes_over_time_is_a_dose_of_its_own_and_nothing_is_asked_for_twice() -> None:
    now, later = doses(
        bolus(
            InsulinDelivered="0.20",
            BolexSize="0.20",
            BolexInsulinDelivered="0.10",
            Duration="15",
            ActualTotalBolusRequested="0.40",
        )
    )
    assert (now.requested and now.requested.steps, now.duration_seconds) == (200, None)
    assert (later.kind, later.duration_seconds, later.delivered and later.delivered.steps) == (
        InsulinKind.EXTENDED_BOLUS,
        900,
        100,
    )


def test_the_algorithms_corrections_are_automatic() -> None:
    assert [dose.automatic for dose in doses(bolus(BolusType="Automatic Correction"))] == [True]


def test_a_bolus_that_has_not_ended_is_preliminary() -> None:
    (dose,) = doses(bolus(InsulinDelivered=""))
    assert (dose.status, dose.delivered) == (Status.PRELIMINARY, None)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (reading("7.5"), "value-impossible"),
        (reading("107.5"), "unit-contradicted"),
        (reading("120", "0001-01-01T00:00:00"), "time-missing"),
        (reading("120", "yesterday"), "time-unreadable"),
        (reading("120") + '"9"', "row-width"),
    ],
)
def test_rows_that_cannot_be_read_are_set_aside_and_can_be_replayed(row: str, code: str) -> None:
    (problem,) = read((READINGS, row, reading("121"))).problems
    assert (problem.code, problem.path) == (code, "line 6")
    assert [again.code for again in read_tconnect(problem.body, BOSTON).problems] == [code]


@pytest.mark.parametrize(("body", "code"), [(b"a,b\n1,2\n", "csv-not-tconnect"), (an_export()[:-20], "csv-cut")])
def test_files_that_are_none_or_cut_are_refused(body: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_tconnect(body, BOSTON)
    assert caught.value.code == code


def test_a_real_export() -> None:
    parsed = read_tconnect(real("tandem/tconnect_therapy_timeline.csv"), BOSTON)
    assert (parsed.problems, parsed.skipped) == ([], 3)
    glucose = [record.value.steps for record in parsed.records if isinstance(record, Glucose)]
    given = [
        record.delivered.steps for record in parsed.records if isinstance(record, InsulinDose) and record.delivered
    ]
    carbs = [record.amount.steps for record in parsed.records if isinstance(record, Carbohydrate)]
    assert (glucose, given, carbs) == ([235, 230, 181], [13530, 1500, 2000, 2500], [750])
