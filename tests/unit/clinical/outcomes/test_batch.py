"""The core set for many patients is that of each patient."""

from datetime import date

import numpy as np
import pytest

from clinical.outcomes import (
    ISLET,
    PREGNANCY,
    Core,
    Kind,
    OutcomeError,
    Profile,
    Slots,
    core,
    days_ending,
    readings,
    slots,
)
from tests.unit.clinical.outcomes.support import MINUTE, MONDAY, UTC_ZONE, every_five, result

WINDOW = days_ending(date(2024, 2, 18), 14, UTC_ZONE)


def patients(count: int, unit: int = 0) -> list[Slots]:
    """Random walks with gaps, some patients without readings or with one."""
    generator = np.random.default_rng(7)
    found = []
    for number in range(count):
        length = (0, 1)[number] if number < 2 else int(generator.integers(2, 1200))
        walk = np.clip(np.cumsum(generator.normal(0, 9, length)) + 130, 40, 400)
        steps = np.round(walk if unit == 0 else walk / 1.8).astype(int)
        chosen = every_five(steps.tolist(), unit=unit)
        times = chosen.millis + np.cumsum(generator.choice([0, 0, 0, 0, 0, 0, 0, 0, 5, 25, 60], length)) * MINUTE
        found.append(slots(readings(times, chosen.steps, unit)))
    return found


def batch(chosen: list[Slots], profile: Profile = ISLET) -> Core:
    edges = np.concatenate([[0], np.cumsum([each.millis.size for each in chosen])])
    level = np.concatenate([each.level for each in chosen]).astype(np.int16)
    return core(np.concatenate([each.millis for each in chosen]), level, edges, 300, profile)


@pytest.mark.parametrize("unit", [0, 1])
@pytest.mark.parametrize("profile", [ISLET, ISLET.with_targets(PREGNANCY)])
def test_each_row_is_the_patients_outcome(unit: int, profile: Profile) -> None:
    chosen = patients(150, unit)
    found = batch(chosen, profile)
    for row, each in enumerate(chosen):
        alone = result(each, WINDOW, profile)
        assert found.n[row] == alone.readings
        assert found.event_counts[row].tolist() == [len(alone.events[kind]) for kind in Kind]
        if alone.shares is None or alone.figures is None:
            assert np.isnan(found.mean[row])
            assert np.isnan(found.percentiles[row]).all()
            continue
        assert (found.bands[row] * 300).tolist() == list(alone.shares.seconds)
        assert found.tight[row] * 300 == alone.shares.tight_seconds
        figures = alone.figures
        for name in ("mean", "gmi", "ea1c", "lbgi", "hbgi", "gri"):
            assert getattr(found, name)[row] == pytest.approx(getattr(figures, name), rel=1e-14), name
        if figures.sd is not None:
            for name in ("sd", "cv", "j_index"):
                assert getattr(found, name)[row] == pytest.approx(getattr(figures, name), rel=1e-13), name
        assert found.percentiles[row].tolist() == list(figures.percentiles)
        lengths = [(each.end_millis - each.start_millis).sum() for each in alone.events.values()]
        assert found.event_millis[row].tolist() == lengths


def test_one_reading_has_no_spread() -> None:
    found = batch(patients(2))
    assert found.n.tolist() == [0, 1]
    assert np.isnan(found.sd).all()


def test_no_patients_and_no_readings() -> None:
    none = np.empty(0, np.int64)
    assert core(none, none, np.array([0]), 300, ISLET).n.size == 0
    assert core(none, none, np.array([0, 0, 0]), 300, ISLET).n.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("offsets", "levels", "edges", "interval", "said"),
    [
        ([0, 2], [100, 100], [0, 2], 300, "too close"),
        ([5, 0], [100, 100], [0, 2], 300, "out of order"),
        ([0, 5], [100, 1124], [0, 2], 300, "one unit"),
        ([0, 5], [-3, 100], [0, 2], 300, "one unit"),
        ([0, 5], [5, 100], [0, 2], 300, "not plausible"),
        ([0, 5], [100, 1010], [0, 2], 300, "not plausible"),
        ([0, 5], [100, 100], [0, 1], 300, "edges must rise"),
        ([0, 5], [100, 100], [0, 3, 2], 300, "edges must rise"),
        ([0, 5], [100, 100], [0, 2], 0, "must be positive"),
    ],
)
def test_what_cannot_be_computed_exactly_is_refused(
    offsets: list[int], levels: list[int], edges: list[int], interval: int, said: str
) -> None:
    millis = MONDAY + np.array(offsets) * MINUTE
    with pytest.raises(OutcomeError, match=said) as told:
        core(millis, np.array(levels), np.array(edges), interval, ISLET)
    assert told.value.code == "batch"


def test_patients_may_follow_each_other_at_any_time() -> None:
    first, second = every_five([60] * 3), every_five([60] * 3)
    found = batch([slots(first), slots(second)])
    assert found.event_counts[:, Kind.HYPO_1].tolist() == [1, 1]
