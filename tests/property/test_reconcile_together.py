"""Messages that are taken together come to the same as one by one: the same rows in the ledger, the same outputs."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from clinical import units
from clinical.records import Glucose, Road, Status, encode
from engine import sdk
from engine.config.plan import Bound, ChannelPlan
from engine.contracts.journal import OutcomeTransaction
from engine.model.message import Message, Shape
from engine.model.outcome import KEEP, StepOutput
from engine.plugins.plugin import Plugin
from engine.runtime import decide
from engine.testing.builders import a_message
from ledger.outcome_tables import outcome_day
from ledger.tables import patient, patient_link, reading, reading_source
from tests.examples import some
from tests.unit.ledger.support import MemoryLedger, a_reading
from transformers.check_readings import CheckReadingsSettings, check_readings
from transformers.identify_patient import IdentifyPatientSettings, identify_patient
from transformers.reconcile import ReconcileSettings, reconcile

TABLES = (patient, patient_link, reading, reading_source, outcome_day)
STATUSES = (Status.PRELIMINARY, Status.FINAL, Status.FINAL, Status.CORRECTED, Status.ENTERED_IN_ERROR)

Said = tuple[Any, ...]


@st.composite
def a_saying(draw: st.DrawFn) -> Glucose:
    """One of few sources on one of few moments of one of few patients: so that they meet, repeat, correct, withdraw,
    disagree, and speak of the wrong patient."""
    unit = draw(st.sampled_from([units.MG_DL, units.MG_DL, units.MMOL_L]))
    return a_reading(
        draw(st.sampled_from([100, 101, 104, 180])) if unit == units.MG_DL else draw(st.sampled_from([5.6, 10.0])),
        unit,
        seconds=draw(st.sampled_from([0, 20, 45, 300])),
        road=draw(st.sampled_from([Road.FHIR, Road.CLOUD, Road.CSV])),
        id_=draw(st.sampled_from(["a", "b"])),
        version=draw(st.sampled_from([None, "1", "2", "3"])),
        status=draw(st.sampled_from(STATUSES)),
        patient=draw(st.sampled_from(["p1", "p1", "p2"])),
    )


@st.composite
def feeds(draw: st.DrawFn) -> list[list[Glucose]]:
    """The records of message after message."""
    return draw(st.lists(st.lists(a_saying(), max_size=3), min_size=2, max_size=9))


def messages_of(feed: Sequence[Sequence[Glucose]], *, named: bool = True) -> list[Message]:
    """`named`: whether our own id of the patient is known already."""
    bodies = feed if named else [[_unnamed(record) for record in records] for records in feed]
    return [
        a_message(
            encode(records),
            Shape.RECORDS,
            id_=f"message-{number:04d}",
            order_key=records[0].patient.value if records else None,
        )
        for number, records in enumerate(bodies)
    ]


def _unnamed(record: Glucose) -> Glucose:
    return msgspec.structs.replace(record, patient=msgspec.structs.replace(record.patient, id=None))


def plan_of(*steps: tuple[Plugin[Any], sdk.Settings]) -> ChannelPlan:
    return ChannelPlan(
        name="test",
        description="test",
        shape=Shape.RECORDS,
        source=None,
        keep=lambda _: KEEP,
        steps=tuple(Bound(plugin.name, plugin, each) for plugin, each in steps),
        destinations=(),
        feeds=(),
    )


def taken(
    plan: ChannelPlan, groups: Sequence[Sequence[Message]], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[list[Said]], list[list[tuple[Any, ...]]]]:
    """What each message gave, and all rows, with each group taken together."""
    ids = count()
    monkeypatch.setattr(sdk, "new_id", lambda: f"id-{next(ids):04d}")

    async def take(ledger: MemoryLedger) -> list[list[Said]]:
        said: list[list[Said]] = []
        for group in groups:
            for taken_together in decide.at_once(plan, group) if len(group) > 1 else [group]:
                for passed in await decide.run_together(plan, taken_together, cast(OutcomeTransaction, ledger.tx)):
                    given: list[StepOutput] = [*passed.messages, *passed.asides, *passed.drops]
                    said.append([_said(each) for each in given])
        return said

    with MemoryLedger() as ledger:
        outputs = asyncio.run(take(ledger))
        rows = [
            [tuple(row) for row in ledger.connection.execute(select(table).order_by(*table.primary_key))]
            for table in TABLES
        ]
    return outputs, rows


def _said(output: StepOutput) -> Said:
    if isinstance(output, Message):
        return "message", output.body, output.order_key, dict(output.meta)
    if isinstance(output, sdk.Aside):
        return "aside", output.body, output.error.code, output.error.path, output.error.detail
    return "drop", output.reason, output.duplicate, dict(output.tally)


def grouped(messages: Sequence[Message], chance: random.Random) -> Iterator[Sequence[Message]]:
    start = 0
    while start < len(messages):
        size = chance.randint(1, len(messages) - start)
        yield messages[start : start + size]
        start += size


def same_either_way(
    plan: ChannelPlan, messages: Sequence[Message], chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = taken(plan, [[message] for message in messages], monkeypatch)
    assert taken(plan, [messages], monkeypatch) == alone
    assert taken(plan, list(grouped(messages, chance)), monkeypatch) == alone


keep_patch = settings(
    max_examples=some(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # the patch is set anew for each example


@keep_patch
@given(feed=feeds(), chance=st.randoms(use_true_random=False), small=st.booleans())
def test_reconcile_comes_to_the_same_together(
    feed: list[list[Glucose]], chance: random.Random, small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: dict[str, Any] = {"pass_on_same_value": small}
    if small:
        chosen["if_they_disagree"] = {"by_less_than": {"amount": 5, "unit": "mg/dL", "then": "keep_preferred"}}
    plan = plan_of((reconcile, ReconcileSettings.model_validate(chosen)))
    same_either_way(plan, messages_of(feed), chance, monkeypatch)


@keep_patch
@given(feed=feeds(), chance=st.randoms(use_true_random=False))
def test_checking_before_reconciling_finds_what_earlier_messages_of_the_patient_said(
    feed: list[list[Glucose]], chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the shipped channel has it: messages of one patient each, whose units may change from one to the next."""
    of_one_patient = [
        [r for r in records if r.patient.value == records[0].patient.value] for records in feed if records
    ]
    plan = plan_of((check_readings, CheckReadingsSettings()), (reconcile, ReconcileSettings()))
    same_either_way(plan, messages_of(of_one_patient), chance, monkeypatch)


