"""Claims and rules: what is near, what is newer, and which claim a reading is read from."""

import pytest
from msgspec.structs import replace

from clinical import units
from clinical.records import Detection, Road, Status
from ledger import rules as reconciliation
from ledger.claims import Claim, Standing, agree, claim_of, difference, gap, newer, same_value, says_the_same
from ledger.rules import Fate, Reading, Rules, decide, truth
from ledger.subjects import Tolerance
from tests.unit.ledger.support import a_reading

RULES = Rules()


def claim(
    value: float = 182,
    unit: str = units.MG_DL,
    *,
    message: str = "m1",
    standing: Standing = Standing.SPEAKS,
    amended: bool = False,
    seconds: float = 0,
    road: Road = Road.CLOUD,
    id_: str | None = None,
    version: str | None = None,
    status: Status = Status.FINAL,
    precision: str = "second",
    detection: Detection | None = None,
) -> Claim:
    record = a_reading(
        value,
        unit,
        seconds=seconds,
        road=road,
        id_=id_ or message,
        version=version,
        status=status,
        precision=precision,
        detection=detection,
    )
    return replace(claim_of(record, "default", message, message, 0), standing=standing, amended=amended)


def reading(*claims: Claim) -> Reading:
    return Reading("r1", "p1", "interstitial-glucose", list(claims), truth(claims, RULES))


# --- nearness


@pytest.mark.parametrize(
    ("one", "other", "millis"),
    [
        (claim(seconds=3), claim(seconds=8), 5_000),
        (claim(precision="minute"), claim(seconds=47), 0),
        (claim(precision="minute"), claim(seconds=65), 5_001),
        (claim(precision="minute"), claim(seconds=-5), 5_000),
        (claim(precision="minute"), claim(seconds=60, precision="minute"), 60_000),
    ],
)
def test_the_gap_knows_how_exactly_a_time_was_written(one: Claim, other: Claim, millis: int) -> None:
    assert gap(one, other) == gap(other, one) == millis


def test_out_of_range_marks_are_equal_on_one_side_only() -> None:
    below, other_below = claim(39, detection=Detection.BELOW), claim(2.1, units.MMOL_L, detection=Detection.BELOW)
    above = claim(39, detection=Detection.ABOVE)
    assert same_value(below, other_below, 0)
    assert not same_value(below, above, 1)
    assert same_value(below, claim(39), 1)


def test_agreement_ends_at_the_tolerance() -> None:
    tolerance = Tolerance(30_000, 1)
    assert agree(claim(182), claim(10.2, units.MMOL_L, seconds=30), tolerance)
    assert not agree(claim(182), claim(10.3, units.MMOL_L), tolerance)
    assert not agree(claim(182), claim(182, seconds=30.001), tolerance)


def test_a_difference_is_measured_in_the_unit_that_the_site_wrote() -> None:
    assert difference(claim(182), claim(190), units.MG_DL) == 8
    assert difference(claim(10.1, units.MMOL_L), claim(190), units.MG_DL) == 8
    assert difference(claim(182), claim(190), units.MMOL_L) == 4


# --- versions


@pytest.mark.parametrize(
    ("older", "later"),
    [
        (claim(version="9"), claim(version="10")),
        (claim(version="1.5"), claim(version="1.25e1")),  # a number before a text
        (claim(version="2026-11-20T09:59:00Z"), claim(version="2026-11-20T10:00:00Z")),
        (claim(message="m1"), claim(message="m2")),
        (claim(message="m2", version="1"), claim(message="m3")),
        (claim(message="m2"), claim(message="m1", status=Status.CORRECTED)),
        (claim(message="m2"), claim(message="m1", status=Status.ENTERED_IN_ERROR)),
        (claim(message="m2", version="1"), claim(message="m1", version="1", status=Status.CORRECTED)),
        (claim(message="m2", status=Status.ENTERED_IN_ERROR, version="1"), claim(message="m1", version="2")),
    ],
)
def test_which_version_is_newer(older: Claim, later: Claim) -> None:
    assert newer(later, older)
    assert not newer(older, later)


def test_two_deletions_say_the_same_whatever_value_they_carry() -> None:
    gone = claim(0, id_="r", status=Status.ENTERED_IN_ERROR)
    assert says_the_same(gone, claim(182, id_="r", status=Status.ENTERED_IN_ERROR))
    assert not says_the_same(gone, claim(0, id_="r"))


