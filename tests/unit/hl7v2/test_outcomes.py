"""Outcomes as ORU^R01 and back: what is read is what was said."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from clinical.hl7v2 import Hl7Error, parse
from clinical.hl7v2.oru_form import OruForm
from clinical.hl7v2.outcome_in import Summary, read_outcomes
from clinical.hl7v2.outcome_out import write_outcome
from clinical.hl7v2.outcome_rows import figures_of
from clinical.hl7v2.results import Rules, read_results
from clinical.issued import IssuedOutcome, OutcomeStatus, decode
from clinical.outcome_codes import RANGES
from clinical.records import Device, PatientRef, Status

DUBLIN = ZoneInfo("Europe/Dublin")
SENT = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
SAMPLE = Path(__file__).parents[3] / "channels" / "samples" / "outcome-day-stm.json"
VERSIONS = ("2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.2")


def outcome(**changes: object) -> IssuedOutcome:
    (found,) = decode(SAMPLE.read_bytes())
    return msgspec.structs.replace(found, **changes)


def written(said: IssuedOutcome, *, version: str = "2.5.1", unit: str | None = None, own_codes: bool = True) -> bytes:
    form = OruForm(zone=DUBLIN, assigner="STM", version=version, unit=unit)
    return write_outcome(said, form, "C1", SENT, own_codes=own_codes)


def back(raw: bytes) -> Summary:
    (found,) = read_outcomes(parse(raw), DUBLIN)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_read_is_what_was_said(version: str) -> None:
    said = outcome(status=OutcomeStatus.FINAL, version=3, device=Device(vendor="Dexcom", serial="S1"))
    found = back(written(said, version=version))
    assert found.patient == PatientRef(system="STM", value="MRN-0001")
    assert (found.subject, found.status, found.deleted) == ("glucose", Status.FINAL, frozenset())
    assert (found.start_millis, found.end_millis) == (said.period.start_millis, said.period.end_millis)
    numbers = {**said.figures, **said.counts}
    told = {name: round(Decimal(numbers[name]), 2) for name in figures_of("glucose") if name in numbers}
    assert found.figures == told
    assert len(told) == 18
    assert found.about == {
        "outcome": said.id,
        "outcome-version": "3",
        "outcome-window": "day",
        "outcome-readings": str(said.readings),
    }


def test_the_codes_are_those_of_the_cgm_guide() -> None:
    codes = parse(written(outcome(), unit="mg/dL", own_codes=False)).values("OBX-3.1")
    assert codes == ["97507-8", "97506-0", "104638-2", "104637-4", "104636-6", *(code for code, _ in RANGES.values())]


@pytest.mark.parametrize(("unit", "names"), [("mg/dL", {"mean"}), ("mmol/L", {"mean_mmol_l"})])
def test_the_mean_is_told_in_the_unit_of_the_house(unit: str, names: set[str]) -> None:
    assert back(written(outcome(), unit=unit)).figures.keys() & {"mean", "mean_mmol_l"} == names


@pytest.mark.parametrize(
    ("status", "code", "read"),
    [
        (OutcomeStatus.PARTIAL, "P", Status.PRELIMINARY),
        (OutcomeStatus.FINAL, "F", Status.FINAL),
        (OutcomeStatus.AMENDED, "C", Status.CORRECTED),
        (OutcomeStatus.ENTERED_IN_ERROR, "D", Status.ENTERED_IN_ERROR),
    ],
)
def test_the_status_goes_with_every_figure(status: OutcomeStatus, code: str, read: Status) -> None:
    raw = written(outcome(status=status))
    assert set(parse(raw).values("OBX-11")) == {code}
    assert back(raw).status is read


def test_every_version_has_the_same_order_and_result_identities() -> None:
    def identities(raw: bytes) -> list[tuple[str, ...]]:
        message = parse(raw)
        order = message.get("OBR-3.1")
        return [(order, obx.leaf(3), obx.leaf(4), obx.leaf(21)) for obx in message.all("OBX")]

    first = identities(written(outcome(), version="2.6"))
    amended = outcome(version=2, id="other", status=OutcomeStatus.AMENDED, figures={**outcome().figures, "gmi": 7.0})
    assert identities(written(amended, version="2.6")) == first
    assert len({row[1:] for row in first}) == len(first)
    another = identities(written(outcome(series="another"), version="2.6"))
    assert not {row[0] for row in another} & {row[0] for row in first}


def test_a_figure_that_cannot_be_told_any_more_is_deleted() -> None:
    figures = {name: value for name, value in outcome().figures.items() if name != "gmi"}
    found = back(written(outcome(version=2, status=OutcomeStatus.AMENDED, figures=figures)))
    assert found.deleted == {"gmi"}
    assert "gmi" not in found.figures
    assert found.status is Status.CORRECTED
    assert "gmi" not in back(written(outcome(figures=figures))).deleted  # nobody was ever told


def test_other_subjects_are_told_by_our_own_codes() -> None:
    said = outcome(subject="weight", figures={"mean": 80.126, "change": -0.5}, counts={})
    found = back(written(said))
    assert (found.subject, found.figures) == ("weight", {"mean": Decimal("80.13"), "change": Decimal("-0.50")})


def test_no_figure_is_ever_read_as_a_reading() -> None:
    results = read_results(parse(written(outcome())), Rules(zone=DUBLIN), SENT)
    assert results.records == {}
    ignored = read_results(parse(written(outcome())), Rules(zone=DUBLIN, ignore_others=True), SENT)
    assert ignored.records == {}


def test_others_summaries_are_read_too_whatever_stands_beside_them() -> None:
    raw = written(outcome(), unit="mg/dL", own_codes=False).replace(b"|P|||", b"|F|||")
    lines = [line for line in raw.split(b"\r") if not line.startswith((b"NTE", b"ZZZ"))]
    lines.insert(3, b"ZZZ|1|canary")
    found = back(b"\n".join(lines))
    assert found.figures["in_range"] == Decimal(100)
    assert found.about == {}


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"OBR-7": ""}, "OBR[1]-7", "bad-time"),
        ({"OBR-8": "20261120"}, "OBR[1]-8", "no-time-of-day"),
        ({"OBX[1]-6.1": "mmol/L"}, "OBX[1]-6", "unit-unknown"),
        ({"OBX[2]-5": "CANARY"}, "OBX[2]-5", "not-a-number"),
        ({"OBX[2]-5": ">5", "OBX[2]-2": "SN"}, "OBX[2]-5", "value-missing"),
        ({"OBX[2]-11": "Q"}, "OBX[2]-11", "result-status"),
        ({"PID-3": ""}, "PID[1]-3", "patient-missing"),
    ],
)
def test_what_cannot_be_read_is_named(change: dict[str, str], path: str, code: str) -> None:
    raw = parse(written(outcome(), unit="mg/dL")).edited(change)
    with pytest.raises(Hl7Error) as raised:
        read_outcomes(parse(raw), DUBLIN)
    assert (raised.value.path, raised.value.code) == (path, code)
    assert "CANARY" not in str(raised.value)
