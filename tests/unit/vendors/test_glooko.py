"""Glooko's export: a zip of tables in any language, local times that look like UTC, boluses in parts."""

import io
import zipfile
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clinical.records import Carbohydrate, DeviceEvent, Glucose, InsulinDose, InsulinKind, InsulinTotal
from clinical.vendors.glooko import read_glooko
from clinical.vendors.making import Whose
from clinical.vendors.parsing import Parsed, Unreadable
from tests.unit.vendors.mutations import CANARY, PATIENT, kinds, says_nothing_personal
from tests.unit.vendors.samples import real

BOSTON = Whose(PATIENT, "v1", ZoneInfo("America/New_York"))
CGM = "Timestamp,CGM Glucose Value (mg/dl),Serial Number"
BOLUS = (
    "Timestamp,Insulin Type,Blood Glucose Input (mg/dl),Carbs Input (g),Carbs Ratio,Insulin Delivered (U),"
    "Initial Delivery (U),Extended Delivery (U),Serial Number"
)
GERMAN_BOLUS = (
    "Zeitstempel,Insulin-Typ,Blutzuckereingabe (mg/dl),Kohlenhydrataufnahme (g),Kohlenhydratverhältnis,"
    "Abgegebenes Insulin (E),Anfängliche Abgabe (E),Verzögerte Abgabe (E),Seriennummer"
)
BASAL = "Timestamp,Insulin Type,Duration (minutes),Percentage (%),Rate,Insulin Delivered (U),Serial Number"
TOTALS = "Timestamp,Total Bolus (U),Total Insulin (U),Total Basal (U),Serial Number"
ALARMS = "Timestamp,Alarm/Event,Serial Number"
RANGE = "2025-01-01 - 2025-01-31"


def a_table(header: str, *rows: str, range_: str = RANGE) -> bytes:
    return "\r\n".join((f"Name:{CANARY},Date Range:{range_}", header, *rows, "")).encode()


