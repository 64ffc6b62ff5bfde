"""Late data reaches every window that holds it, also one that held nothing when it ended: both lanes come to it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.issued import OutcomeStatus
from tests.contract.outcomes.support import OutcomeLedger, morning
from tests.examples import some


def test_a_window_that_was_empty_when_it_ended_is_issued_when_late_data_fills_it() -> None:
    with OutcomeLedger(windows=[1, 3]) as ledger:
        ledger.tell(*morning())
        for day in range(1, 9):
            ledger.end(hours=24 * day + 15)
        ledger.tell(*morning(days=9), hours=24 * 9 + 1)
        ledger.end(hours=24 * 10 + 15)
        assert {last for name, last in ledger.standing() if name == "3d"} == {
            "2026-11-20",
            "2026-11-21",
            "2026-11-22",
            "2026-11-29",
            "2026-11-30",
        }
        found = ledger.tell(*morning(days=4), hours=24 * 10 + 16)
        late = {(each.period.name, each.period.last_day): each for each in found}
        assert late.keys() == {("day", "2026-11-24"), *(("3d", f"2026-11-{day}") for day in (24, 25, 26))}
        assert {each.status for each in found} == {OutcomeStatus.FINAL}
        assert ledger.rebuild("2026-11-22", "2026-11-30", hours=24 * 10 + 17) == []


def test_windows_before_the_first_message_are_left_to_the_batch_lane() -> None:
    with OutcomeLedger(windows=[1, 3]) as ledger:
        ledger.tell(*morning(days=9), hours=24 * 9 + 1)
        ledger.end(hours=24 * 10 + 15)
        found = ledger.tell(*morning(days=4), hours=24 * 10 + 16)
        assert [(each.period.name, each.period.last_day) for each in found] == [("day", "2026-11-24")]


@settings(max_examples=some(10), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.booleans()), min_size=1, max_size=8))
def test_a_rebuild_of_what_has_been_closed_finds_nothing_to_add(told: list[tuple[int, int, bool]]) -> None:
    """Readings of any earlier day come on any day, with or without the schedule between."""
    with OutcomeLedger(windows=[1, 3, 7], fixed=[7]) as ledger:
        ledger.tell(*morning(days=-1), hours=0)
        for number, (day, earlier, closes) in enumerate(sorted(told)):
            at = 24 * day + 2 + number / 10
            if closes:
                ledger.end(hours=at)
            ledger.tell(*morning(90 + number, days=max(day - earlier, 0), count=2), hours=at + 0.05)
        end = 24 * 14 + 15
        ledger.end(hours=end)
        assert ledger.rebuild("2026-11-20", "2026-12-04", hours=end + 1) == []
