"""Keys: what they tell apart, what they find, and what a tolerance makes of it."""

import hashlib

import pytest

from clinical import units
from ledger import keys

PATIENT = ("default", "p1", "interstitial-glucose")


def test_a_key_is_the_minute_in_four_bytes_and_a_sha_256_over_the_canonical_text() -> None:
    digest = hashlib.sha256(b"7:default|2:p1|20:interstitial-glucose|29919480|101").digest()
    assert keys.same_reading(*PATIENT, 29919480, 101) == (29919480).to_bytes(4, "big") + digest[:12]


def test_later_minutes_have_greater_keys() -> None:
    made = [keys.same_moment(*PATIENT, minute) for minute in range(29_919_480, 29_919_580)]
    assert made == sorted(made)


@pytest.mark.parametrize(
    "other",
    [("other", "p1", "interstitial-glucose"), ("default", "p2", "interstitial-glucose"), ("default", "p1", "blood")],
)
def test_tenant_patient_and_analyte_each_make_another_key(other: tuple[str, str, str]) -> None:
    assert keys.same_moment(*PATIENT, 1) != keys.same_moment(*other, 1)
    assert keys.same_reading(*PATIENT, 1, 101) != keys.same_reading(*other, 1, 101)


def test_parts_cannot_run_into_each_other() -> None:
    assert keys.canonical_text("a|1:b", "c") != keys.canonical_text("a", "1:b|c")
    assert keys.identity("t", "ab", "c") != keys.identity("t", "a", "bc")


def test_times_before_1970_and_far_ahead_have_keys_too() -> None:
    assert keys.same_moment(*PATIENT, -5)[:4] == b"\x00\x00\x00\x00"
    assert keys.same_moment(*PATIENT, -5) != keys.same_moment(*PATIENT, -6)
    assert keys.same_moment(*PATIENT, 2**40)[:4] == b"\xff\xff\xff\xff"


@pytest.mark.parametrize(
    ("second", "tolerance", "near"),
    [
        (0, 0, (0, 0)),
        (0, 5, (-1, 0)),
        (4, 5, (-1, 0)),
        (5, 5, (0, 0)),
        (54, 5, (0, 0)),
        (55, 5, (0, 1)),
        (30, 30, (0, 1)),
        (29, 30, (-1, 0)),
        (30, 60, (-1, 1)),
    ],
)
def test_only_neighbours_within_reach_are_probed(second: int, tolerance: int, near: tuple[int, int]) -> None:
    minutes = keys.minutes_near(600_000 + second * 1000, False, tolerance * 1000)
    assert (minutes[0] - 10, minutes[-1] - 10) == near


def test_a_time_written_to_the_minute_reaches_into_the_next() -> None:
    assert list(keys.minutes_near(600_000, True, 30_000)) == [9, 10, 11]


def test_every_pair_within_the_tolerance_is_found_from_both_sides() -> None:
    for tolerance in (1_000, 5_000, 30_000, 60_000):
        for start in range(0, 60_000, 250):
            for skew in (0, 1, tolerance // 2, tolerance):
                one, other = 600_000 + start, 600_000 + start + skew
                assert keys.minute_of(other) in keys.minutes_near(one, False, tolerance)
                assert keys.minute_of(one) in keys.minutes_near(other, False, tolerance)


def _copy(mg_dl: int, factor: float, *, back: float | None = None, cut: bool = False) -> int:
    """The value bucket of a copy that went through 0.1 mmol/L with this factor (and back to mg/dL)."""
    tenths = int(mg_dl / factor * 10) if cut else int(mg_dl / factor * 10 + 0.5)
    if back is None:
        return keys.matching_value(tenths, units.MMOL_L)
    return keys.matching_value(int(tenths / 10 * back + 0.5), units.MG_DL)


FACTORS = (18.0, 18.01559, 18.016, 18.018, 18.0182)


@pytest.mark.parametrize("factor", FACTORS)
def test_a_copy_in_mmol_is_at_most_one_bucket_away(factor: float) -> None:
    for value in range(20, 601):
        assert abs(keys.matching_value(value, units.MG_DL) - _copy(value, factor)) <= 1
        assert abs(keys.matching_value(value, units.MG_DL) - _copy(value, factor, cut=True)) <= 1


@pytest.mark.parametrize("there", FACTORS)
@pytest.mark.parametrize("back", FACTORS)
def test_a_round_trip_with_any_two_factors_is_at_most_one_bucket_away(there: float, back: float) -> None:
    for value in range(20, 601):
        assert abs(keys.matching_value(value, units.MG_DL) - _copy(value, there, back=back)) <= 1


def test_buckets_alone_would_split_true_pairs() -> None:
    """Why neighbours are probed: the shares that single buckets miss."""
    values = range(40, 401)
    by_mg = sum(int(int(v / 18.0182 * 10 + 0.5) / 10 * 18.0182 + 0.5) != v for v in values)
    by_18 = sum(_copy(v, 18.0) != keys.matching_value(v, units.MG_DL) for v in values)
    by_minute = sum(keys.minute_of(s * 1000) != keys.minute_of((s + 5) * 1000) for s in range(3600))
    assert by_mg == 160  # 44 % of 361, hashed in mg/dL
    assert 30 <= by_18 <= 45  # about 10 %, divided by 18
    assert by_minute == 300  # 8 % of the pairs 5 s apart


def test_the_neighbours_of_a_reading_are_minutes_times_values() -> None:
    near = keys.readings_near(*PATIENT, range(9, 11), 101, 1)
    assert set(near) == {keys.same_reading(*PATIENT, m, v) for m in (9, 10) for v in (100, 101, 102)}
