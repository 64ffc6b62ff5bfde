"""A population's own target set, as a channel's settings have it: used as written, and refused where it cannot be."""

from typing import Any

import pytest
from pydantic import ValidationError

from clinical.outcomes import Goal
from transformers.outcomes import OutcomesSettings

OWN: dict[str, Any] = {
    "name": "renal-clinic",
    "mg_dl": {"very_low": 54, "low": 80, "tight_high": 140, "high": 200, "very_high": 300},
    "mmol_l": {"very_low": 3.0, "low": 4.4, "tight_high": 7.8, "high": 11.1, "very_high": 16.7},
    "goals": {"in_range": "> 60 %", "below": "<1%"},
}


def settings(**changes: Any) -> OutcomesSettings:
    return OutcomesSettings.model_validate({"timezone": "Europe/Dublin", **changes})


def test_thresholds_and_goals_are_taken_as_they_are_written() -> None:
    profile = settings(own_targets=OWN, profile="iglu").glucose_profile
    targets = profile.targets
    assert (profile.name, targets.name) == ("iglu", "renal-clinic")
    assert (targets.mg_dl.low, targets.mmol_l.low, targets.mmol_l.high) == (80, 44, 111)
    assert targets.goals == (Goal("in_range", True, 60), Goal("below", False, 1))
    assert profile.digest != settings(profile="iglu").glucose_profile.digest


@pytest.mark.parametrize("name", ["adult", "older-or-high-risk", "pregnancy-type-1", "pregnancy"])
def test_every_shipped_set_is_had_by_its_name(name: str) -> None:
    assert settings(targets=name).glucose_profile.targets.name == name


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "adult"}, "`adult` is a shipped target set"),
        ({"name": "Renal Clinic"}, "String should match pattern"),
        ({"mg_dl": OWN["mg_dl"] | {"low": 210}}, "thresholds must rise"),
        ({"mg_dl": OWN["mg_dl"] | {"low": 80.5}}, "valid integer"),
        ({"mg_dl": {"low": 80}}, "Field required"),
        ({"mmol_l": OWN["mmol_l"] | {"low": 4.45}}, "tenths of mmol/L"),
        ({"mmol_l": OWN["mmol_l"] | {"low": 5.0}}, "80 mg/dL but 5.0 mmol/L, which is another value"),
        ({"goals": {"in_range": "60"}}, 'such as "> 70 %"'),
        ({"goals": {"in_range": "> 160 %"}}, "160.0 is no percentage"),
        ({"goals": {"inrange": "> 60 %"}}, "'in_range'"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_wrong(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(own_targets=OWN | changes)
    assert said in str(refused.value)


def test_two_target_sets_at_once_are_refused() -> None:
    with pytest.raises(ValidationError, match="both `targets` and `own_targets`"):
        settings(targets="adult", own_targets=OWN)
    with pytest.raises(ValidationError, match="'adult', 'older-or-high-risk', 'pregnancy-type-1' or 'pregnancy'"):
        settings(targets="adlut")
