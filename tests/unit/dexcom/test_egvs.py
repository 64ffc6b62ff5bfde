"""The pure parser of EGV bodies."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from clinical.records import Analyte, Detection, Device, Instant, Original, PatientRef, Quantity, Road, SourceId, Status
from clinical.units import MG_DL, MMOL_L
from clinical.vendors.dexcom import newest_system_time, open_egvs, read_egvs
from clinical.vendors.parsing import Parsed, Unreadable
from tests.builders import glucoses

PATIENT = PatientRef(system="stm", value="P-1")


def an_egv(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A reading as a phone uploads it, five minutes after the one before; None as a change leaves a field out."""
    record = {
        "recordId": f"rec-{number}",
        "systemTime": f"2025-01-30T23:{10 + 5 * number:02d}:55Z",
        "displayTime": f"2025-01-30T15:{10 + 5 * number:02d}:55-08:00",
        "transmitterId": "abc123",
        "transmitterTicks": 85273 + 300 * number,
        "value": 101 + number,
        "status": None,
        "trend": "flat",
        "trendRate": 0.1,
        "unit": "mg/dL",
        "rateUnit": "mg/dL/min",
        "displayDevice": "iOS",
        "transmitterGeneration": "g7",
        "displayApp": "G7",
        **changes,
    }
    return {name: value for name, value in record.items() if value != "LEAVE OUT"}


def a_body(*records: Any, **changes: Any) -> bytes:
    envelope = {"recordType": "egv", "recordVersion": "3.0", "userId": "user-1", "records": list(records), **changes}
    return json.dumps(envelope).encode()


def read(body: bytes, **details: Any) -> Parsed:
    return read_egvs(open_egvs(body), PATIENT, **details)


def test_reads_the_example_of_the_documentation(sample: Callable[[str], bytes]) -> None:
    parsed = read(sample("dexcom_v3_egvs_doc_example.json"), version="2026-11-20T10:15:00.000000Z")
    assert not parsed.problems
    (record,) = glucoses(parsed.records)
    assert record.value == Quantity(steps=101, unit=MG_DL)
    assert record.analyte is Analyte.INTERSTITIAL_GLUCOSE
    assert record.status is Status.FINAL
    assert record.effective == Instant(
        millis=1738280995000, how="device-utc", local="2025-01-30T15:49:55", offset_minutes=-480
    )
    assert record.source == SourceId(
        road=Road.CLOUD,
        system="dexcom",
        value="2cab70ee-d3b4-5a34-9aa9-767513ab72bd",
        version="2026-11-20T10:15:00.000000Z",
    )
    assert record.original == Original(value="101", unit="mg/dL", time="2025-01-30T23:49:55Z")
    assert record.trend == "flat"
    assert record.device == Device(
        vendor="Dexcom",
        model="Dexcom G7",
        generation="g7",
        serial="cdb4f8eea4392295413c64d5bc7a9e0e0ee9b215fb43c5a6d71d4431e540046b",
    )
    assert record.done == ()


def test_reads_the_example_of_version_2(sample: Callable[[str], bytes]) -> None:
    (record,) = glucoses(read(sample("dexcom_v2_egvs_doc_example.json")).records)
    assert (record.value, record.trend) == (Quantity(steps=122, unit=MG_DL), "flat")
    assert record.effective.millis == 1566656122000


def test_without_ids_a_reading_is_named_by_patient_and_system_time() -> None:
    body = b'{"unit":"mg/dL","egvs":[{"systemTime":"2019-08-24T14:15:22Z","value":122}]}'
    smoothed = body.replace(b"122}", b"125}")
    other = PatientRef(system="stm", value="P-2")
    (first,), (again,) = read(body).records, read(smoothed).records
    (elsewhere,) = read_egvs(open_egvs(body), other).records
    assert first.source.value == again.source.value != elsewhere.source.value
    assert "P-1" not in first.source.value


def test_records_come_out_in_the_order_of_their_time() -> None:
    parsed = read(a_body(an_egv(2), an_egv(1), an_egv(0)))
    assert [record.original.value for record in parsed.records] == ["101", "102", "103"]


def test_an_update_keeps_the_identity_of_the_reading() -> None:
    (before,) = read(a_body(an_egv(value=101)), version="1").records
    (after,) = read(a_body(an_egv(value=98)), version="2").records
    assert (before.source.system, before.source.value) == (after.source.system, after.source.value)
    assert before.source.version != after.source.version


