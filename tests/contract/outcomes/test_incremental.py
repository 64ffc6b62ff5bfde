"""`outcomes` on a ledger: what is issued when, why, and what it replaces."""

from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from clinical import units
from clinical.issued import Cause, OutcomeStatus
from clinical.records import (
    AnyRecord,
    BloodPressure,
    Device,
    DeviceEvent,
    Original,
    Quantity,
    Road,
    SourceId,
    Status,
    VitalKind,
    VitalSign,
)
from ledger.outcome_tables import outcome
from tests.builders import ten_oclock
from tests.contract.outcomes.support import DAY, P1, OutcomeLedger, morning
from tests.unit.ledger.support import a_reading


@pytest.fixture
def ledger() -> Iterator[OutcomeLedger]:
    with OutcomeLedger() as opened:
        yield opened


def test_readings_of_today_are_a_partial_day(ledger: OutcomeLedger) -> None:
    (found,) = ledger.tell(*morning(120, count=3), *[a_reading(65, seconds=3000)])
    assert (found.status, found.cause, found.version, found.replaces) == (OutcomeStatus.PARTIAL, Cause.NEW, 1, None)
    assert (found.period.name, found.period.first_day, found.period.zone) == ("day", "2026-11-20", "Europe/Dublin")
    assert (found.readings, found.figures["in_range"], found.figures["low"]) == (4, 75.0, 25.0)
    assert found.figures["mean"] == (3 * 120 + 65) / 4
    assert sum(ms for name, ms in found.accounting.items() if name != "window") == found.accounting["window"]


def test_a_later_reading_replaces_the_partial_day(ledger: OutcomeLedger) -> None:
    (first,) = ledger.tell(*morning(count=3))
    (second,) = ledger.tell(a_reading(200, seconds=900), hours=2)
    assert (second.status, second.replaces, second.version) == (OutcomeStatus.PARTIAL, first.id, 2)
    assert second.series == first.series


def test_nothing_is_issued_twice_for_unchanged_figures(ledger: OutcomeLedger) -> None:
    ledger.tell(*morning())
    assert ledger.rebuild("2026-11-20", "2026-11-20", hours=1) == []
    assert ledger.connection.scalar(select(func.count()).select_from(outcome)) == 1


def test_the_first_reading_after_midnight_makes_yesterday_final(ledger: OutcomeLedger) -> None:
    (first,) = ledger.tell(*morning())
    issued = ledger.tell(*morning(days=1), hours=25)
    by_window = {(each.period.name, each.period.last_day): each for each in issued}
    yesterday = by_window["day", "2026-11-20"]
    assert (yesterday.status, yesterday.cause) == (OutcomeStatus.FINAL, Cause.ENDED)
    assert (yesterday.replaces, yesterday.evidence) == (first.id, first.evidence)
    assert by_window["day", "2026-11-21"].status is OutcomeStatus.PARTIAL
    assert by_window["7d", "2026-11-20"].status is OutcomeStatus.FINAL
    assert ("7d", "2026-11-21") not in by_window  # rolling windows are told of when they have ended


def test_a_late_backfill_amends_every_window_that_holds_it_and_says_what_it_replaces(ledger: OutcomeLedger) -> None:
    ledger.tell(*morning())
    ledger.tell(*morning(days=1), hours=25)
    ledger.tell(*morning(days=2), hours=49)
    before = ledger.standing()
    issued = ledger.tell(*[a_reading(50, seconds=7200 + 300 * n, id_=f"late/{n}") for n in range(4)], hours=50)
    touched = {(each.period.name, each.period.last_day): each for each in issued}
    assert set(touched) == {("day", "2026-11-20"), ("7d", "2026-11-20"), ("7d", "2026-11-21")}
    for window, amended in touched.items():
        assert (amended.status, amended.cause) == (OutcomeStatus.AMENDED, Cause.LATE)
        assert amended.replaces == before[window].id
        assert amended.readings == before[window].readings + 4
        assert amended.counts["hypo_2"] == 1


def test_a_correction_amends_with_its_reason(ledger: OutcomeLedger) -> None:
    ledger.tell(*morning())
    ledger.tell(*morning(days=1), hours=25)
    corrected = a_reading(300, seconds=300, id_="0/1", version="2", status=Status.CORRECTED)
    issued = ledger.tell(corrected, hours=26)
    assert {each.cause for each in issued} == {Cause.CORRECTED}
    day = next(each for each in issued if each.period.name == "day")
    assert (day.status, day.readings, day.figures["very_high"]) == (OutcomeStatus.AMENDED, 6, 100 / 6)


def test_a_tombstone_amends_and_the_last_one_leaves_an_outcome_entered_in_error(ledger: OutcomeLedger) -> None:
    ledger.tell(*morning(count=2))
    ledger.tell(*morning(days=1), hours=25)

    def gone(number: int) -> list[OutcomeStatus]:
        tombstone = a_reading(120, seconds=300 * number, id_=f"0/{number}", version="2", status=Status.ENTERED_IN_ERROR)
        issued = ledger.tell(tombstone, hours=26 + number)
        assert {each.cause for each in issued} == {Cause.WITHDRAWN}
        return [each.status for each in issued if each.period.name == "day"]

    assert gone(0) == [OutcomeStatus.AMENDED]
    assert gone(1) == [OutcomeStatus.ENTERED_IN_ERROR]
    assert ledger.standing()["day", "2026-11-20"].figures.keys() <= {"active_percent", "active_percent_after_warm_up"}


