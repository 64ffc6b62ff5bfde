"""The simulated series: the same for the same seed, and believable."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import mean

import pytest

from simulators.series import HIGH, LOW, Point, glucose_series, oru_messages

START = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 14


def fields(message: bytes, segment: str) -> list[list[str]]:
    return [line.split("|") for line in message.decode().split("\r") if line.startswith(segment)]


def test_a_series_follows_from_its_seed() -> None:
    assert glucose_series(7, START, 2) == glucose_series(7, START, 2)
    assert glucose_series(7, START, 2) != glucose_series(8, START, 2)


@pytest.mark.parametrize("seed", range(6))
def test_a_series_looks_like_a_sensors(seed: int) -> None:
    points = glucose_series(seed, START, DAYS)
    values = [point.mg_dl for point in points]
    assert all(LOW <= value <= HIGH for value in values)
    assert 100 < mean(values) < 200
    assert 0 < sum(value < 70 for value in values) / len(values) < 0.12
    assert 0.02 < sum(value > 180 for value in values) / len(values) < 0.5
    # neighbours five minutes apart differ by what blood can do
    steps = [b.mg_dl - a.mg_dl for a, b in pairwise(points) if b.instant - a.instant < timedelta(minutes=6)]
    assert mean(abs(step) for step in steps) < 8
    assert max(abs(step) for step in steps) < 45


def test_a_sensor_warms_up_each_ten_days_and_has_gaps() -> None:
    points = glucose_series(3, START, DAYS)
    assert points[0].instant - START >= timedelta(minutes=30)
    tenth = START + timedelta(days=10)
    assert not [point for point in points if tenth <= point.instant < tenth + timedelta(minutes=30)]
    gaps = [b.instant - a.instant for a, b in pairwise(points) if b.instant - a.instant > timedelta(minutes=6)]
    assert len(gaps) > 2
    assert 0.9 < len(points) / (DAYS * 288) < 1


def test_after_meals_it_is_higher_than_at_night() -> None:
    points = [point for seed in range(5) for point in glucose_series(seed, START, DAYS, utc_offset_minutes=0)]
    night = mean(p.mg_dl for p in points if p.instant.hour in (2, 3, 4))
    evening = mean(p.mg_dl for p in points if p.instant.hour in (19, 20))
    assert evening > night + 20


def test_the_interval_is_a_setting() -> None:
    points = glucose_series(1, START, 1, interval_minutes=15)
    assert min(b.instant - a.instant for a, b in pairwise(points)) >= timedelta(minutes=14)


POINTS = [Point(START + timedelta(minutes=5 * n), value) for n, value in enumerate((101, 39, 401, 180, 187))]


def test_the_hospital_tells_the_same_readings_in_mmol() -> None:
    messages = oru_messages(POINTS, "MRN-1", skew_seconds=0)
    obx = [fields(message, "OBX")[0] for message in messages]
    assert [(row[2], row[5]) for row in obx] == [
        ("NM", "5.6"),
        ("SN", "<^2.2"),
        ("SN", ">^22.2"),
        ("NM", "10.0"),
        ("NM", "10.4"),
    ]
    assert obx[0][3].startswith("105272-9^")
    assert (obx[0][6], obx[0][11], obx[0][14]) == ("mmol/L^mmol/L^UCUM", "F", "20261101000000+0000")
    msh = fields(messages[0], "MSH")[0]
    assert (msh[8], msh[10], msh[11], msh[17]) == ("ORU^R01^ORU_R01", "P", "2.5.1", "UNICODE UTF-8")
    assert fields(messages[0], "PID")[0][3] == "MRN-1^^^STM^MR"
    assert len({fields(message, "MSH")[0][9] for message in messages}) == len(messages)


def test_a_sender_that_divides_by_18_rounds_some_values_elsewhere() -> None:
    def told(factor: str) -> list[str]:
        points = [Point(START, value) for value in range(40, 401)]
        return [fields(message, "OBX")[0][5] for message in oru_messages(points, "MRN-1", factor=factor)]

    different = sum(a != b for a, b in zip(told("18.0182"), told("18"), strict=True))
    assert 0 < different < 60


def test_mg_dl_comes_with_its_own_code() -> None:
    (row,) = fields(oru_messages(POINTS[:1], "MRN-1", unit="mg/dL")[0], "OBX")
    assert (row[3].split("^")[0], row[5], row[6]) == ("99504-3", "101", "mg/dL^mg/dL^UCUM")


def test_several_readings_may_share_a_message() -> None:
    messages = oru_messages(POINTS, "MRN-1", per_message=2)
    assert [len(fields(message, "OBX")) for message in messages] == [2, 2, 1]
    assert [row[4] for row in fields(messages[0], "OBX")] == ["1", "2"]


def test_times_are_a_few_seconds_off_and_carry_the_zones_offset() -> None:
    messages = oru_messages(POINTS, "MRN-1", skew_seconds=4, utc_offset_minutes=-210)
    stamps = [datetime.strptime(fields(message, "OBX")[0][14], "%Y%m%d%H%M%S%z") for message in messages]
    skews = [abs(stamp - point.instant) for stamp, point in zip(stamps, POINTS, strict=True)]
    assert max(skews) <= timedelta(seconds=4)
    assert any(skews)
    assert fields(messages[0], "OBX")[0][14].endswith("-0330")


def test_a_conflict_and_a_correction_can_be_put_in() -> None:
    plain = oru_messages(POINTS, "MRN-1", per_message=2)
    told = oru_messages(POINTS, "MRN-1", per_message=2, conflicts={3: 40}, corrections={1: 99})
    assert len(told) == len(plain) + 1
    original, correction = fields(told[0], "OBX")[1], fields(told[1], "OBX")[0]
    assert (correction[5], correction[11]) == ("5.5", "C")
    assert (correction[3], correction[4], correction[14]) == (original[3], original[4], original[14])
    assert fields(told[1], "OBR")[0][3:5] == fields(told[0], "OBR")[0][3:5]
    assert fields(told[2], "OBX")[1][5] == "12.2"  # 220 mg/dL, where the cloud says 180
