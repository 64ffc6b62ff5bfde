"""Whatever comes in whatever pieces, the figures that stand are those of all readings at once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.records import AnyRecord, Status
from tests.contract.outcomes.support import DAY, OutcomeLedger
from tests.examples import some
from tests.unit.ledger.support import a_reading

FIRST, LAST = "2026-11-19", "2026-11-24"

moments = st.integers(min_value=0, max_value=3 * DAY // 300 - 1)
values = st.integers(min_value=30, max_value=420)
readings = st.dictionaries(moments, values, min_size=1, max_size=24)


def entered(chosen: dict[int, int], version: str, status: Status = Status.FINAL) -> list[AnyRecord]:
    return [
        a_reading(value, seconds=300 * moment, id_=str(moment), version=version, status=status)
        for moment, value in chosen.items()
    ]


@settings(max_examples=some(20), deadline=None)
@given(readings, st.data())
def test_pieces_late_data_corrections_and_tombstones_come_to_a_full_recompute(
    chosen: dict[int, int], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(sorted(chosen)))
    cut = data.draw(st.integers(min_value=0, max_value=len(order)))
    corrected = {moment: data.draw(values) for moment in order[: data.draw(st.integers(0, 3))]}
    gone = data.draw(st.sampled_from([[], order[-1:]]))
    with OutcomeLedger() as bit_by_bit, OutcomeLedger() as at_once:
        for hours, piece in ((80, order[:cut]), (81, order[cut:])):
            bit_by_bit.tell(*entered({moment: chosen[moment] for moment in piece}, "1"), hours=hours)
        bit_by_bit.tell(*entered(corrected, "2", Status.CORRECTED), hours=82)
        bit_by_bit.tell(*entered({m: chosen[m] for m in gone}, "3", Status.ENTERED_IN_ERROR), hours=83)
        left = {moment: value for moment, value in (chosen | corrected).items() if moment not in gone}
        at_once.receive(*entered(left, "1"))
        at_once.rebuild(FIRST, LAST, hours=83)
        whole = at_once.elements()
        ours = bit_by_bit.elements()
        assert {day: ours[day] for day in ours.keys() & whole.keys()} == {
            day: whole[day] for day in ours.keys() & whole.keys()
        }
        theirs = at_once.standing()
        for window, found in bit_by_bit.standing().items():
            if found.complete and window in theirs:
                assert (found.evidence, found.figures) == (theirs[window].evidence, theirs[window].figures), window
