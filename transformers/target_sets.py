"""Target sets as settings: one of the shipped ones by name, or a population's own, checked when it is loaded."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from clinical.outcomes import IGLU, ISLET, SHIPPED, Goal, OutcomeError, Profile, TargetSet, target_set
from engine import sdk

_PROFILES: Final = {profile.name: profile for profile in (ISLET, IGLU)}
_GOAL: Final = re.compile(r"(?P<sign>[<>])\s*(?P<percent>\d{1,3}(?:\.\d{1,2})?)\s*%")

Measure = Literal["very_low", "below", "in_range", "tight", "above", "very_high"]


def _goal(said: str) -> str:
    if not _GOAL.fullmatch(said):
        raise ValueError('must be a share to be above or below, such as "> 70 %" or "< 4 %"')
    return said


def _tenths(value: float) -> float:
    if abs(value * 10 - round(value * 10)) > 1e-9:
        raise ValueError("must be in tenths of mmol/L, such as 3.9, as sensors show it")
    return value


GoalText = Annotated[str, AfterValidator(_goal)]
Tenths = Annotated[float, AfterValidator(_tenths)]


class MassEdges(sdk.Settings):
    """Thresholds in mg/dL. In range, and tight range, hold both their edges."""

    very_low: int
    low: int
    tight_high: int
    high: int
    very_high: int


class MolarEdges(sdk.Settings):
    """The same thresholds in mmol/L, as this population writes them: never converted, since that misplaces some."""

    very_low: Tenths
    low: Tenths
    tight_high: Tenths
    high: Tenths
    very_high: Tenths


class OwnTargets(sdk.Settings):
    """A population's own target set: its name stands in every figure that is made with it."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
    mg_dl: MassEdges
    mmol_l: MolarEdges
    goals: Mapping[Measure, GoalText] = {}

    @model_validator(mode="after")
    def _can_be(self) -> "OwnTargets":
        if self.name in SHIPPED:
            raise ValueError(f"`{self.name}` is a shipped target set; give your own another name")
        try:
            self.made()
        except OutcomeError as error:
            raise ValueError(str(error)) from None
        return self

    def made(self) -> TargetSet:
        tenths = {name: round(value * 10) for name, value in self.mmol_l.model_dump().items()}
        goals = tuple(_read_goal(measure, said) for measure, said in self.goals.items())
        return target_set(self.name, self.mg_dl.model_dump(), tenths, goals)


def _read_goal(measure: str, said: str) -> Goal:
    found = _GOAL.fullmatch(said)
    assert found is not None, "validated"
    return Goal(measure, found["sign"] == ">", float(found["percent"]))


class GlucoseMethod(sdk.Settings):
    """By which targets and profile figures of glucose are made. `own_targets` takes the place of `targets`."""

    targets: Literal["adult", "older-or-high-risk", "pregnancy-type-1", "pregnancy"] = "adult"
    own_targets: OwnTargets | None = None
    profile: Literal["islet", "iglu"] = "islet"

    @model_validator(mode="after")
    def _one_target_set(self) -> "GlucoseMethod":
        if self.own_targets is not None and "targets" in self.model_fields_set:
            raise ValueError("has both `targets` and `own_targets`; write one of them")
        return self

    @property
    def glucose_profile(self) -> Profile:
        targets = SHIPPED[self.targets] if self.own_targets is None else self.own_targets.made()
        return _PROFILES[self.profile].with_targets(targets)
