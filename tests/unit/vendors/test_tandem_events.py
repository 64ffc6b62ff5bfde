"""Tandem's 26-byte events: values that are 0 for high and low, boluses in parts, a clock without offset."""

import json
import struct
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.records import Analyte, Carbohydrate, Detection, DeviceEvent, Glucose, InsulinDose, InsulinKind
from clinical.vendors.making import Whose
from clinical.vendors.parsing import Parsed, Unreadable
from clinical.vendors.tandem import read_tandem_events
from tests.examples import some
from tests.unit.vendors.mutations import PATIENT, survives, torn
from tests.unit.vendors.samples import real
from tests.unit.vendors.tandem_files import (
    a_body,
    alarm,
    an_event,
    basal,
    bolus,
    egv,
    request,
    request_more,
)

BOSTON = Whose(PATIENT, "v1", ZoneInfo("America/New_York"))
NOON = "2025-12-13T12:00:00"
EXAMPLE = a_body(
    egv(1, NOON, 120),
    request(2, NOON),
    request_more(3, NOON),
    bolus(4, "2025-12-13T12:05:00", 2.5, 3.0),
    basal(5, NOON, 850),
    alarm(6, NOON, 2),
)


def read(*events: bytes, serial: str | None = "123") -> Parsed:
    return read_tandem_events(a_body(*events), BOSTON, serial=serial)


def one(*events: bytes) -> object:
    parsed = read(*events)
    assert not parsed.problems
    (made,) = parsed.records
    return made


def glucose(*events: bytes) -> Glucose:
    made = one(*events)
    assert isinstance(made, Glucose)
    return made


def test_a_reading_at_the_pumps_wall_clock_named_by_pump_and_running_number() -> None:
    record = glucose(egv(505869, NOON, 80, rate=-9))
    assert (record.value.steps, record.trend, record.source.value) == (80, "flat", "123|505869")
    assert (record.effective.local, record.effective.offset_minutes) == (NOON, -300)
    assert record.device is not None
    assert record.device.model == "Dexcom G7"


@pytest.mark.parametrize("number", [256, 372, 399, 480])
@pytest.mark.parametrize(("status", "detection", "steps"), [(1, Detection.ABOVE, 400), (2, Detection.BELOW, 40)])
def test_high_and_low_come_with_0_and_are_no_reading_of_0(
    number: int, status: int, detection: Detection, steps: int
) -> None:
    record = glucose(egv(1, NOON, 0, number=number, status=status))
    assert (record.value.steps, record.detection, record.original.value) == (steps, detection, "0")


@pytest.mark.parametrize("number", [256, 372, 399, 480])
def test_each_sensors_layout(number: int) -> None:
    assert glucose(egv(1, NOON, 131, number=number)).value.steps == 131


def test_a_value_that_was_filled_in_later_is_told_at_the_time_of_its_measurement() -> None:
    record = glucose(egv(1, NOON, 120, kind=2, measured="2025-12-13T11:30:00"))
    assert record.effective.local == "2025-12-13T11:30:00"
    assert [deed.what for deed in record.done] == ["filled in later by the pump"]


def test_values_that_are_not_shown_are_none_and_a_warm_up_is_one_event_with_an_end() -> None:
    parsed = read(
        egv(1, "2025-12-13T12:00:00", 0, status=6, state=2),
        egv(2, "2025-12-13T12:05:00", 0, status=6, state=2),
        egv(3, "2025-12-13T12:10:00", 0, status=6, state=0),
        egv(4, "2025-12-13T12:15:00", 120),
    )
    event, value = parsed.records
    assert isinstance(event, DeviceEvent)
    assert event.until is not None
    assert (event.event, event.until.local) == ("warm-up", "2025-12-13T12:05:00")
    assert isinstance(value, Glucose)
    assert parsed.skipped == 1


def test_a_bolus_is_joined_with_what_was_asked_for() -> None:
    parsed = read(
        request(1, NOON),
        request_more(2, NOON),
        bolus(3, "2025-12-13T12:05:00", 1.25, 2.5),
        bolus(4, "2025-12-13T12:20:00", 0.5, 1.0, number=21),
    )
    now, later = (record for record in parsed.records if isinstance(record, InsulinDose))
    assert (now.kind, now.requested and now.requested.steps, now.delivered and now.delivered.steps) == (
        InsulinKind.BOLUS,
        2500,
        1250,
    )
    assert (later.kind, later.duration_seconds) == (InsulinKind.EXTENDED_BOLUS, 900)
    (carbs,) = (record for record in parsed.records if isinstance(record, Carbohydrate))
    assert carbs.amount.steps == 450
    assert not now.automatic


def test_the_algorithms_corrections_are_automatic() -> None:
    records = read(request(1, NOON, kind=2, grams=0), bolus(2, NOON, 0.5, 0.5)).records
    assert [record.automatic for record in records if isinstance(record, InsulinDose)] == [True]


def test_a_basal_rate_holds_until_the_next() -> None:
    change = an_event(3, 9, NOON, struct.pack(">f", 0.85))
    parsed = read(basal(1, NOON, 850), basal(2, "2025-12-13T12:05:00", 0, source=0), change)
    rates = [record for record in parsed.records if isinstance(record, InsulinDose)]
    assert [(dose.rate and dose.rate.steps, dose.duration_seconds, dose.automatic) for dose in rates] == [
        (850, 300, True),
        (0, None, False),
    ]
    alone = one(change)
    assert isinstance(alone, InsulinDose)
    assert alone.rate is not None
    assert alone.rate.steps == 850