@pytest.mark.parametrize(
    ("changes", "offset", "local"),
    [
        # a receiver writes neither offset: the difference is the zone, whatever its clocks drift
        ({"systemTime": "2025-01-30T23:10:55", "displayTime": "2025-01-30T15:10:55"}, -480, "2025-01-30T15:10:55"),
        ({"systemTime": "2025-01-30T23:10:55", "displayTime": "2025-01-30T15:21:40"}, -480, "2025-01-30T15:21:40"),
        ({"displayTime": "2025-01-31T04:56:02"}, 345, "2025-01-31T04:56:02"),  # Nepal
        ({"displayTime": "2025-01-31T04:40:30"}, 330, "2025-01-31T04:40:30"),  # India
        ({"displayTime": "2025-01-31T12:10:55"}, 780, "2025-01-31T12:10:55"),
        # the wall clock was set to another day: no zone
        ({"displayTime": "2025-02-02T15:10:55"}, None, "2025-02-02T15:10:55"),
        ({"displayTime": None}, None, None),
    ],
)
def test_the_offset_of_a_receiver_is_found_or_stays_unknown(
    changes: dict[str, Any], offset: int | None, local: str | None
) -> None:
    (record,) = read(a_body(an_egv(**changes))).records
    assert record.effective.millis == 1738278655000
    assert (record.effective.offset_minutes, record.effective.local) == (offset, local)


def test_a_derived_offset_is_written_into_what_was_done() -> None:
    (record,) = read(a_body(an_egv(displayTime="2025-01-30T15:10:55"))).records
    assert [deed.what for deed in record.done] == ["offset taken from display time minus system time"]


def test_an_offset_that_is_written_wins_over_the_difference() -> None:
    (record,) = read(a_body(an_egv(displayTime="2025-01-30T17:10:55-05:00"))).records
    assert (record.effective.offset_minutes, record.effective.millis) == (-300, 1738278655000)


@pytest.mark.parametrize(
    ("changes", "steps", "detection", "original"),
    [
        ({"value": None, "status": "low"}, 40, Detection.BELOW, None),
        ({"value": 39, "status": "low"}, 40, Detection.BELOW, "39"),
        ({"value": 39}, 40, Detection.BELOW, "39"),
        ({"value": 401}, 400, Detection.ABOVE, "401"),
        ({"value": None, "status": "high"}, 400, Detection.ABOVE, None),
        ({"value": "LEAVE OUT", "status": "high"}, 400, Detection.ABOVE, None),
    ],
)
def test_values_beyond_the_range_keep_the_limit_and_a_mark(
    changes: dict[str, Any], steps: int, detection: Detection, original: str | None
) -> None:
    (record,) = glucoses(read(a_body(an_egv(**changes))).records)
    assert (record.value, record.detection) == (Quantity(steps=steps, unit=MG_DL), detection)
    assert record.original.value == original


def test_each_record_has_its_own_unit() -> None:
    body = a_body(an_egv(0, value=5.6, unit="mmol/L"), an_egv(1)).replace(b"5.6", b"5.60")
    first, second = glucoses(read(body).records)
    assert (first.value, first.original.value) == (Quantity(steps=56, unit=MMOL_L), "5.60")
    assert second.value == Quantity(steps=102, unit=MG_DL)


def test_an_empty_transmitter_id_is_no_serial_number() -> None:
    (record,) = read(a_body(an_egv(transmitterId="", transmitterGeneration="g715day"))).records
    assert record.device == Device(vendor="Dexcom", model="Dexcom G7 15 Day", generation="g715day")


def test_a_generation_nobody_knows_is_kept_and_not_guessed() -> None:
    (record,) = read(a_body(an_egv(transmitterGeneration="g9"))).records
    assert record.device == Device(vendor="Dexcom", generation="g9", serial="abc123")


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"value": None}, "records[1].value", "value-missing"),
        ({"value": "101"}, "records[1].value", "value-not-a-number"),
        ({"value": "CANARY"}, "records[1].value", "value-not-a-number"),
        ({"value": [101]}, "records[1].value", "value-not-a-number"),
        ({"value": True}, "records[1].value", "value-not-a-number"),
        ({"value": 10**30}, "records[1].value", "value-not-a-number"),
        ({"value": 7}, "records[1].value", "value-impossible"),
        ({"unit": "unknown"}, "records[1].unit", "unit-unknown"),
        ({"unit": None}, "records[1].unit", "unit-unknown"),
        ({"unit": 5}, "records[1].unit", "field-invalid"),
        ({"systemTime": "CANARY"}, "records[1].systemTime", "time-unreadable"),
        ({"systemTime": "LEAVE OUT"}, "records[1].systemTime", "field-invalid"),
        ({"systemTime": None}, "records[1].systemTime", "field-invalid"),
        ({"systemTime": "1970-01-01T00:00:00Z"}, "records[1].systemTime", "time-impossible"),
        ({"systemTime": "2035-01-01T00:00:00Z"}, "records[1].systemTime", "time-impossible"),
        ({"displayTime": "yesterday"}, "records[1].displayTime", "time-unreadable"),
        ({"recordId": 17}, "records[1].recordId", "field-invalid"),
        ({"recordId": "a\x00b"}, "records[1].recordId", "field-invalid"),
        ({"trend": "x" * 10_000}, "records[1].trend", "field-invalid"),
    ],
)
def test_a_bad_record_is_a_problem_with_its_path_and_the_others_go_on(
    changes: dict[str, Any], path: str, code: str
) -> None:
    body = a_body(an_egv(2), an_egv(1, **changes), an_egv(0))
    parsed = read(body, asked_at=datetime(2025, 2, 1, tzinfo=UTC))
    assert [record.source.value for record in parsed.records] == ["rec-0", "rec-2"]
    (problem,) = parsed.problems
    assert (problem.path, problem.code) == (path, code)
    assert "CANARY" not in f"{problem} {problem.text}"


