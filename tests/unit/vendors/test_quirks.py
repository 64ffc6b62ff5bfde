"""What real files do that their formats do not say."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from clinical.records import DeviceEvent, InsulinDose, InsulinKind, PatientRef, VitalSign
from clinical.vendors.apple_health import read_apple_health
from clinical.vendors.carelink_csv import read_carelink_csv
from clinical.vendors.clarity import read_clarity
from clinical.vendors.libreview import read_libreview
from clinical.vendors.making import Whose
from clinical.vendors.nightscout import read_nightscout
from clinical.vendors.parsing import Unreadable
from tests.unit.dexcom.clarity_files import a_file, an_egv

WHOSE = Whose(PatientRef(system="stm", value="P-1"), "1", ZoneInfo("Europe/Berlin"), datetime(2026, 11, 21, tzinfo=UTC))
SECTION = "-------;MiniMed 780G;Pump;NG1;-------"


def _carelink(*lines: str) -> bytes:
    return "\r\n".join([SECTION, *lines, ""]).encode()


def test_a_sensor_glucose_of_nought_with_an_exception_is_the_exception() -> None:
    header = "Index;Date;Time;Sensor Glucose (mg/dL);Sensor Exception"
    parsed = read_carelink_csv(
        _carelink(header, "1;2025/10/25;09:00:00;0;SENSOR_INIT_CODE", "2;2025/10/25;08:55:00;0;"), WHOSE
    )
    assert [type(record) for record in parsed.records] == [DeviceEvent]
    assert [problem.code for problem in parsed.problems] == ["value-impossible"]


def test_a_dual_bolus_is_two_doses_however_its_rows_are_mixed() -> None:
    header = (
        "Index;Date;Time;Bolus Type;Bolus Volume Selected (U);Bolus Volume Delivered (U);Bolus Duration (h:mm:ss);"
        "Bolus Number"
    )
    rows = (
        "4;2025/10/25;13:31:40;Dual/Square;;2,0;;14",
        "3;2025/10/25;12:31:40;Dual/Normal;;1,0;;14",
        "2;2025/10/25;12:31:10;Dual/Normal;1,0;;;14",
        "1;2025/10/25;12:31:10;Dual/Square;3,0;;1:00:00;14",
    )
    doses = [one for one in read_carelink_csv(_carelink(header, *rows), WHOSE).records if isinstance(one, InsulinDose)]
    by_kind = {dose.kind: dose for dose in doses}
    assert len(doses) == 2
    now, later = by_kind[InsulinKind.BOLUS], by_kind[InsulinKind.EXTENDED_BOLUS]
    assert now.delivered is not None
    assert now.delivered.steps == 1000
    assert later.delivered is not None
    assert later.requested is not None
    assert (later.requested.steps, later.delivered.steps, later.duration_seconds) == (3000, 2000, 3600)


def test_a_bolus_number_that_comes_again_days_later_is_another_bolus() -> None:
    header = "Index;Date;Time;Bolus Type;Bolus Volume Selected (U);Bolus Volume Delivered (U);Bolus Number"
    rows = ("2;2025/10/25;12:00:00;Normal;;2,0;14", "1;2025/10/20;12:00:00;Normal;3,0;;14")
    doses = [one for one in read_carelink_csv(_carelink(header, *rows), WHOSE).records if isinstance(one, InsulinDose)]
    assert [(dose.status, dose.requested is not None, dose.delivered is not None) for dose in doses] == [
        ("preliminary", True, False),
        ("final", False, True),
    ]


@pytest.mark.parametrize("date", ["1763900000000.5", "1763900000", "1.7639e12", '"1763900000000"'])
def test_nightscouts_dates_may_have_a_part_of_a_millisecond(date: str) -> None:
    parsed = read_nightscout(f'[{{"_id":"1","type":"sgv","sgv":120,"date":{date}}}]'.encode(), WHOSE)
    assert [record.effective.millis for record in parsed.records] == [1_763_900_000_000]


def test_apples_numbers_have_digits_only() -> None:
    at = "2026-03-01 10:00:00 +0100"
    samples = "".join(
        f'<Record type="HKQuantityTypeIdentifierStepCount" sourceName="Watch" unit="count" startDate="{at}" '
        f'endDate="2026-03-01 10:0{place}:00 +0100" value="{value}"/>'
        for place, value in enumerate(["1_10", "\u0663\u0663", "33"])
    )
    parsed = read_apple_health(f"<HealthData>{samples}</HealthData>".encode(), WHOSE)
    assert [record.value.steps for record in parsed.records if isinstance(record, VitalSign)] == [33]
    assert [problem.code for problem in parsed.problems] == ["value-not-a-number"] * 2


GERMAN = (
    "Gerät;Seriennummer;Gerätezeitstempel;Aufzeichnungstyp;Glukosewert-Verlauf mmol/L;Glukose-Scan mmol/L;{between}"
    "Nicht numerisches schnellwirkendes Insulin;Schnellwirkendes Insulin (Einheiten);Nicht numerische Nahrungsdaten;"
    "Kohlenhydrate (Gramm);Kohlenhydrate (Portionen);Nicht numerisches Depotinsulin;Depotinsulin (Einheiten);Notizen;"
    "Glukose-Teststreifen mmol/L;Keton mmol/L;Mahlzeiteninsulin (Einheiten);Korrekturinsulin (Einheiten);"
    "Insulin-Änderung durch Anwender (Einheiten){behind}"
)
KETONES = "Keton-Verlauf mmol/L;Keton-Scan mmol/L"


def _libreview(between: str, behind: str, row: str) -> bytes:
    first = "Glukosedaten;Erstellt am;20-10-2026 22:34 UTC;Erstellt von;X"
    return "\r\n".join([first, GERMAN.format(between=between, behind=behind), row, ""]).encode()


def test_ketone_columns_behind_all_others_change_nothing() -> None:
    row = "FreeStyle Libre 2;S;20-10-2026 10:00;4;;;;3,5" + ";" * 13
    parsed = read_libreview(_libreview("", f";{KETONES}", row), WHOSE)
    assert [record.delivered.steps for record in parsed.records if isinstance(record, InsulinDose) and record.delivered]


def test_ketone_columns_between_the_others_of_a_translated_header_are_refused() -> None:
    """By place the insulin would be read from another column, and lost."""
    row = "FreeStyle Libre 2;S;20-10-2026 10:00;4;;;;;;3,5" + ";" * 11
    with pytest.raises(Unreadable) as refused:
        read_libreview(_libreview(f"{KETONES};", "", row), WHOSE)
    assert refused.value.code == "csv-columns-moved"


def test_a_clarity_reading_dated_after_the_file_came_in_is_a_problem() -> None:
    rows = [an_egv("2026-11-20T10:00:00"), an_egv("2026-11-23T10:00:00"), an_egv("1961-04-12T01:06:48")]
    asked_at = datetime(2026, 11, 21, tzinfo=UTC)
    parsed = read_clarity(a_file(rows), WHOSE.patient, ZoneInfo("Europe/Berlin"), asked_at=asked_at)
    assert [problem.code for problem in parsed.problems] == ["time-impossible"]
    assert [any("before 2000" in deed.what for deed in record.done) for record in parsed.records] == [True, False]