@keep_patch
@given(feed=feeds(), chance=st.randoms(use_true_random=False))
def test_patients_are_registered_once_together(
    feed: list[list[Glucose]], chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of((identify_patient, IdentifyPatientSettings(if_unknown="register")))
    same_either_way(plan, messages_of(feed, named=False), chance, monkeypatch)


def test_what_is_in_the_ledger_already_is_known_beside_new_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of((reconcile, ReconcileSettings()))
    messages = messages_of([[a_reading(100)], [a_reading(120, seconds=300)], []])
    again = [messages[0], *messages]
    outputs, _ = taken(plan, [messages[:1], messages], monkeypatch)
    alone, _ = taken(plan, [[message] for message in again], monkeypatch)
    assert outputs == alone
    assert [each[0][0] for each in outputs] == ["message", "drop", "message", "drop"]


def test_two_messages_of_one_patient_are_apart_where_steps_build_on_each_other() -> None:
    both = (check_readings, CheckReadingsSettings()), (reconcile, ReconcileSettings())
    feed = [[a_reading(patient=name, seconds=300 * n)] for n, name in enumerate(["p1", "p2", "p1", "p3", "p3"])]
    messages = messages_of([*feed, [], []])  # the last two are nobody's
    sizes = [len(some) for some in decide.at_once(plan_of(*both), messages)]
    assert sizes == [2, 2, 1, 1, 1]
    assert [len(some) for some in decide.at_once(plan_of(both[1]), messages)] == [7]


def test_what_a_message_told_is_not_changed_by_what_later_ones_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result is corrected after it was another patient's for a moment, and then said again as it was at first: what
    the correction told does not become a return because of that."""

    def word(
        value: float, unit: str = units.MG_DL, patient: str = "p1", status: Status = Status.PRELIMINARY
    ) -> Glucose:
        return a_reading(value, unit, patient=patient, status=status, road=Road.FHIR, id_="a")

    withdrawn = a_reading(180, road=Road.FHIR, id_="b", status=Status.ENTERED_IN_ERROR)
    corrected = word(10.0, units.MMOL_L, status=Status.CORRECTED)
    feed = [
        [word(100), word(100), withdrawn],
        [word(100), word(100, patient="p2"), corrected],
        [word(100)],
    ]
    messages = messages_of(feed)
    plan = plan_of((reconcile, ReconcileSettings()))
    assert taken(plan, [messages], monkeypatch) == taken(plan, [[message] for message in messages], monkeypatch)
