"""The pure parser of Clarity exports."""

from collections import Counter
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import pytest

from clinical.records import Detection, Device, Instant, Original, PatientRef, Quantity, Road, SourceId
from clinical.units import MG_DL, MMOL_L
from clinical.vendors.clarity import preamble_identifier, read_clarity
from clinical.vendors.parsing import Parsed, Unreadable
from tests.builders import glucose_of, glucoses
from tests.unit.dexcom.clarity_files import COLUMNS, FIRST_LINE, PREAMBLE, a_file, an_egv

PATIENT = PatientRef(system="stm", value="P-1")
DUBLIN = ZoneInfo("Europe/Dublin")
THREE = (
    an_egv("2026-03-01T10:00:00", "101", "4240874", "8ABCDE"),
    an_egv("2026-03-01T10:05:00", "102", "4241174", "8ABCDE"),
    an_egv("2026-03-01T10:10:00", "103", "4241474", "8ABCDE"),
)


def read(body: bytes, zone: ZoneInfo = DUBLIN, **details: object) -> Parsed:
    return read_clarity(body, PATIENT, zone, **details)  # type: ignore[arg-type]


def values(parsed: Parsed) -> list[str | None]:
    return [record.original.value for record in parsed.records]


# --- real files


def test_the_real_g6_file_with_the_doubly_encoded_byte_order_mark(sample: Callable[[str], bytes]) -> None:
    parsed = read(sample("clarity_g6_mgdl_synthetic_lowvalues_badbom.csv"))
    assert (len(parsed.records), len(parsed.problems), parsed.skipped) == (3922, 0, 57)
    first, *_, last = readings = glucoses(parsed.records)
    assert (first.original.time, first.value) == ("1961-04-12 00:56:47", Quantity(steps=144, unit=MG_DL))
    assert (last.original.time, last.value) == ("1961-04-25 18:52:23", Quantity(steps=101, unit=MG_DL))
    assert first.source == SourceId(road=Road.CSV, system="clarity", value="HBRPOI|4240874")
    assert first.device == Device(vendor="Dexcom", model="Dexcom G6", generation="g6", serial="HBRPOI")
    low = [record for record in readings if record.detection]
    assert [record.original.time for record in low] == [
        "1961-04-17 04:17:00",
        "1961-04-17 18:57:02",
        "1961-04-17 19:02:02",
        "1961-04-17 19:07:03",
        "1961-04-17 19:12:02",
    ]
    assert {(record.detection, record.value.steps, record.original.value) for record in low} == {
        (Detection.BELOW, 40, "Low")
    }
    # rows 5 to 10 of the preamble hold thresholds of 251, 64 and 40; none of them came in as a reading
    assert all(record.original.time for record in parsed.records)
    assert len({record.source.value for record in parsed.records}) == 3922


def test_the_real_us_file_with_12_columns(sample: Callable[[str], bytes]) -> None:
    parsed = read(sample("clarity_g6_mgdl_us_iphone_12cols.csv"), ZoneInfo("America/New_York"))
    assert (len(parsed.records), len(parsed.problems), parsed.skipped) == (2148, 0, 11)
    first, last = parsed.records[0], parsed.records[-1]
    assert (first.original, first.effective.offset_minutes) == (
        Original(value="103", unit="mg/dL", time="2016-10-24T11:24:17"),
        -240,
    )
    assert (last.original.value, last.effective.local) == ("108", "2016-11-01T09:19:02")
    assert not any("Joe" in str(record) or "Schmoe" in str(record) for record in parsed.records)
    assert len({record.source.value for record in parsed.records}) == 2148


def test_the_real_us_file_read_in_a_zone_whose_clocks_went_back_asks(sample: Callable[[str], bytes]) -> None:
    """30 October 2016, 01:00 to 02:00, occurs twice in Dublin; without a transmitter's clock nothing tells which."""
    parsed = read(sample("clarity_g6_mgdl_us_iphone_12cols.csv"))
    assert Counter(problem.code for problem in parsed.problems) == {"time-twice": 12}
    assert len(parsed.records) == 2148 - 12


# --- columns and headers


@pytest.mark.parametrize("count", [12, 13, 14])
def test_files_have_12_to_14_columns(count: int) -> None:
    parsed = read(a_file(THREE, columns=COLUMNS[:count]))
    assert values(parsed) == ["101", "102", "103"]
    assert len({record.source.value for record in parsed.records}) == 3


def test_translated_headers_and_events_are_known_by_their_place() -> None:
    columns = list(COLUMNS)
    columns[0], columns[2], columns[7] = "Indice", "Tipo di evento", "Valore glicemico (mmol/L)"
    columns[12] = "Ora trasmettitore (Intero lungo)"
    rows = [
        ("", "Avviso", "Alto", "", "", "android G6", "13,9", "", "", "", "", "", ""),
        an_egv("2026-03-01T10:00:00", "5,6"),
        ("2026-03-01T10:01:00", "Insulina", "Ad azione rapida", "", "", "android G6", "", "4", "", "", "", "", ""),
        an_egv("2026-03-01T10:05:00", "Low"),
        an_egv("2026-03-01T10:10:00", "High"),
    ]
    parsed = read(a_file(rows, columns=columns, delimiter=";"))
    readings = glucoses(parsed.records)
    assert [(record.value.steps, record.detection) for record in readings] == [
        (56, None),
        (22, Detection.BELOW),
        (222, Detection.ABOVE),
    ]
    assert {record.value.unit for record in readings} == {MMOL_L}
    assert parsed.records[0].original.value == "5,6"


