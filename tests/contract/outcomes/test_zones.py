"""Whose midnight counts: a patient's own, and what a move to another zone does; windows side by side."""

import asyncio

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from clinical.issued import Cause, OutcomeStatus
from engine.cli.app import app
from ledger.outcome_tables import outcome_day
from ledger.outcome_upkeep import set_zone
from tests.contract.outcomes.support import OutcomeLedger, morning
from tests.unit.ledger.support import a_reading
from transformers.outcomes import OutcomesSettings


def moves_to(ledger: OutcomeLedger, zone: str | None) -> None:
    asyncio.run(set_zone(ledger.tx, "default", "p1", zone, 0))
    ledger.connection.commit()


def test_a_patient_has_the_midnight_of_their_own_zone() -> None:
    with OutcomeLedger(windows=[1]) as ledger:
        moves_to(ledger, "Asia/Tokyo")
        evening = a_reading(100, seconds=6 * 3600)  # 16:00 in Dublin, 01:00 of the next day in Tokyo
        (found,) = ledger.tell(evening, hours=6.5)
        assert (found.period.first_day, found.period.zone) == ("2026-11-21", "Asia/Tokyo")


def test_a_move_amends_what_was_issued_and_comes_to_what_the_new_zone_gives_at_once() -> None:
    with OutcomeLedger() as ledger, OutcomeLedger(timezone="Asia/Tokyo") as there:
        for days in range(3):
            ledger.tell(*morning(100 + days, days=days), hours=1 + 24 * days)
            there.tell(*morning(100 + days, days=days), hours=1 + 24 * days)
        before = ledger.standing()
        moves_to(ledger, "Asia/Tokyo")
        issued = ledger.end(hours=50)
        there.end(hours=50)
        assert {each.cause for each in issued if each.replaces} == {Cause.ZONE}
        day = ledger.standing()["day", "2026-11-20"]
        assert (day.status, day.replaces) == (OutcomeStatus.AMENDED, before["day", "2026-11-20"].id)
        assert day.series == before["day", "2026-11-20"].series
        for window, found in there.standing().items():
            ours = ledger.standing()[window]
            assert (ours.evidence, ours.period) == (found.evidence, found.period)
            assert not found.complete or ours.figures == found.figures
        assert {row.method for row in ledger.connection.execute(select(outcome_day))} == {
            row.method for row in there.connection.execute(select(outcome_day))
        }
        assert ledger.end(hours=51) == []


def test_back_to_the_sites_zone_is_a_move_too() -> None:
    with OutcomeLedger(windows=[1]) as ledger:
        (first,) = ledger.tell(*morning())
        moves_to(ledger, "America/New_York")
        ledger.end(hours=2)
        moves_to(ledger, None)
        ledger.end(hours=3)
        again = ledger.standing()["day", "2026-11-20"]
        assert (again.evidence, again.version) == (first.evidence, 3)


def test_fixed_windows_lie_side_by_side_and_end_on_sundays() -> None:
    """2026-11-22 is a Sunday, and periods of seven days begin on Mondays."""
    with OutcomeLedger(windows=[7], fixed=[7], partial=[]) as ledger:
        for days in range(9):
            ledger.tell(*morning(days=days), hours=1 + 24 * days)
        assert list(ledger.standing()) == [("7d", "2026-11-22")]
        ledger.end(hours=24 * 10)
        assert set(ledger.standing()) == {("7d", "2026-11-22"), ("7d", "2026-11-29")}


def test_a_fixed_window_is_told_of_while_it_lasts() -> None:
    with OutcomeLedger(windows=[7], fixed=[7], partial=[7]) as ledger:
        (found,) = ledger.tell(*morning())
        assert (found.period.first_day, found.period.last_day) == ("2026-11-16", "2026-11-22")
        assert found.status is OutcomeStatus.PARTIAL


def test_a_fixed_length_must_be_a_window() -> None:
    with pytest.raises(ValueError, match="`fixed` names a length"):
        OutcomesSettings.model_validate({"timezone": "UTC", "windows": [1], "fixed": [7]})


def test_a_zone_that_is_none_is_refused() -> None:
    result = CliRunner().invoke(app, ["patients", "zone", "p1", "Europe/Nowhere"])
    assert result.exit_code == 2
    assert "is no zone" in result.output