def test_what_a_person_typed_in_is_a_reading_and_what_the_sensor_filled_in_is_not() -> None:
    typed = glucose(an_event(16, 1, NOON, struct.pack(">BBH", 0, 0, 131)))
    assert (typed.analyte, typed.value.steps) == (Analyte.CAPILLARY_GLUCOSE, 131)
    calibration = one(an_event(16, 1, NOON, struct.pack(">BBH", 0, 1, 131)))
    assert isinstance(calibration, DeviceEvent)
    assert calibration.event == "calibration"
    assert read(an_event(16, 1, NOON, struct.pack(">BBH", 1, 0, 131))).skipped == 1


@pytest.mark.parametrize(
    ("event", "word"),
    [
        (alarm(1, NOON, 2), "occlusion"),
        (alarm(1, NOON, 0, number=4), "low-reservoir"),
        (alarm(1, NOON, 63), "unmapped"),
        (alarm(1, NOON, 1, number=6), "pump-error"),
        (an_event(11, 1, NOON, b"\0\0\0\0\0\x00"), "pump-suspend"),
        (an_event(11, 1, NOON, b"\0\0\0\0\0\x06"), "pump-suspend-predicted-low"),
        (an_event(12, 1, NOON, b""), "pump-resume"),
        (an_event(13, 1, NOON, b""), "clock-change"),
        (an_event(369, 1, NOON, b"\0\0\x03\x0b"), "sensor-failed"),
        (an_event(447, 1, NOON, b""), "sensor-stop"),
    ],
)
def test_alarms_and_other_events(event: bytes, word: str) -> None:
    record = one(event)
    assert isinstance(record, DeviceEvent)
    assert record.event == word


def test_filling_the_tube_is_priming_and_nobody_got_it() -> None:
    dose = one(an_event(63, 1, NOON, struct.pack(">fI", 12.5, 3)))
    assert isinstance(dose, InsulinDose)
    assert (dose.kind, dose.delivered and dose.delivered.steps) == (InsulinKind.PRIMING, 12500)


def test_the_running_number_tells_the_hour_that_comes_twice() -> None:
    times = ("00:55", "01:25", "01:55", "01:25", "01:55", "02:25")
    events = [egv(place, f"2025-11-02T{time}:00", 100 + place) for place, time in enumerate(times)]
    records = read(*reversed(events)).records
    assert [record.value.steps for record in records if isinstance(record, Glucose)] == list(range(100, 106))
    millis = [record.effective.millis for record in records]
    assert [(later - millis[0]) // 60_000 for later in millis] == [0, 30, 60, 90, 120, 150]
    assert [problem.code for problem in read(events[1]).problems] == ["time-twice"]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (egv(5, NOON, 900), "value-impossible"),
        (egv(5, NOON, 120, status=4), "status-unknown"),
        (bolus(5, NOON, float("nan"), 1.0), "value-not-a-number"),
        (bolus(5, NOON, 1e30, 1.0), "value-not-a-number"),
        (bolus(5, NOON, -1.0, 1.0), "value-impossible"),
    ],
)
def test_events_that_cannot_be_read_are_set_aside_and_can_be_replayed(event: bytes, code: str) -> None:
    parsed = read(event, egv(6, NOON, 120))
    (problem,) = parsed.problems
    assert (problem.path, problem.code, len(parsed.records)) == ("event 5", code, 1)
    assert [again.code for again in read_tandem_events(problem.body, BOSTON).problems] == [code]


def test_other_events_are_skipped_and_one_that_comes_twice_counts_once() -> None:
    assert read(an_event(999, 1, NOON, b""), egv(2, NOON, 120), egv(2, NOON, 120)).skipped == 2


def test_a_json_string_base64_and_bytes_are_the_same() -> None:
    raw = egv(1, NOON, 120)
    bodies = (raw, a_body(raw), json.dumps(a_body(raw).decode()).encode())
    assert len({str(read_tandem_events(body, BOSTON).records) for body in bodies}) == 1
    assert read_tandem_events(b'""', BOSTON).records == []


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "tandem-empty"), (b"hello!", "tandem-invalid"), (EXAMPLE[:-8], "tandem-cut"), (b'"\xff', "tandem-invalid")],
)
def test_what_is_none_or_cut_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_tandem_events(body, BOSTON)
    assert caught.value.code == code


@given(st.data())
@settings(max_examples=some(80), deadline=None)
def test_answers_with_bytes_changed(data: st.DataObject) -> None:
    survives(lambda body: read_tandem_events(body, BOSTON), data.draw(torn(EXAMPLE)))


@given(st.lists(st.binary(min_size=26, max_size=26), max_size=8))
@settings(max_examples=some(80), deadline=None)
def test_any_bytes_at_all(events: list[bytes]) -> None:
    survives(lambda body: read_tandem_events(body, BOSTON), b'""' if not events else a_body(*events))


def test_real_events() -> None:
    document = json.loads(real("tandem/tandemsource_pump_events_raw.json"))
    parsed = read_tandem_events(document["concatenated_base64"].encode(), BOSTON)
    assert (parsed.problems, parsed.skipped) == ([], 0)
    values = [record.value.steps for record in parsed.records if isinstance(record, Glucose)]
    assert values == [75, 77, 76, 75, 74, 80, 71, 119, 129, 146]
    filled = parsed.records[2]
    assert (filled.effective.local, filled.done[0].what) == ("2022-01-28T01:51:07", "filled in later by the pump")
