"""`glucose_alerts` on a ledger: each low told once, and once more when it is over, whatever is replayed or late."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from clinical.records import AnyRecord, Device, DeviceEvent, Original, Road, SourceId, Status, decode
from engine import sdk
from engine.model.message import Message
from tests.builders import ten_oclock
from tests.contract.outcomes.support import P1, TEN
from tests.unit.ledger.support import MemoryLedger, a_reading
from transformers.glucose_alerts import GlucoseAlertsSettings, glucose_alerts

FALLING = [120, 112, 104, 96, 88, 80, 74]
LOW = [66, 64, 62, 63]
BACK = [75, 85, 95, 105, 110]


class Alerts(MemoryLedger):
    """What `reconcile` passes on goes to `glucose_alerts`."""

    def hear(self, *records: AnyRecord, seconds: float) -> list[DeviceEvent]:
        at = TEN + timedelta(seconds=seconds)
        passed = [each for each in self.receive(*records, received_at=at) if isinstance(each, Message)]
        return [event for each in passed for event in self.step(each)]

    def step(self, message: sdk.Message) -> list[DeviceEvent]:
        outputs: Sequence[sdk.StepOutput] = asyncio.run(glucose_alerts(message, GlucoseAlertsSettings(), self.tx))
        self.connection.commit()
        found = [record for each in outputs if isinstance(each, Message) for record in decode(each.body)]
        return [record for record in found if isinstance(record, DeviceEvent)]

    def live(self, values: Sequence[int], first: int = 0, late: float = 20) -> list[tuple[int, DeviceEvent]]:
        """One reading every five minutes, each so many seconds after it was taken; the events by number."""
        return [
            (number, event)
            for number, value in enumerate(values, first)
            for event in self.hear(a_reading(value, seconds=300 * number, id_=str(number)), seconds=300 * number + late)
        ]


@pytest.fixture
def ledger() -> Iterator[Alerts]:
    opened = Alerts()
    yield opened
    opened.close()


def words(found: Sequence[tuple[int, DeviceEvent]]) -> list[tuple[int, str, bool]]:
    return [(number, event.event, event.until is not None) for number, event in found]


def test_a_fall_is_predicted_then_confirmed_then_over_each_once(ledger: Alerts) -> None:
    """104 mg/dL falling by 1.6 a minute comes to 56 in half an hour."""
    found = ledger.live([*FALLING, *LOW, *BACK])
    assert words(found) == [
        (2, "alert-predicted-low", False),
        (9, "alert-low", False),
        (13, "alert-low", True),
        (15, "alert-predicted-low", True),
    ]
    predicted, low, low_over, predicted_over = (event for _, event in found)
    assert (low.source.system, low.source.value) == (low_over.source.system, low_over.source.value)
    assert (predicted.source.value, predicted.effective) == (predicted_over.source.value, predicted_over.effective)
    assert (low.status, low_over.status, low_over.until) == (
        Status.FINAL,
        Status.AMENDED,
        ten_oclock(300 * 13, how="device-utc"),
    )
    assert low.source.value != predicted.source.value
    assert predicted.value is not None
    assert predicted.value.steps < 60


def test_a_replay_and_a_copy_by_another_road_tell_nothing_again(ledger: Alerts) -> None:
    messages: list[sdk.StepOutput] = []
    for number, value in enumerate(LOW):
        at = TEN + timedelta(seconds=300 * number)
        messages += ledger.receive(a_reading(value, seconds=300 * number, id_=str(number)), received_at=at)
    taken = [each for each in messages if isinstance(each, Message)]
    assert len([event for each in taken for event in ledger.step(each)]) == 1
    assert [event for each in taken for event in ledger.step(each)] == []
    copy = a_reading(LOW[-1], seconds=905, road=Road.CSV)
    assert ledger.hear(copy, seconds=910) == []


def test_late_and_backfilled_readings_raise_nothing(ledger: Alerts) -> None:
    readings = [a_reading(value, seconds=300 * n, id_=str(n)) for n, value in enumerate([*FALLING, *LOW])]
    assert ledger.hear(*readings, seconds=7200) == []
    assert words(ledger.live([110, 108], first=24)) == []


def test_a_correction_raises_nothing_and_neither_does_warm_up(ledger: Alerts) -> None:
    ledger.live([100, 100, 100])
    corrected = [a_reading(60, seconds=300 * n, id_=str(n), version="2", status=Status.CORRECTED) for n in range(3)]
    assert ledger.hear(*corrected, seconds=620) == []
    start = DeviceEvent(
        patient=P1,
        effective=ten_oclock(900),
        status=Status.FINAL,
        source=SourceId(road=Road.CLOUD, system="sys-cloud", value="start"),
        original=Original(code="S"),
        device=Device(vendor="Dexcom", model="G6"),
        event="sensor-start",
    )
    assert ledger.hear(start, seconds=920) == []
    assert words(ledger.live(LOW, first=4)) == []


def test_nothing_that_could_name_a_patient_is_in_an_alerts_name(ledger: Alerts) -> None:
    found = ledger.live(LOW)
    assert all("p1" not in event.source.value and len(event.source.value) == 32 for _, event in found)
    assert len(found) == 1