# --- which claim a reading is read from


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        (claim(road=Road.FHIR, message="m2"), claim(road=Road.HL7V2)),
        (claim(road=Road.HL7V2, message="m2"), claim(road=Road.CLOUD)),
        (claim(road=Road.CLOUD, message="m2"), claim(road=Road.CSV)),
        (claim(message="m1"), claim(message="m2")),
        (claim(road=Road.CSV, status=Status.CORRECTED, message="m2"), claim(road=Road.FHIR)),
        (claim(road=Road.CSV, amended=True, message="m2"), claim(road=Road.FHIR)),
        (claim(road=Road.CSV, message="m2"), claim(road=Road.FHIR, status=Status.PRELIMINARY)),
        (claim(road=Road.CSV, standing=Standing.CHOSEN, message="m2"), claim(road=Road.FHIR, status=Status.CORRECTED)),
        (claim(road=Road.CSV, message="m2"), claim(road=Road.FHIR, standing=Standing.DISPUTED)),
        (claim(road=Road.CSV, message="m2"), claim(road=Road.FHIR, standing=Standing.EARLIER)),
        (claim(road=Road.CSV, status=Status.ENTERED_IN_ERROR, message="m2"), claim(road=Road.FHIR)),
        (claim(250, road=Road.FHIR), claim(100, road=Road.CSV, status=Status.ENTERED_IN_ERROR, message="m2")),
    ],
)
def test_the_truth_does_not_depend_on_the_order(winner: Claim, loser: Claim) -> None:
    assert truth([winner, loser], RULES) is winner
    assert truth([loser, winner], RULES) is winner


def test_a_reading_of_which_nobody_speaks_has_no_truth() -> None:
    assert truth([claim(standing=Standing.EARLIER), claim(standing=Standing.DISPUTED)], RULES) is None


def test_a_road_that_is_not_preferred_comes_last() -> None:
    rules = Rules(prefer=(Road.CSV,))
    assert [rules.rank(road) for road in (Road.CSV, Road.FHIR)] == [0, 1]


# --- decisions


def test_who_says_neither_the_original_nor_its_correction_disagrees() -> None:
    corrected = reading(
        claim(182, message="m1", id_="r", standing=Standing.EARLIER),
        claim(128, message="m2", id_="r", status=Status.CORRECTED),
    )
    assert decide(claim(250, message="m3", road=Road.FHIR), None, [corrected], RULES).fate is Fate.CONFLICT
    joins = decide(claim(182, message="m3", road=Road.FHIR), None, [corrected], RULES)
    assert joins.fate is None
    assert joins.reading is corrected


def test_a_correction_whose_original_we_never_had_settles_a_difference() -> None:
    corrected = reading(claim(128, id_="r", status=Status.CORRECTED))
    assert decide(claim(182, message="m3", road=Road.FHIR), None, [corrected], RULES).reading is corrected
    plain = reading(claim(182))
    decision = decide(claim(128, message="m3", road=Road.CSV, status=Status.CORRECTED), None, [plain], RULES)
    assert (decision.fate, decision.reading) == (None, plain)


def test_two_corrections_that_differ_need_a_person() -> None:
    corrected = reading(claim(128, id_="r", status=Status.CORRECTED))
    other = claim(200, message="m3", road=Road.FHIR, status=Status.CORRECTED)
    assert decide(other, None, [corrected], RULES).fate is Fate.CONFLICT


def test_the_nearest_reading_is_met() -> None:
    near, far = reading(claim(182, seconds=58)), reading(claim(182, seconds=120))
    far.id = "r2"
    assert decide(claim(182, seconds=85, message="m3"), None, [far, near], RULES).reading is near


def test_a_copy_of_a_disputed_value_waits_with_it() -> None:
    contested = reading(claim(182), claim(250, message="m2", standing=Standing.DISPUTED))
    decision = decide(claim(250, message="m3", road=Road.CSV), None, [contested], RULES)
    assert decision.fate is Fate.DUPLICATE
    assert decision.claim is not None
    assert decision.claim.standing is Standing.DISPUTED


def test_a_dispute_ends_when_the_truth_comes_to_agree() -> None:
    contested = reading(
        claim(182, id_="r", standing=Standing.EARLIER),
        claim(128, message="m2", id_="r", status=Status.CORRECTED),
        claim(127, message="m3", standing=Standing.DISPUTED),
        claim(181, message="m4", standing=Standing.DISPUTED),
        claim(90, message="m5", standing=Standing.DISPUTED),
    )
    assert [c.message_id for c in reconciliation.settled(contested, RULES)] == ["m3", "m4"]


def test_values_and_patients_are_not_in_reprs() -> None:
    shown = repr(claim(183, id_="CANARY")) + repr(reading(claim(183, id_="CANARY")))
    assert "CANARY" not in shown
    assert "183" not in shown
    assert "p1" not in shown
