"""Clocks that are wrong, by the pairs of times that came with the records."""

from typing import Any

import pytest

from clinical.drift import Pair
from clinical.records import AnyRecord, decode, encode
from engine import sdk
from engine.testing.builders import a_message
from tests.builders import TEN_OCLOCK_MILLIS, a_bolus, a_glucose, ten_oclock
from transformers.correct_clocks import CLOCK_PAIRS, CorrectClocksSettings, correct_clocks, pairs_meta

HOUR = 3_600_000


def behind(seconds: float, zone_hours: float = -5) -> list[Pair]:
    """The device was read out at noon: its wall clock, and the true time."""
    noon = TEN_OCLOCK_MILLIS + 2 * HOUR
    return [Pair(round(noon + zone_hours * HOUR - seconds * 1000), noon)]


def run(*records: AnyRecord, pairs: list[Pair], **settings: Any) -> sdk.Message:
    message = a_message(encode(records), sdk.Shape.RECORDS, meta=pairs_meta(pairs))
    output = correct_clocks(message, CorrectClocksSettings.model_validate(settings))
    assert isinstance(output, sdk.Message)
    return output


def test_every_record_by_the_devices_clock_is_moved_and_keeps_what_the_clock_said() -> None:
    output = run(
        a_glucose(effective=ten_oclock(how="zone")), a_bolus(effective=ten_oclock(how="zone")), pairs=behind(120)
    )
    for record in decode(output.body):
        assert record.effective.millis == TEN_OCLOCK_MILLIS + 120_000
        assert record.effective.drift_millis == 120_000
        assert [deed.rule for deed in record.done] == ["clock-drift"]
    assert output.meta["tally"] == "clock-corrected=2"
    assert output.meta[sdk.ORDER_AT].endswith(str(TEN_OCLOCK_MILLIS + 120_000))


def test_a_time_that_came_with_its_offset_is_another_clocks() -> None:
    before = a_glucose(effective=ten_oclock(how="offset"))
    assert decode(run(before, pairs=behind(120)).body) == (before,)


def test_doing_it_twice_moves_nothing_further() -> None:
    once = run(a_glucose(effective=ten_oclock(how="zone")), pairs=behind(120))
    assert correct_clocks(once, CorrectClocksSettings()).body == once.body


def test_past_the_limit_there_is_an_alarm() -> None:
    record = a_glucose(effective=ten_oclock(how="zone"))
    assert "clock-alarm=1" in run(record, pairs=behind(301)).meta["tally"].split()
    assert "clock-alarm=1" not in run(record, pairs=behind(299)).meta["tally"].split()
    assert "clock-alarm=1" in run(record, pairs=behind(61), alarm_after="1m").meta["tally"].split()


@pytest.mark.parametrize("pairs", [[], behind(20)])
def test_without_pairs_or_drift_nothing_is_done(pairs: list[Pair]) -> None:
    record = a_glucose(effective=ten_oclock(how="zone"))
    output = run(record, pairs=pairs)
    assert decode(output.body) == (record,)
    assert "tally" not in output.meta


def test_pairs_that_cannot_be_read_are_refused_without_being_shown() -> None:
    message = a_message(encode([a_glucose()]), sdk.Shape.RECORDS, meta={CLOCK_PAIRS: "CANARY:1"})
    with pytest.raises(sdk.InvalidMessage) as raised:
        correct_clocks(message, CorrectClocksSettings())
    assert (raised.value.code, raised.value.path) == ("clock-pairs", "meta.clock_pairs")
    assert "CANARY" not in str(raised.value)
