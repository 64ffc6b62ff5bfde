"""Doses that two vendors tell of, in any order of arrival, with clocks a little apart and amounts rounded: each dose is
counted once, and none is lost."""

from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.records import InsulinDose
from tests.builders import a_bolus
from tests.examples import some
from tests.unit.ledger.support import MemoryLedger, asides

MEAL_SECONDS = 600


@st.composite
def told_by_two(draw: st.DrawFn) -> tuple[int, list[InsulinDose]]:
    """How many doses there were, and what a pump's cloud and a second vendor say of them, shuffled.

    At each meal one dose, or two of one size within a minute.
    """
    told: list[InsulinDose] = []
    doses = 0
    for meal in range(draw(st.integers(1, 4))):
        amount = Decimal(draw(st.integers(1, 30_000))) / 1000
        seconds = [0, *([draw(st.integers(30, 50))] if draw(st.booleans()) else [])]
        rounded = amount.quantize(draw(st.sampled_from([Decimal("0.1"), Decimal("0.01")])), ROUND_HALF_UP)
        for second in seconds:
            at, name = meal * MEAL_SECONDS + second, f"{meal}/{second}"
            skew = draw(st.integers(-5, 5))
            told.append(a_bolus(str(amount), at, system="tandem", id_=name))
            told.append(a_bolus(str(rounded), at + skew, system="glooko", id_=name))
        doses += len(seconds)
    return doses, draw(st.permutations(told))


@settings(max_examples=some(60), deadline=None)
@given(told_by_two(), st.integers(1, 5))
def test_each_dose_is_one_whoever_tells_of_it_first(told: tuple[int, list[InsulinDose]], at_once: int) -> None:
    doses, records = told
    with MemoryLedger() as ledger:
        for start in range(0, len(records), at_once):
            assert not asides(ledger.receive(*records[start : start + at_once]))
        assert len(ledger.truths()) == doses
        assert sum(ledger.fates().values()) == len(records)
        before = ledger.truths()
        ledger.receive(*records)
        assert ledger.truths() == before