@pytest.mark.parametrize(
    "mark",
    [
        b"",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xc3\xaf\xc2\xbb\xc2\xbf",  # the mark read as Latin-1 and encoded once more
        b'\xef\xbb\xbf"\xc3\xaf\xc2\xbb\xc2\xbf""Index""",',
        b'\xef\xbb\xbf"\xc3\xaf\xc2\xbb\xc2\xbf""""Index""""",',
    ],
)
def test_byte_order_marks_once_and_twice_encoded_do_no_harm(mark: bytes) -> None:
    body = a_file(THREE)
    body = mark + (body.removeprefix(b"Index,") if mark.endswith(b",") else body)
    assert values(read(body)) == ["101", "102", "103"]


def test_a_file_saved_as_utf_16_is_read() -> None:
    assert values(read(a_file(THREE).decode().encode("utf-16"))) == ["101", "102", "103"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_line_end_will_do(newline: str) -> None:
    assert values(read(a_file(THREE, newline=newline))) == ["101", "102", "103"]


# --- what is kept and what is not


def test_names_and_settings_are_counted_and_forgotten() -> None:
    bad = an_egv("2026-03-01T10:15:00", "", "4241774", "8ABCDE")
    parsed = read(a_file((*THREE, bad)))
    assert parsed.skipped == len(PREAMBLE)
    assert b"CANARY" not in parsed.problems[0].body
    assert "CANARY" not in str(parsed.records) + str(parsed.problems) + repr(parsed)


def test_alert_thresholds_are_no_readings() -> None:
    rows = [("2026-03-01T09:00:00", "Alert", "High", "", "", "iPhone G6", "251", "", "", "", "", "", ""), *THREE]
    assert values(read(a_file(rows))) == ["101", "102", "103"]


def test_the_clinics_own_identifier_can_be_read_from_the_preamble() -> None:
    assert preamble_identifier(a_file(THREE)) == "MRN-77"
    assert preamble_identifier(a_file(THREE, preamble=PREAMBLE[:2])) is None
    assert preamble_identifier(a_file((), preamble=())) is None


def test_problems_hold_the_identifier_only_on_request() -> None:
    body = a_file((*THREE, an_egv("2026-03-01T10:15:00", "x", "4241774", "8ABCDE")))
    assert b"MRN-77" not in read(body).problems[0].body
    excerpt = read(body, keep_identifier=True).problems[0].body
    assert preamble_identifier(excerpt) == "MRN-77"
    assert b"CANARY" not in excerpt


def test_a_reading_keeps_what_was_written_beside_what_was_made_of_it() -> None:
    record = glucose_of(read(a_file(THREE), version="v1").records[0])
    assert record.value == Quantity(steps=101, unit=MG_DL)
    assert record.original == Original(value="101", unit="mg/dL", time="2026-03-01T10:00:00")
    assert record.effective == Instant(
        millis=1772359200000, how="zone", local="2026-03-01T10:00:00", offset_minutes=0, zone="Europe/Dublin"
    )
    assert record.source == SourceId(road=Road.CSV, system="clarity", value="8ABCDE|4240874", version="v1")
    assert record.patient == PATIENT


def test_without_a_transmitter_a_reading_is_named_by_patient_device_and_wall_clock() -> None:
    def identity(device: str = "iPhone G6", time: str = "2026-03-01T10:00:00", patient: PatientRef = PATIENT) -> str:
        body = a_file([an_egv(time, device=device)], columns=COLUMNS[:12])
        return read_clarity(body, patient, DUBLIN).records[0].source.value

    others = [
        identity("SM123"),
        identity(time="2026-03-01T10:00:01"),
        identity(patient=PatientRef(system="x", value="y")),
    ]
    assert identity() == identity()
    assert len({identity(), *others}) == 4


def test_a_receivers_serial_number_is_not_taken_for_the_sensors_model() -> None:
    (record,) = read(a_file([an_egv("2026-03-01T10:00:00", device="SM64305284")])).records
    assert record.device == Device(vendor="Dexcom")


def test_records_come_out_in_the_order_of_their_time() -> None:
    assert values(read(a_file(tuple(reversed(THREE))))) == ["101", "102", "103"]


# --- rows that cannot be read


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (an_egv("2026-03-01T10:15:00", ""), "value-missing"),
        (an_egv("2026-03-01T10:15:00", "CANARY"), "value-not-a-number"),
        (an_egv("2026-03-01T10:15:00", "5.6"), "value-impossible"),
        (an_egv("2026-03-01T10:15:00", "4000"), "value-impossible"),
        (an_egv("", "101"), "time-missing"),
        (an_egv("CANARY", "101"), "time-unreadable"),
        (an_egv("2026-03-01", "101"), "time-unreadable"),
        (an_egv("2026-02-29T10:00:00", "101"), "time-unreadable"),
        (an_egv("2026-03-01T10:15:00", "101")[:-1], "row-width"),
        ((*an_egv("2026-03-01T10:15:00", "101"), "one more"), "row-width"),
        (("moved", *an_egv("2026-03-01T10:15:00", "101")), "row-width"),
        (("moved", *an_egv("2026-03-01T10:15:00", "101")[:-1]), "row-width"),
        (an_egv("2026-03-01T10:15:00", "101", device="CANARY" * 40), "field-invalid"),
    ],
)
def test_a_bad_row_is_a_problem_with_its_line_and_the_others_go_on(row: Sequence[str], code: str) -> None:
    lines = a_file([THREE[0], THREE[1], THREE[2]]).decode().splitlines()
    lines.insert(FIRST_LINE, "12," + ",".join(row))
    parsed = read("\n".join([*lines, ""]).encode())
    assert values(parsed) == ["101", "102", "103"]
    (problem,) = parsed.problems
    assert (problem.path, problem.code) == (f"line {FIRST_LINE + 1}", code)
    assert "CANARY" not in f"{problem} {problem.text}"


