"""CareLink's export: sections, a bolus in two rows, rows that repeat, sums that are no doses."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clinical.records import (
    Analyte,
    Carbohydrate,
    Detection,
    DeviceEvent,
    Glucose,
    InsulinDose,
    InsulinKind,
    InsulinTotal,
    Status,
)
from clinical.vendors.carelink_csv import read_carelink_csv
from clinical.vendors.making import Whose
from clinical.vendors.parsing import Parsed, Unreadable
from tests.unit.vendors.mutations import CANARY, PATIENT, says_nothing_personal
from tests.unit.vendors.samples import real

BERLIN = Whose(PATIENT, "v1", ZoneInfo("Europe/Berlin"))
HEADER = (
    "Index;Date;Time;New Device Time;BG Reading (mg/dL);Basal Rate (U/h);Temp Basal Amount;Temp Basal Type;"
    "Temp Basal Duration (h:mm:ss);Bolus Type;Bolus Volume Selected (U);Bolus Volume Delivered (U);"
    "Bolus Duration (h:mm:ss);Prime Volume Delivered (U);Alert;Suspend;Rewind;BWZ Carb Input (grams);"
    "Sensor Calibration BG (mg/dL);Sensor Glucose (mg/dL);Event Marker;Bolus Number;Bolus Source;Sensor Exception"
)
COLUMNS = {name.split(" (")[0]: place for place, name in enumerate(HEADER.split(";"))}
PARADIGM = (
    b"Data Range,3/13/14 00:00:00,to,3/15/14 22:36:32\r\n"
    b"Index,Date,Time,Timestamp,Bolus Type,Bolus Volume Selected (U),Bolus Volume Delivered (U),Sensor Glucose (mg/dL),"
    b"Raw-Type,Raw-Values,Raw-Upload ID,Raw-Device Type\r\n"
    b'2,3/4/14,00:04:00,3/4/14 00:04:00,,,,120,GlucoseSensorData,"AMOUNT=120, ISIG=16.54",1,Paradigm Revel - 723\r\n'
    b'3,3/4/14,00:04:00,3/4/14 00:04:00,,,,120,GlucoseSensorData,"AMOUNT=120, ISIG=16.54",2,Paradigm Revel - 723\r\n'
    b"4,3/4/14,02:00:00,3/4/14 02:00:00,Dual/Normal,3.6,3.6,,BolusNormal,A=1,1,Paradigm Revel - 723\r\n"
    b'5,3/4/14,03:00:00,3/4/14 03:00:00,,,,,BasalProfileStart,"PATTERN_NAME=standard, RATE=0.65",1,Paradigm\r\n'
)


def row(time: str, date: str = "2025/10/30", **values: str) -> str:
    cells = ["0,00000", date, time] + [""] * (len(COLUMNS) - 3)
    for name, value in values.items():
        cells[COLUMNS[name.replace("_", " ")]] = value
    return ";".join(cells)


def section(*rows: str, title: str = "MiniMed 780G MMT-1886;Pump;NG1;-------", header: str = HEADER) -> list[str]:
    return ["", f"-------;{title} ", header, *rows]


SELECTED = row("17:35:40", Bolus_Type="Normal", Bolus_Volume_Selected="1,175", Bolus_Number="131")
DELIVERED = row(
    "17:36:29", Bolus_Type="Normal", Bolus_Volume_Selected="1,175", Bolus_Volume_Delivered="1,1", Bolus_Number="131"
)


def an_export(*sections: list[str]) -> bytes:
    preamble = [
        "Last Name;First Name;Patient ID;Start Date;End Date;Device;MiniMed 780G",
        f'"{CANARY}";"{CANARY}";"";"02/08/2025 00:00:00";"30/10/2025 00:00:00"',
        f"Patient DOB;{CANARY};;;;;CGM;Guardian 4 Sensor",
    ]
    rows = sections or (section(DELIVERED, SELECTED), section(row("17:00:00", Sensor_Glucose="131")))
    return ("\ufeff" + "\r\n".join([*preamble, *(line for lines in rows for line in lines), ""])).encode()


def read(*rows: str, whose: Whose = BERLIN, **more: Any) -> Parsed:
    parsed = read_carelink_csv(an_export(section(*rows)), whose, **more)
    says_nothing_personal(parsed)
    return parsed


def one(*rows: str, **more: Any) -> Any:
    parsed = read(*rows, **more)
    assert not parsed.problems
    (made,) = parsed.records
    return made


def test_a_bolus_in_two_rows_is_one_dose_from_when_it_was_selected() -> None:
    dose = one(DELIVERED, SELECTED)
    assert (dose.requested.steps, dose.delivered.steps, dose.effective.local) == (1175, 1100, "2025-10-30T17:35:40")
    assert (dose.kind, dose.status, dose.automatic) == (InsulinKind.BOLUS, Status.FINAL, False)


def test_a_bolus_that_was_only_selected_is_preliminary_and_nothing_was_delivered() -> None:
    dose = one(SELECTED)
    assert (dose.status, dose.delivered) == (Status.PRELIMINARY, None)


def test_the_dose_keeps_its_name_when_the_second_row_comes_in_a_later_export() -> None:
    assert one(SELECTED).source.value == one(DELIVERED, SELECTED).source.value


def test_what_the_algorithm_gave_in_a_day_is_a_total_and_never_a_dose() -> None:
    total = row("00:00:00", Bolus_Volume_Delivered="27,895", Bolus_Source="CLOSED_LOOP_AUTO_INSULIN")
    record = one(total)
    assert isinstance(record, InsulinTotal)
    assert record.basal is not None
    assert record.basal.steps == 27895


def test_the_algorithms_corrections_are_automatic() -> None:
    assert one(row("10:00:00", Bolus_Volume_Delivered="0,3", Bolus_Source="CLOSED_LOOP_BG_CORRECTION")).automatic


def test_rows_that_stand_there_twice_count_once() -> None:
    first = row("10:00:00", Event_Marker="Insulin: 27,00")
    parsed = read(first, first.replace("0,00000", "1,00000"))
    (dose,) = parsed.records
    assert isinstance(dose, InsulinDose)
    assert dose.delivered is not None
    assert (dose.kind, dose.delivered.steps, parsed.skipped) == (InsulinKind.INJECTION, 27000, 1)


@pytest.mark.parametrize(
    ("text", "steps", "detection"),
    [("131", 131, None), ("776", 400, Detection.ABOVE), ("777", 40, Detection.BELOW), ("39", 40, Detection.BELOW)],
)
def test_sensor_glucose_and_its_states(text: str, steps: int, detection: Detection | None) -> None:
    record = one(row("10:00:00", Sensor_Glucose=text))
    assert isinstance(record, Glucose)
    assert (record.value.steps, record.detection, record.analyte) == (steps, detection, Analyte.INTERSTITIAL_GLUCOSE)
    assert record.device is not None
    assert (record.device.model, record.device.serial) == ("MiniMed 780G MMT-1886", "NG1")


@pytest.mark.parametrize(
    ("column", "said", "event"),
    [
        ("Alert", "LOW SG", "alert-low"),
        ("Suspend", "PLGM_PREDICTED_LOW_SG", "pump-suspend-predicted-low"),
        ("Suspend", "NORMAL_PUMPING", "pump-resume"),
        ("Sensor_Exception", "SENSOR_INIT_CODE", "warm-up"),
        ("New_Device_Time", "2025/10/30 12:00:00", "clock-change"),
        ("Alert", "Other Alarm Code: 1003", "unmapped"),
    ],
)
def test_events(column: str, said: str, event: str) -> None:
    record = one(row("10:00:00", **{column: said}))
    assert isinstance(record, DeviceEvent)
    assert record.event == event


def test_the_rest_of_a_row() -> None:
    parsed = read(
        row("10:00:00", BG_Reading="120", BWZ_Carb_Input="45", Basal_Rate="0,85", Prime_Volume_Delivered="9,5"),
        row("09:00:00", Temp_Basal_Amount="0,5", Temp_Basal_Type="Rate", Temp_Basal_Duration="2:00:00"),
        row("08:00:00", Sensor_Calibration_BG="118"),
        row("07:00:00", Event_Marker="Start of the day"),
    )
    assert not parsed.problems
    doses = {record.kind: record for record in parsed.records if isinstance(record, InsulinDose) and record.delivered}
    assert list(doses) == [InsulinKind.PRIMING]
    rates = [record for record in parsed.records if isinstance(record, InsulinDose) and record.rate]
    assert [(dose.rate.steps, dose.duration_seconds) for dose in rates if dose.rate] == [(500, 7200), (850, None)]
    assert [record.amount.steps for record in parsed.records if isinstance(record, Carbohydrate)] == [450]
    assert [record.event for record in parsed.records if isinstance(record, DeviceEvent)] == ["calibration"]
    assert parsed.skipped == 1


def test_each_section_has_a_header_of_its_own() -> None:
    pump = section(row("10:00:00", Basal_Rate="0,85"))
    sensor = section(
        "4,0;6,1;10:05:00;2025/10/30",
        title="Guardian Connect;Sensor;GT1;-------",
        header="Index;Sensor Glucose (mmol/L);Time;Date",
    )
    parsed = read_carelink_csv(an_export(pump, sensor), BERLIN)
    glucose = parsed.records[1]
    assert isinstance(glucose, Glucose)
    assert (glucose.value.steps, glucose.value.unit) == (61, "mmol/L")
    assert glucose.device is not None
    assert glucose.device.model == "Guardian Connect"


def test_doses_of_an_inpen_are_injections() -> None:
    pen = section(row("10:00:00", Bolus_Volume_Delivered="4,5"), title="InPen;Pen;P1;-------")
    (dose,) = read_carelink_csv(an_export(pen), BERLIN).records
    assert isinstance(dose, InsulinDose)
    assert dose.kind is InsulinKind.INJECTION


def test_the_hour_that_comes_twice_is_told_by_the_order_newest_first() -> None:
    times = ("03:05:00", "02:30:00", "02:00:00", "02:30:00", "02:00:00", "01:55:00")
    rows = [row(time, "2025/10/26", Sensor_Glucose=str(100 + place)) for place, time in enumerate(times)]
    records = read(*rows).records
    assert [record.value.steps for record in records if isinstance(record, Glucose)] == [105, 104, 103, 102, 101, 100]
    assert read(rows[1]).problems[0].code == "time-twice"


def test_a_row_wider_than_its_header_is_set_aside_and_can_be_replayed() -> None:
    parsed = read(row("10:00:00", Sensor_Glucose="120") + ";;", row("09:00:00", Sensor_Glucose="121"))
    (problem,) = parsed.problems
    assert (problem.path, problem.code, len(parsed.records)) == ("line 7", "row-width", 1)
    assert [again.code for again in read_carelink_csv(problem.body, BERLIN).problems] == ["row-width"]


def test_paradigm_pumps_rows_of_several_uploads() -> None:
    parsed = read_carelink_csv(PARADIGM, BERLIN)
    assert not parsed.problems
    assert [type(record).__name__ for record in parsed.records] == ["Glucose", "InsulinDose", "InsulinDose"]
    assert parsed.skipped == 1
    assert parsed.records[0].effective.local == "2014-03-04T00:04:00"


def test_dates_that_read_both_ways_are_asked_about() -> None:
    body = PARADIGM.replace(b"3/13/14", b"3/4/14").replace(b"3/15/14", b"3/5/14")
    with pytest.raises(Unreadable) as caught:
        read_carelink_csv(body, BERLIN)
    assert caught.value.code == "dates-undecidable"
    assert read_carelink_csv(body, BERLIN, dates="day-first").records[0].effective.local == "2014-04-03T00:04:00"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda body: body[:-24], "csv-cut"),
        (lambda body: body.replace(b"Index;Date", b"Index;Datum"), "csv-not-carelink"),
        (lambda body: body.replace(b"BG Reading (mg/dL)", b"BG Reading (mmol/L)"), "unit-mixed"),
        (lambda body: body.replace(b"131", b"\xff"), "csv-encoding"),
    ],
)
def test_files_that_are_none_or_cut_are_refused(change: Any, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_carelink_csv(change(an_export()), BERLIN)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("day", "time", "language"),
    [
        (b"Datum", b"Zeit", "German"),
        (b"Datum", b"Tijd", "Dutch"),
        (b"Date", b"Heure", "French"),
        (b"Fecha", b"Hora", "Spanish"),
        (b"Data", b"Ora", "Italian"),
    ],
)
def test_an_export_in_another_language_is_refused_with_the_language_and_its_line(
    day: bytes, time: bytes, language: str
) -> None:
    with pytest.raises(Unreadable, match=f"in {language}: .*in English") as caught:
        read_carelink_csv(an_export().replace(b"Index;Date;Time", b"Index;" + day + b";" + time), BERLIN)
    assert caught.value.code == "csv-not-carelink"
    assert caught.value.path != "line 1"


def test_a_real_file_with_reordered_columns() -> None:
    parsed = read_carelink_csv(real("medtronic/carelink_780g_fixture_reordered-columns.csv"), BERLIN)
    values = [record.value.steps for record in parsed.records if isinstance(record, Glucose)]
    assert (values, parsed.problems) == ([188, 171, 156, 142, 185, 165, 123, 150, 131], [])


def test_a_real_780g_file_with_ragged_rows() -> None:
    parsed = read_carelink_csv(real("medtronic/carelink_780g_fixture_valid-6line-header.csv"), BERLIN)
    assert [problem.path for problem in parsed.problems] == ["line 12", "line 14", "line 16"]
    given = [record for record in parsed.records if isinstance(record, InsulinDose) and record.delivered]
    assert len(given) == 1


def test_a_real_paradigm_file() -> None:
    whose = Whose(PATIENT, "v1", ZoneInfo("America/New_York"))
    parsed = read_carelink_csv(real("medtronic/carelink_legacy_paradigm_withSettingsChanges.csv"), whose)
    assert not parsed.problems
    assert len(parsed.records) == 22
    extended = [record for record in parsed.records if getattr(record, "kind", None) is InsulinKind.EXTENDED_BOLUS]
    (dose,) = (record for record in extended if isinstance(record, InsulinDose))
    assert dose.requested is not None
    assert dose.delivered is not None
    assert (dose.requested.steps, dose.delivered.steps, dose.duration_seconds) == (2300, 1700, 3600)
