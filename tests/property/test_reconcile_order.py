"""Reconciliation does not depend on the order of arrival, loses no record, and does nothing twice."""

import random
from collections import Counter
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from clinical import units
from clinical.records import Glucose, Road, Status, encode
from engine.model.message import Message, Shape
from engine.testing.builders import a_message
from ledger.book import Book
from ledger.claims import claim_of
from ledger.rules import Fate, Rules
from ledger.tables import reading, reading_source
from tests.builders import TEN_OCLOCK_MILLIS
from tests.examples import some
from tests.unit.ledger.support import MemoryLedger, a_reading, asides, passed_on

FACTORS = (18.0, 18.01559, 18.016, 18.0182)
INTERVAL_SECONDS = 300

Arriving = tuple[str, Glucose]
"""A message's id (which sorts by its time of receipt) and the record it carries."""

Truths = list[tuple[str, int, int, str, str, str]]


@st.composite
def measurements(draw: st.DrawFn) -> list[list[tuple[float, float, str, Road]]]:
    """What happened: at each moment one value, told by some sources, each with its own clock, unit and factor."""
    moments = []
    for moment in range(draw(st.integers(1, 4))):
        value = draw(st.integers(40, 400))
        told = []
        for road in draw(st.lists(st.sampled_from(list(Road)), min_size=1, max_size=3, unique=True)):
            skew = draw(st.integers(-10_000, 10_000)) / 1000
            factor = draw(st.sampled_from((None, *FACTORS)))
            number = float(value) if factor is None else int(value / factor * 10 + 0.5) / 10
            unit = units.MG_DL if factor is None else units.MMOL_L
            told.append((moment * INTERVAL_SECONDS + skew, number, unit, road))
        moments.append(told)
    return moments


@st.composite
def feeds(draw: st.DrawFn) -> list[Arriving]:
    """Records as they come in. At each moment at most one source changes its mind: preliminary first, an update of
    its own, a correction, or a deletion; and anything may come twice."""
    arriving: list[Glucose] = []
    for told in draw(measurements()):
        changing = draw(st.integers(0, len(told) - 1))
        for number, (seconds, value, unit, road) in enumerate(told):
            versions = [a_reading(value, unit, seconds=seconds, road=road, id_=f"{seconds}", version="1")]
            if number == changing:
                versions = draw(histories(versions[0], seconds, road))
            for version in versions:
                arriving += [version] * draw(st.integers(1, 2))
    return [(f"message-{number:04d}", record) for number, record in enumerate(arriving)]


@st.composite
def histories(draw: st.DrawFn, first: Glucose, seconds: float, road: Road) -> list[Glucose]:
    """What one source says in the end, with what it said before."""
    kind = draw(st.sampled_from(["as it was", "preliminary", "updated", "corrected", "deleted"]))
    value, unit = units.text_of(first.value.steps, first.value.unit), first.value.unit
    other = draw(st.integers(40, 400))

    def version(number: float, unit: str, name: str, status: Status) -> Glucose:
        return a_reading(number, unit, seconds=seconds, road=road, id_=f"{seconds}", version=name, status=status)

    if kind == "preliminary":
        return [version(float(value), unit, "1", Status.PRELIMINARY), version(float(value), unit, "2", Status.FINAL)]
    if kind == "updated":
        return [first, version(other, units.MG_DL, "2", Status.FINAL)]
    if kind == "corrected":
        return [first, version(other, units.MG_DL, "2", Status.CORRECTED)]
    if kind == "deleted":
        return [first, version(float(value), unit, "2", Status.ENTERED_IN_ERROR)]
    return [first]


def reconciled(arriving: list[Arriving], rules: Rules) -> tuple[Truths, Counter[str]]:
    """Standing readings after these arrivals, in this order; by the rules alone, without a database."""
    ids = count()
    book = Book("default", rules, lambda: f"reading-{next(ids)}")
    for position, (message, record) in enumerate(arriving):
        book.arrive(record, claim_of(record, "default", f"{message}/{position}", message, 0))
    page = book.turn_page(0)
    truths = [move.now for move in page.moves if move.now is not None and not move.now.withdrawn]
    told = [(t.patient, t.millis, t.steps, t.unit, t.road.value, t.status.value) for t in truths]
    return sorted(told), page.tally


@settings(max_examples=some(300), deadline=None)
@given(feeds(), st.randoms(use_true_random=False), st.booleans())
def test_order_of_arrival_does_not_change_the_truth(
    feed: list[Arriving], chance: random.Random, correction_wins: bool
) -> None:
    rules = Rules(correction_wins=correction_wins, review=correction_wins)
    in_order, _ = reconciled(feed, rules)
    shuffled = list(feed)
    chance.shuffle(shuffled)
    assert reconciled(shuffled, rules)[0] == in_order