@pytest.mark.parametrize("record", ["text", 5, None, [], [1]])
def test_what_is_no_object_is_a_problem(record: Any) -> None:
    parsed = read(a_body(an_egv(0), record))
    assert len(parsed.records) == 1
    assert [problem.path for problem in parsed.problems] == ["records[1]"]


def test_a_problem_holds_the_envelope_with_only_its_record() -> None:
    bad = an_egv(1, value=None, extra={"kept": [1, 2]})
    (problem,) = read(a_body(an_egv(0), bad, an_egv(2))).problems
    assert json.loads(problem.body) == json.loads(a_body(bad))
    (again,) = read(problem.body).problems
    assert (again.path, again.body) == ("records[0].value", problem.body)


def test_bytes_that_are_no_text_sink_only_their_record() -> None:
    body = a_body(an_egv(0), an_egv(1, trend="TREND")).replace(b"TREND", b"\xff\xfe")
    parsed = read(body)
    assert len(parsed.records) == 1
    assert [(problem.path, problem.code) for problem in parsed.problems] == [("records[1]", "record-unreadable")]


def test_a_body_without_records_is_no_problem() -> None:
    parsed = read(a_body())
    assert (list(parsed.records), list(parsed.problems)) == ([], [])


def test_a_body_cut_anywhere_is_refused_with_line_and_column() -> None:
    text = json.dumps(json.loads(a_body(an_egv(0), an_egv(1))), indent=1).encode()
    for length in range(1, len(text)):
        with pytest.raises(Unreadable) as caught:
            open_egvs(text[:length])
        line, column = length_line_column(text[:length])
        assert (caught.value.code, caught.value.path) == ("json-cut", f"line {line} column {column}"), length


def length_line_column(text: bytes) -> tuple[int, int]:
    return text.count(b"\n") + 1, len(text) - text.rfind(b"\n")


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        (b"", "json-empty", None),
        (b"  \n ", "json-empty", None),
        (b'{"recordType":\n "egv",}', "json-invalid", "line 2 column 8"),
        (b"<html>CANARY</html>", "json-invalid", "line 1 column 1"),
        (b'{"recordType": "\xff"}', "json-invalid", "line 1 column 17"),
        (b"[" * 100_000, "not-egvs", None),
        (b'{"a":' + b"[" * 100_000, "json-invalid", None),
        (b"[]", "not-egvs", None),
        (b'"CANARY"', "not-egvs", None),
        (b'{"recordType": "CANARY", "records": []}', "wrong-record-type", "recordType"),
        (b'{"records": []}', "wrong-record-type", "recordType"),
        (b'{"recordType": "egv"}', "not-egvs", "records"),
        (b'{"recordType": "egv", "records": {}}', "not-egvs", "records"),
        (b'{"recordType": 5, "records": []}', "not-egvs", "recordType"),
    ],
)
def test_what_is_no_answer_with_egvs_is_refused_whole(body: bytes, code: str, path: str | None) -> None:
    with pytest.raises(Unreadable) as caught:
        open_egvs(body)
    assert (caught.value.code, caught.value.path) == (code, path)
    assert "CANARY" not in str(caught.value)


def test_another_kind_of_answer_is_refused(sample: Callable[[str], bytes]) -> None:
    with pytest.raises(Unreadable) as caught:
        open_egvs(sample("dexcom_v3_datarange_doc_example.json"))
    assert caught.value.code in ("wrong-record-type", "not-egvs")


def test_a_byte_order_mark_does_no_harm() -> None:
    assert len(read(b"\xef\xbb\xbf" + a_body(an_egv())).records) == 1


def test_the_newest_system_time_ignores_what_cannot_be_read() -> None:
    egvs = open_egvs(a_body(an_egv(1), an_egv(3), an_egv(2), an_egv(systemTime="soon"), 5))
    assert newest_system_time(egvs) == datetime(2025, 1, 30, 23, 25, 55, tzinfo=UTC)
    assert newest_system_time(open_egvs(a_body())) is None
