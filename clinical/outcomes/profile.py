"""Profiles: every choice on which tools disagree, by name, so that a figure says how it was made."""

import hashlib
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Final

import msgspec

from clinical.outcomes.errors import OutcomeError
from clinical.outcomes.targets import ADULT, TargetSet

VERSION: Final = "1"
"""Of the metrics; it changes when a figure for the same readings may change."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How gaps and events are treated.

    `short_gap_seconds`: pauses of up to this length are interpolated, for events only. `event_seconds` in a band
    begin an event and `recovery_seconds` out of it end one (international consensus: 15 minutes each).
    `prolonged_seconds`: an event with at least this time in the band without recovery is prolonged;
    `prolonged_strictly` makes it "more than" (iglu). `level2_ends_in_range`: a level 2 event ends with 15 minutes back
    in range (Danne 2017) and not already with 15 minutes out of level 2 (trials consensus 2023).
    Night is local time, `night_start_minute` to `night_end_minute` of the day, and may cross midnight.
    """

    name: str = "islet"
    targets: TargetSet = ADULT
    short_gap_seconds: int = 1800
    event_seconds: int = 900
    recovery_seconds: int = 900
    prolonged_seconds: int = 7200
    prolonged_strictly: bool = False
    level2_ends_in_range: bool = False
    night_start_minute: int = 0
    night_end_minute: int = 360
    digest: str = field(init=False, repr=False, compare=False)
    """SHA-256 over every choice and the version of the metrics: equal digests, equal method."""

    def __post_init__(self) -> None:
        lengths = ("event_seconds", "recovery_seconds", "prolonged_seconds")
        wrong = [f"`{name}` must be positive" for name in lengths if getattr(self, name) <= 0]
        if self.short_gap_seconds < 0:
            wrong.append("`short_gap_seconds` must not be negative")
        if not (0 <= self.night_start_minute < 1440 and 0 <= self.night_end_minute <= 1440):
            wrong.append("night must lie between minute 0 and 1440 of the day")
        if wrong:
            raise OutcomeError(f"profile {self.name!r}: " + "; ".join(wrong), "profile")
        object.__setattr__(self, "digest", _digest(self))

    def with_targets(self, targets: TargetSet) -> "Profile":
        return replace(self, targets=targets)


def _digest(profile: Profile) -> str:
    choices = {each.name: getattr(profile, each.name) for each in fields(profile) if each.init}
    choices["targets"] = asdict(profile.targets)
    return hashlib.sha256(msgspec.json.encode([VERSION, choices], order="sorted")).hexdigest()


ISLET: Final = Profile()
IGLU: Final = Profile(name="iglu", short_gap_seconds=2700, prolonged_strictly=True)
"""For comparison with the R package iglu: gaps up to 45 minutes, prolonged is more than 120 minutes. iglu also moves
every reading to a grid that begins at midnight; this profile leaves the readings where they are."""