def a_zip(**tables: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        for name, body in tables.items():
            packed.writestr(f"{CANARY}/Insulin data/{name}.csv", body)
    return written.getvalue()


EXAMPLE = a_table(BOLUS, "1/20/2025 8:10,Normal,120,45,10,4.5,,,POD1", "1/19/2025 8:10,Normal,120,0,10,1.5,,,POD1")


def read(body: bytes, name: str = "", **more: Any) -> Parsed:
    parsed = read_glooko(body, BOSTON, name, **more)
    says_nothing_personal(parsed)
    assert not [problem for problem in parsed.problems if CANARY.encode() in problem.body]
    return parsed


def one(header: str, row: str, **more: Any) -> Any:
    parsed = read(a_table(header, row), **more)
    assert not parsed.problems
    (made,) = parsed.records
    return made


def test_a_zip_with_all_its_tables() -> None:
    parsed = read(
        a_zip(
            cgm_data_1=a_table(CGM, "1/20/2025 8:00,120,S1"),
            cgm_data_2=a_table(CGM, "1/21/2025 8:00,121,S1"),
            bolus_data_1=EXAMPLE,
            basal_data_1=a_table(BASAL, "1/20/2025 8:00,Scheduled,60,,0.85,,POD1"),
            insulin_data_1=a_table(TOTALS, "1/20/2025 23:59,2.5,10.5,8.0,POD1"),
            alarms_data_1=a_table(ALARMS, "1/20/2025 7:00,Occlusion,POD1"),
            food_data_1=a_table("Timestamp,Name", "1/20/2025 7:00,soup"),
            bg_data_1=a_table("Timestamp,Glucose Value (mg/dl),Manual Reading,Serial Number"),
        )
    )
    assert not parsed.problems
    assert sorted(kinds(parsed)) == [
        "carbohydrate",
        "device-event",
        "glucose",
        "glucose",
        "insulin-dose",
        "insulin-dose",
        "insulin-dose",
        "insulin-total",
    ]
    assert len({record.source.value for record in parsed.records}) == 8


@pytest.mark.parametrize(
    ("stamp", "local"),
    [
        ("1/20/2025 8:05", "2025-01-20T08:05:00"),
        ("1/20/2025 8:05 PM", "2025-01-20T20:05:00"),
        ("2025-01-20T08:05:00Z", "2025-01-20T08:05:00"),
        ("2025-01-20T08:05:00.000+00:00", "2025-01-20T08:05:00"),
        ("20.01.2025 08:05", "2025-01-20T08:05:00"),
    ],
)
def test_times_are_the_persons_wall_clock_even_where_they_look_like_utc(stamp: str, local: str) -> None:
    record = one(CGM, f"{stamp},120,S1")
    assert (record.effective.local, record.effective.offset_minutes) == (local, -300)


def test_the_range_in_the_first_line_tells_the_order_of_dates_that_read_both_ways() -> None:
    body = a_table(CGM, "1/5/2025 8:00,120,S1")
    assert read(body).records[0].effective.local == "2025-01-05T08:00:00"
    wide = a_table(CGM, "1/5/2025 8:00,120,S1", range_="2025-01-01 - 2025-12-31")
    with pytest.raises(Unreadable) as caught:
        read(wide)
    assert caught.value.code == "dates-undecidable"
    assert read(wide, dates="day-first").records[0].effective.local == "2025-05-01T08:00:00"


def test_german_headers_and_decimal_commas() -> None:
    row = '20.01.2025 08:05,Normal,"0,0","50,0",,"4,50",,,POD1'
    dose, carbs = read(a_table(GERMAN_BOLUS, row)).records
    assert isinstance(dose, InsulinDose)
    assert isinstance(carbs, Carbohydrate)
    assert (dose.delivered and dose.delivered.steps, carbs.amount.steps) == (4500, 500)


def test_another_language_is_read_by_place_if_the_files_name_says_what_it_is() -> None:
    header = "Horodatage,Valeur CGM (mg/dl),Numéro"
    assert len(read(a_table(header, "1/20/2025 8:00,120,S1"), "x_cgm_data_1.csv").records) == 1
    with pytest.raises(Unreadable) as caught:
        read(a_table(header + ",Autre", "1/20/2025 8:00,120,S1,"), "cgm_data_1.csv")
    assert caught.value.code == "csv-columns-unknown"


@pytest.mark.parametrize(
    "header",
    [
        "Horodatage,Numéro,Valeur CGM (mg/dl)",  # the serial number would be the glucose
        "Horodatage,Valeur CGM,Numéro",  # in no unit
        "Horodatage,Glucides (g),Numéro",
    ],
)
def test_another_language_is_refused_where_its_units_do_not_stand_in_their_places(header: str) -> None:
    with pytest.raises(Unreadable, match="English and German") as caught:
        read(a_table(header, "1/20/2025 8:00,120,120"), "cgm_data_1.csv")
    assert (caught.value.code, caught.value.path) == ("csv-columns-unknown", "line 2")


def test_a_bolus_table_in_another_language_is_known_by_its_units() -> None:
    header = (
        "Marca de tiempo,Tipo de insulina,Glucosa en sangre (mg/dl),Carbohidratos (g),Relación,Insulina (U),"
        "Inicial (U),Prolongada (U),Serie"
    )
    dose, carbs = read(a_table(header, "1/20/2025 8:05,Normal,,50,,4.5,,,POD1"), "bolus_data_1.csv").records
    assert isinstance(dose, InsulinDose)
    assert isinstance(carbs, Carbohydrate)
    assert (dose.delivered and dose.delivered.steps, carbs.amount.steps) == (4500, 500)
    moved = header.replace("Carbohidratos (g),Relación", "Relación,Carbohidratos (g)")
    with pytest.raises(Unreadable):
        read(a_table(moved, "1/20/2025 8:05,Normal,,,50,4.5,,,POD1"), "bolus_data_1.csv")


def test_what_was_given_at_once_and_over_time_are_two_doses_that_add_up() -> None:
    now, later = read(a_table(BOLUS, "1/20/2025 8:10,Combination,,,,4.5,3,1.5,POD1")).records
    assert isinstance(now, InsulinDose)
    assert isinstance(later, InsulinDose)
    assert (now.kind, now.delivered and now.delivered.steps) == (InsulinKind.BOLUS, 3000)
    assert (later.kind, later.delivered and later.delivered.steps) == (InsulinKind.EXTENDED_BOLUS, 1500)
    wrong = read(a_table(BOLUS, "1/20/2025 8:10,Combination,,,,4.5,1,1.5,POD1"))
    assert [problem.code for problem in wrong.problems] == ["value-contradicted"]


@pytest.mark.parametrize(("kind", "automatic"), [("Scheduled", False), ("Automated", True)])
def test_basal_rates_with_their_duration(kind: str, automatic: bool) -> None:
    dose = one(BASAL, f"1/20/2025 8:00,{kind},60,,0.85,,POD1")
    assert (dose.rate.steps, dose.duration_seconds, dose.automatic) == (850, 3600, automatic)


def test_daily_sums_are_totals_and_alarms_are_events() -> None:
    total = one(TOTALS, "1/20/2025 23:59,2.5,10.5,8.0,POD1")
    assert isinstance(total, InsulinTotal)
    assert [amount and amount.steps for amount in (total.total, total.basal, total.bolus)] == [10500, 8000, 2500]
    events = [one(ALARMS, f"1/20/2025 7:00,{said},POD1") for said in ("Pod Expired", "Etwas Neues")]
    assert [event.event for event in events if isinstance(event, DeviceEvent)] == ["pod-expired", "unmapped"]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("1/20/2025 8:00,6.1,S1", "unit-contradicted"),
        ("1/20/2025 8:00,2001,S1", "value-impossible"),
        ("1/20/2025 25:00,120,S1", "time-unreadable"),
        ("1/20/2025 8:00,120,S1,,9", "row-width"),
    ],
)
def test_rows_that_cannot_be_read_are_set_aside_with_file_and_line_and_can_be_replayed(row: str, code: str) -> None:
    parsed = read(a_zip(cgm_data_1=a_table(CGM, row, "1/20/2025 9:00,121,S1")))
    (problem,) = parsed.problems
    assert (problem.code, problem.path, len(parsed.records)) == (code, "cgm_data_1.csv line 3", 1)
    assert [again.code for again in read(problem.body).problems] == [code]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not-glooko"),
        (b"a,b\n1,2\n3,4\n", "not-glooko"),
        (b"PK\x03\x04rubbish", "zip-damaged"),
        (a_zip(cgm_data_1=EXAMPLE)[:-40], "zip-damaged"),
        (a_zip(x=EXAMPLE), "not-glooko"),
        (EXAMPLE[:-20], "csv-cut"),
        (a_table(CGM.replace("(mg/dl)", ""), "1/20/2025 8:00,120,S1"), None),
    ],
)
def test_what_is_none_or_damaged_is_refused_and_a_unit_is_never_guessed(body: bytes, code: str | None) -> None:
    if code is None:
        assert [problem.code for problem in read(body).problems] == ["unit-missing"]
        return
    with pytest.raises(Unreadable) as caught:
        read(body)
    assert caught.value.code == code
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(("name", "records"), [("cgm", 398), ("bolus", 654), ("basal", 398)])
def test_real_files_of_a_demonstration_account(name: str, records: int) -> None:
    file = f"glooko_omnipod/glooko_demo_en_mmol_tab_{name}_data_1.csv"
    for given in ("", file):
        parsed = read_glooko(real(file), BOSTON, given)
        assert (parsed.problems, len(parsed.records)) == ([], records)
    if name == "cgm":
        glucose = [record for record in parsed.records if isinstance(record, Glucose)]
        assert (glucose[0].value.steps, glucose[0].value.unit, glucose[0].trend) == (55, "mmol/L", "flat")


def test_real_tables_without_rows_are_empty() -> None:
    body = real("glooko_omnipod/glooko_demo_en_mmol_tab_alarms_data_1.csv")
    assert read_glooko(body, BOSTON).records == []