def test_what_came_bit_by_bit_equals_a_full_recompute(ledger: OutcomeLedger) -> None:
    """The same readings in one go, or in any pieces and with late ones: the same elements, byte for byte."""
    pieces: list[list[AnyRecord]] = [
        morning(120),
        morning(90, days=1),
        morning(210, days=2),
        [a_reading(52, seconds=4000 + 300 * n) for n in range(5)],
    ]
    for hours, piece in zip((1, 25, 49, 50), pieces, strict=True):
        ledger.tell(*piece, hours=hours)
    with OutcomeLedger() as at_once:
        at_once.tell(*[record for piece in pieces for record in piece], hours=50)
        at_once.rebuild("2026-11-19", "2026-11-22", hours=50)
        whole = at_once.elements()
        assert {day: whole[day] for day in ledger.elements() if day in whole} == {
            day: element for day, element in ledger.elements().items() if day in whole
        }
        theirs = at_once.standing()
        for window, ours in ledger.standing().items():
            assert (ours.evidence, ours.figures["mean"], ours.counts) == (
                theirs[window].evidence,
                theirs[window].figures["mean"],
                theirs[window].counts,
            )


def test_the_batch_lane_finds_nothing_to_do_where_the_incremental_one_has_been(ledger: OutcomeLedger) -> None:
    for days in range(4):
        ledger.tell(*morning(100 + days, days=days), hours=1 + 24 * days)
    assert ledger.rebuild("2026-11-20", "2026-11-23", hours=74) == []
    ledger.tell(a_reading(55, seconds=5000), hours=75)
    assert ledger.rebuild("2026-11-20", "2026-11-23", hours=75) == []


def test_the_batch_lane_makes_what_was_never_made(ledger: OutcomeLedger) -> None:
    for days in range(3):
        ledger.receive(*morning(days=days))
    issued = ledger.rebuild("2026-11-20", "2026-11-22", hours=100)
    assert {(each.period.name, each.period.last_day) for each in issued} == {
        (name, f"2026-11-{day}") for name in ("day", "7d") for day in (20, 21, 22)
    }
    assert {each.cause for each in issued} == {Cause.REBUILD}
    assert {each.status for each in issued} == {OutcomeStatus.FINAL}


def pressure(systolic: int, diastolic: int, days: int) -> BloodPressure:
    return BloodPressure(
        patient=P1,
        effective=ten_oclock(days * DAY),
        status=Status.FINAL,
        source=SourceId(road=Road.CLOUD, system="cuff", value=f"bp/{days}"),
        original=Original(),
        systolic=Quantity(steps=systolic, unit=units.PRESSURE),
        diastolic=Quantity(steps=diastolic, unit=units.PRESSURE),
    )


def weight(hundredths: int, days: int) -> VitalSign:
    return VitalSign(
        patient=P1,
        effective=ten_oclock(days * DAY),
        status=Status.FINAL,
        source=SourceId(road=Road.CLOUD, system="scale", value=f"w/{days}"),
        original=Original(),
        kind=VitalKind.WEIGHT,
        value=Quantity(steps=hundredths, unit=units.KILOGRAM),
    )


def test_hypertension_is_the_same_machinery_with_other_settings() -> None:
    with OutcomeLedger(of="blood-pressure", windows=[7], partial=[7]) as ledger:
        first = ledger.tell(pressure(128, 79, 0), pressure(131, 79, 1), pressure(120, 80, 2), hours=60)[-1]
        assert first.figures["at_target"] == 100 / 3  # both values must be below
        assert (first.figures["mean_systolic"], first.figures["mean_diastolic"]) == (379 / 3, 238 / 3)
        assert first.readings == 3
        second = ledger.tell(pressure(118, 70, -1), hours=61)[-1]
        assert (second.figures["at_target"], second.replaces) == (50.0, first.id)


def test_weight_has_change_and_trend() -> None:
    with OutcomeLedger(of="weight", windows=[14], partial=[14]) as ledger:
        found = ledger.tell(weight(8000, 0), weight(7950, 7), hours=8 * 24)[-1]
        assert (found.figures["change"], found.figures["trend_per_week"]) == (-0.5, -0.5)
        assert (found.figures["first"], found.figures["last"], found.figures["mean"]) == (80.0, 79.5, 79.75)
        assert "trend_per_week" not in ledger.tell(weight(8100, 40), hours=41 * 24)[-1].figures


def test_a_sensor_start_excludes_its_warm_up_and_says_so(ledger: OutcomeLedger) -> None:
    (before,) = ledger.tell(*morning())
    start = DeviceEvent(
        patient=P1,
        effective=ten_oclock(-3600),
        status=Status.FINAL,
        source=SourceId(road=Road.CLOUD, system="sys-cloud", value="start"),
        original=Original(code="SESSION_START"),
        device=Device(vendor="Dexcom", model="G6"),
        event="sensor-start",
    )
    (after,) = ledger.tell(start, hours=2)
    assert (after.cause, after.replaces) == (Cause.EXCLUSION, before.id)
    assert (before.readings, after.readings) == (6, 0)  # a G6 warms up for two hours
    assert after.accounting["warm-up"] == 7_200_000
