"""Logs carry fixed events and listed fields only; meters count."""

import json
from collections.abc import Iterator

import pytest
import structlog

from engine.observability.logging import ALLOWED, configure, logger, only_allowed
from engine.observability.meters import Meters


@pytest.fixture
def logging_is_put_back() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_field_that_is_not_listed_is_replaced_by_its_name() -> None:
    event = {"event": "e", "channel": "c", "body": "CANARY", "patient": "CANARY"}
    assert only_allowed(None, "info", event) == {"event": "e", "channel": "c", "dropped_fields": ["body", "patient"]}


def test_listed_fields_pass_untouched() -> None:
    event = {"event": "e", "count": 3}
    assert only_allowed(None, "info", dict(event)) == event


@pytest.mark.parametrize("name", ["body", "text", "detail", "meta", "source_key", "order_key", "exception", "url"])
def test_fields_that_may_hold_patients_data_are_not_listed(name: str) -> None:
    assert name not in ALLOWED


def test_a_line_is_json_with_level_and_time_and_without_what_was_dropped(
    capsys: pytest.CaptureFixture[str], logging_is_put_back: None
) -> None:
    configure(json=True, level="info")
    logger(channel="c").warning("settle_failed", error_type="KeyError", body="CANARY")
    logger().debug("below_the_level")
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said.pop("timestamp").endswith("Z")
    assert said == {
        "event": "settle_failed",
        "level": "warning",
        "channel": "c",
        "error_type": "KeyError",
        "dropped_fields": ["body"],
    }


def test_meters_count_by_channel_and_word_and_tell_latency_when_there_is_enough() -> None:
    meters = Meters()
    meters.add("a", "sent", 2)
    meters.add("b", "sent")
    assert meters.total("sent") == 3
    assert meters.latency() is None
    for seconds in range(1, 101):
        meters.took(seconds)
    median, high = meters.latency() or (0.0, 0.0)
    assert median == pytest.approx(50.5)
    assert high == pytest.approx(95.95)
