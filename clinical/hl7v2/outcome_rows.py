"""The figures of outcomes in HL7 v2: which OBX tells which, for writing and for reading. Codes: `outcome_codes`."""

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from clinical.hl7v2.meaning import OUR_SYSTEM
from clinical.issued import IssuedOutcome
from clinical.outcome_codes import HYPO, MEANS, OWN_UNITS, PANEL, RANGES, SINGLES, TIGHT, WEAR

Coding = tuple[str, str, str]

GLUCOSE: Final = "glucose"
ID, VERSION, WINDOW, READINGS = "outcome", "outcome-version", "outcome-window", "outcome-readings"
"""Our own codes of what is said about the outcome itself."""

_HUNDREDTH = Decimal("0.01")


class Told(NamedTuple):
    """How a figure is told: OBX-3, the unit in UCUM, and the last part of its identifier."""

    code: Coding
    unit: str
    name: str

    @property
    def own(self) -> bool:
        """Its code is one of ours, which a receiver may not know."""
        return self.code[2] == OUR_SYSTEM


def panel_of(subject: str) -> Coding:
    """OBR-4."""
    return (*PANEL, "LN") if subject == GLUCOSE else _own(f"{subject}-summary")


def subject_of(code: str, system: str) -> str | None:
    """Whose outcomes an OBR with this OBR-4 holds; None if it holds none."""
    if (code, system) == (PANEL[0], "LN"):
        return GLUCOSE
    subject, _, word = code.rpartition("-")
    return subject if system == OUR_SYSTEM and word == "summary" and subject else None


@lru_cache(maxsize=16)
def figures_of(subject: str) -> Mapping[str, Told]:
    """Every figure that can be told of a subject, by its name in the outcome, in the order of writing."""
    if subject != GLUCOSE:
        codes = {key: f"{subject}-{key.replace('_', '-')}" for key in OWN_UNITS}
        return {key: Told(_own(code), OWN_UNITS[key], code) for key, code in codes.items()}
    singles = [*MEANS.values(), *SINGLES.items(), ("days_of_wear", WEAR)]
    told = {key: Told((each.code, each.display, "LN"), each.unit, each.name) for key, each in singles}
    told |= {band: Told((*code, "LN"), "%", f"times-in-ranges.{band}") for band, code in RANGES.items()}
    told["tight"] = Told(_own(TIGHT), "%", "times-in-ranges.tight")
    for kind in HYPO:
        told[kind] = Told(_own(kind.replace("_", "-")), "{events}", f"hypoglycaemia-events.{kind}")
        minutes = f"{kind}_minutes"
        told[minutes] = Told(_own(minutes.replace("_", "-")), "min", f"hypoglycaemia-events.{minutes}")
    return told


def values_of(outcome: IssuedOutcome, unit: str | None) -> Iterator[tuple[Told, Decimal | None]]:
    """What an outcome tells: each figure with its value, to the hundredth. `unit` is that of the mean; None for both.

    None for one that cannot be told any more, though an earlier version may have told it.
    """
    means = {key for mean_unit, (key, _) in MEANS.items() if unit not in (None, mean_unit)}
    for key, told in figures_of(outcome.subject).items():
        value = outcome.figures.get(key, outcome.counts.get(key)) if outcome.readings else None
        if key not in means and (value is not None or (outcome.version > 1 and outcome.subject == GLUCOSE)):
            yield told, None if value is None else _number(value)


def _number(value: float) -> Decimal:
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value)).quantize(_HUNDREDTH, ROUND_HALF_UP)


def _own(code: str) -> Coding:
    return (code, code.replace("-", " "), OUR_SYSTEM)