@settings(max_examples=some(200), deadline=None)
@given(measurements(), st.randoms(use_true_random=False))
def test_copies_of_one_measurement_are_one_reading_and_no_two_measurements_are(
    moments: list[list[tuple[float, float, str, Road]]], chance: random.Random
) -> None:
    arriving = [
        (f"message-{number:04d}", a_reading(value, unit, seconds=seconds, road=road))
        for number, (seconds, value, unit, road) in enumerate(told for moment in moments for told in moment)
    ]
    chance.shuffle(arriving)
    truths, tally = reconciled(arriving, Rules())
    assert len(truths) == len(moments)
    assert tally[Fate.CONFLICT] == 0
    best = {road: rank for rank, road in enumerate(Rules().prefer)}
    for truth, moment in zip(truths, sorted(moments), strict=True):
        assert best[Road(truth[4])] == min(best[road] for *_, road in moment)


@settings(max_examples=some(100), deadline=None)
@given(st.integers(40, 400), st.lists(st.integers(-15_000, 15_000), min_size=2, max_size=12))
def test_equal_values_five_minutes_apart_are_never_one_reading(value: int, jitters: list[int]) -> None:
    arriving = [
        (f"message-{n:04d}", a_reading(value, seconds=INTERVAL_SECONDS * n + jitter / 1000, road=Road.CSV))
        for n, jitter in enumerate(jitters)
    ]
    assert len(reconciled(arriving, Rules())[0]) == len(jitters)


# --- through the database


def messages_of(chance: random.Random, feed: list[Arriving]) -> list[Message]:
    """The feed in messages of a few records each."""
    left, messages = list(feed), []
    while left:
        size = chance.randint(1, 5)
        some, left = left[:size], left[size:]
        messages.append(a_message(encode([record for _, record in some]), Shape.RECORDS, id_=some[0][0]))
    return messages


@settings(max_examples=some(40), deadline=None)
@given(feeds(), st.randoms(use_true_random=False))
def test_the_database_says_what_the_rules_say_however_records_are_packed(
    feed: list[Arriving], chance: random.Random
) -> None:
    with MemoryLedger() as ledger:
        for message in messages_of(chance, feed):
            ledger.take(message)
        assert ledger.truths() == reconciled(feed, Rules())[0]


@settings(max_examples=some(40), deadline=None)
@given(feeds(), st.randoms(use_true_random=False))
def test_no_record_is_lost_and_none_counts_twice(feed: list[Arriving], chance: random.Random) -> None:
    chance.shuffle(feed)
    with MemoryLedger() as ledger:
        messages = messages_of(chance, feed)
        for message in messages:
            ledger.take(message)
        rows = ledger.connection.execute(select(reading_source.c.message_id, reading_source.c.position)).all()
        assert len(rows) == len(set(rows)) == len(feed)
        assert sum(ledger.fates().values()) == len(feed)
        founded = ledger.fates()["new"] + ledger.fates()["tombstone"]
        assert ledger.connection.scalar(select(func.count()).select_from(reading)) == founded


@settings(max_examples=some(40), deadline=None)
@given(feeds(), st.randoms(use_true_random=False))
def test_everything_again_changes_nothing(feed: list[Arriving], chance: random.Random) -> None:
    with MemoryLedger() as ledger:
        messages = messages_of(chance, feed)
        for message in messages:
            ledger.take(message)
        before = ledger.truths()
        replays = [message.child("test", message, message.received_at) for message in messages]
        chance.shuffle(replays)
        for replay in replays:
            outputs = ledger.take(replay)
            assert passed_on(outputs) == []
            assert asides(outputs) == []
        assert ledger.truths() == before


@settings(max_examples=some(40), deadline=None)
@given(feeds(), st.randoms(use_true_random=False))
def test_whoever_listens_downstream_knows_the_truth(feed: list[Arriving], chance: random.Random) -> None:
    """The last word passed on about each reading is what the ledger says of it, within the tolerance."""
    chance.shuffle(feed)
    with MemoryLedger(pass_on_same_value=True) as ledger:
        heard: dict[str, Glucose] = {}
        for message in messages_of(chance, feed):
            for record in passed_on(ledger.take(message)):
                assert record.reading_id is not None
                heard[record.reading_id] = record
        known = sorted(
            (r.effective.millis, r.value.steps, r.value.unit)
            for r in heard.values()
            if r.status is not Status.ENTERED_IN_ERROR
        )
        assert known == sorted((millis, steps, unit) for _, millis, steps, unit, *_ in ledger.truths())


def test_the_feeds_start_where_the_support_says() -> None:
    assert a_reading().effective.millis == TEN_OCLOCK_MILLIS