def test_a_problem_read_again_gives_the_same_problem_and_nothing_else() -> None:
    body = a_file((*THREE, an_egv("2026-03-01T10:15:00", "-1", "4241774", "8ABCDE"), THREE[0]))
    (problem,) = read(body).problems
    again = read(problem.body)
    assert (list(again.records), again.skipped) == ([], 0)
    assert [(other.code, other.path, other.body) for other in again.problems] == [
        ("value-impossible", "line 2", problem.body)
    ]


# --- files that were cut, or are something else


def test_a_file_cut_anywhere_in_its_last_row_is_refused_with_the_line() -> None:
    whole = a_file(THREE).rstrip(b"\r\n")
    begin = whole.rindex(b"\n") + 1
    for length in range(begin + 1, len(whole)):
        with pytest.raises(Unreadable) as caught:
            read(whole[:length])
        assert (caught.value.code, caught.value.path) == ("csv-cut", f"line {FIRST_LINE + 2}"), length


def test_a_file_that_ends_without_a_line_end_but_whole_is_taken() -> None:
    assert values(read(a_file(THREE).rstrip(b"\r\n"))) == ["101", "102", "103"]


def test_a_file_with_a_single_reading_that_was_cut_is_refused() -> None:
    whole = a_file(THREE[:1], preamble=())
    with pytest.raises(Unreadable) as caught:
        read(whole[: whole.index(b"4240874")])
    assert (caught.value.code, caught.value.path) == ("csv-cut", "line 2")


def test_settings_rows_shorter_than_the_header_are_no_cut() -> None:
    parsed = read(a_file(()))
    assert (list(parsed.records), parsed.skipped) == ([], len(PREAMBLE))


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ('99,2026-03-01T11:00:00,EGV,,,,"iPhone G6,101,,,,,4244474,8ABCDE', "csv-cut"),
        ('99,2026-03-01T11:00:00,EGV,,,,"iPhone" G6,101,,,,,4244474,8ABCDE', "csv-invalid"),
        ('99,2026-03-01T11:00:00,EGV,,,,"' + "x" * 200_000, "csv-quote"),
        ('99,2026-03-01T11:00:00,EGV,,,,"iPhone\nG6",101,,,,,4244474,8ABCDE', "csv-quote"),
    ],
)
def test_stray_quotes_refuse_the_file_with_the_line(row: str, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(a_file(THREE) + row.encode() + b"\r\n")
    assert (caught.value.code, caught.value.path) == (code, f"line {FIRST_LINE + 3}")


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        (b"", "csv-empty", None),
        (b"\r\n\r\n", "csv-empty", None),
        (b"time,glucose\r\n2026-03-01T10:00:00,101\r\n", "csv-not-clarity", "line 1"),
        (a_file(THREE).replace(b"(mg/dL)", b""), "csv-not-clarity", "line 1"),
        (a_file(THREE).replace(b"Event Subtype,", b"").replace(b"Patient Info,", b""), "csv-not-clarity", "line 1"),
        (a_file(THREE).replace(b"iPhone", b"iPhon\xe9"), "csv-encoding", f"line {PREAMBLE.index(PREAMBLE[4]) + 2}"),
        (b"PK\x03\x04 this is a spreadsheet", "csv-not-clarity", "line 1"),
    ],
)
def test_what_is_no_clarity_export_is_refused_whole(body: bytes, code: str, path: str | None) -> None:
    with pytest.raises(Unreadable) as caught:
        read(body)
    assert (caught.value.code, caught.value.path) == (code, path)
