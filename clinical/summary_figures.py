"""What an outcome of glucose says, figure by figure, for documents that people read beside machines."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from clinical.issued import IssuedOutcome
from clinical.outcome_codes import MEANS, RANGES, SINGLES, WEAR

_HUNDREDTH: Final = Decimal("0.01")


class Told(NamedTuple):
    """One number of a summary: LOINC code, name for people, value and UCUM unit."""

    code: str
    display: str
    value: Decimal
    unit: str


def _told(value: float) -> Decimal:
    """A figure to the hundredth, as the guide asks for percentages; a count as it is."""
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value)).quantize(_HUNDREDTH, ROUND_HALF_UP)


def figures_of(outcome: IssuedOutcome, *units: str) -> Iterator[Told]:
    """What an outcome of glucose says, in the guide's order: means in these units, GMI, CV, wear, times in ranges."""
    if not outcome.readings:
        return
    figures = outcome.figures
    singles = [MEANS[unit] for unit in units] + list(SINGLES.items())
    for name, single in singles:
        if name in figures:
            yield Told(single.code, single.display, _told(figures[name]), single.unit)
    yield Told(WEAR.code, WEAR.display, _told(outcome.counts.get("days_of_wear", 0)), WEAR.unit)
    if "in_range" in figures:
        yield from (Told(code, words, _told(figures[band]), "%") for band, (code, words) in RANGES.items())
