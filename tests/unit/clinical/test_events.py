"""The vocabulary of events and trends, and every vendor's table."""

from decimal import Decimal

import pytest

from clinical import events, trends
from clinical.events import UNMAPPED, WORDS, EventTable
from clinical.records import DeviceEvent, Original
from clinical.vendors import event_tables as tables
from clinical.vendors import nightscout_treatments, tidepool_words
from tests.builders import a_glucose, an_entry


@pytest.mark.parametrize(
    ("table", "said", "ours"),
    [
        (tables.DEXCOM_ALERTS, "urgentLowSoon", "alert-urgent-low-soon"),
        (tables.DEXCOM_ALERTS, "outOfRange", "out-of-range"),
        (tables.DEXCOM_SENSOR_CODES, 5, "calibration-needed"),
        (tables.DEXCOM_G7_STATES, 25, "sensor-failed"),
        (tables.CARELINK_SENSOR_STATES, "WARM_UP", "warm-up"),
        (tables.CARELINK_MARKERS, "LOW_GLUCOSE_SUSPENDED", "pump-suspend-low"),
        (tables.CARELINK_FAULTS, "802", "alert-low"),
        (tables.CARELINK_CSV, "LOST SENSOR1", "signal-loss"),
        (tables.CARELINK_CSV, "SENSOR_INIT_CODE", "warm-up"),
        (tables.EVERSENSE_PHASES, 1, "warm-up"),
        (tables.TANDEM_EVENTS, 11, "pump-suspend"),
        (tables.TANDEM_ALARMS, 26, "occlusion"),
        (tables.TANDEM_ALERTS, 0, "low-reservoir"),
        (tables.TANDEM_CGM_ALERTS, 14, "out-of-range"),
        (tables.GLOOKO_ALARMS, "Pod expired", "pod-expired"),
    ],
)
def test_a_vendors_word_becomes_ours(table: EventTable, said: str | int, ours: str) -> None:
    assert table.word(said) == ours


@pytest.mark.parametrize("said", ["urgent_low", "URGENT LOW", "urgent-low", " urgentLow "])
def test_how_a_word_is_written_does_not_count(said: str) -> None:
    assert tables.DEXCOM_ALERTS.word(said) == "alert-urgent-low"


@pytest.mark.parametrize("said", ["lowish", "", "lowLow", 99, None])
def test_an_unknown_word_is_unmapped_and_never_the_nearest(said: str | int | None) -> None:
    assert tables.DEXCOM_ALERTS.word(said) == UNMAPPED


def test_good_states_are_no_events() -> None:
    assert "NORMAL" not in tables.CARELINK_SENSOR_STATES
    assert "NO_ERROR_MESSAGE" not in tables.CARELINK_SENSOR_STATES
    assert 6 not in tables.DEXCOM_G7_STATES
    assert 32 not in tables.TANDEM_G7_STATES


def test_a_table_cannot_use_a_word_that_the_vocabulary_lacks() -> None:
    with pytest.raises(ValueError, match="alert-lowish"):
        EventTable({"low": "alert-lowish"})


def test_the_tables_of_platforms_keep_to_the_vocabulary() -> None:
    assert nightscout_treatments.EVENTS.word("Sensor Start") == "sensor-start"
    said = [
        tidepool_words.event_of("deviceEvent", sub, name, None)[0]
        for sub, name in [("alarm", "low_insulin"), ("alarm", "occlusion"), ("prime", None), ("calibration", None)]
    ]
    assert set(said) <= WORDS.keys() - {UNMAPPED}


def test_unmapped_events_are_counted() -> None:
    def event(word: str) -> DeviceEvent:
        return DeviceEvent(**an_entry(original=Original(code="A7")), event=word)

    assert events.unmapped([event(UNMAPPED), a_glucose(), event("warm-up"), event(UNMAPPED)]) == 2


# --- trends


def test_numbers_that_are_not_in_order_keep_their_meaning() -> None:
    shown = [trends.EVERSENSE.trend(number) for number in range(8)]
    assert shown == [
        "none",
        "singleDown",
        "fortyFiveDown",
        "flat",
        "fortyFiveUp",
        "singleUp",
        "doubleDown",
        "doubleUp",
    ]
    steep = [trends.STEEPNESS[word] for word in shown if word and word in trends.STEEPNESS]
    assert steep != sorted(steep)


def test_the_numbers_of_share_run_downwards_and_those_of_libre_upwards() -> None:
    share = [trends.STEEPNESS[trends.DEXCOM_SHARE.trend(number) or ""] for number in range(1, 8)]
    libre = [trends.STEEPNESS[trends.LIBRE_LINK_UP.trend(number) or ""] for number in range(1, 6)]
    assert share == sorted(share, reverse=True)
    assert libre == sorted(libre)
    assert [trends.DEXCOM_SHARE.trend(number) for number in (0, 8, 9)] == ["none", "notComputable", "rateOutOfRange"]


@pytest.mark.parametrize(
    ("table", "said", "ours"),
    [
        (trends.DEXCOM, "fortyFiveUp", "fortyFiveUp"),
        (trends.DEXCOM_SHARE, "SINGLE_DOWN", "singleDown"),
        (trends.DEXCOM_SHARE, "Flat", "flat"),
        (trends.NIGHTSCOUT, "NOT COMPUTABLE", "notComputable"),
        (trends.NIGHTSCOUT, "TripleUp", "tripleUp"),
        (trends.CARELINK, "UP_TRIPLE", "tripleUp"),
        (trends.TIDEPOOL, "rapidFall", "doubleDown"),
        (trends.LIBRE_LINK_UP, 6, "unknown"),
        (trends.DEXCOM, "sideways", "unknown"),
        (trends.DEXCOM, None, None),
        (trends.DEXCOM, "", None),
    ],
)
def test_arrows(table: trends.TrendTable, said: str | int | None, ours: str | None) -> None:
    assert table.trend(said) == ours


@pytest.mark.parametrize(
    ("rate", "arrow"),
    [
        ("0", "flat"),
        ("0.9", "flat"),
        ("1", "fortyFiveUp"),
        ("-1.9", "fortyFiveDown"),
        ("2", "singleUp"),
        ("-3", "doubleDown"),
        ("8", "doubleUp"),
        ("-8.1", "rateOutOfRange"),
    ],
)
def test_a_rate_has_the_arrow_that_is_shown_for_it(rate: str, arrow: str) -> None:
    assert trends.trend_of_rate(Decimal(rate)) == arrow
