"""An outcome as numbers by name: what is issued of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from clinical.outcomes.episodes import Ended, Events, Kind
from clinical.outcomes.figures import PERCENTILES, Figures, Shares
from clinical.outcomes.reasons import REASONS, Reason
from clinical.outcomes.results import Outcome
from clinical.outcomes.targets import Band


@dataclass(frozen=True, slots=True)
class Found:
    """The figures of a window. `figures`: numbers by name, without those that cannot be told; `counts`: whole numbers
    by name; `accounting`: milliseconds of the window by what they went to. `digest`: equal, if nothing has changed."""

    digest: str
    readings: int
    figures: Mapping[str, float]
    counts: Mapping[str, int]
    accounting: Mapping[str, int]
    dropped: Mapping[str, int]
    flags: Mapping[str, bool]


def named(of: Outcome) -> Found:
    """All that is told of a window of glucose."""
    counts = {
        "days_of_wear": of.days_of_wear,
        "hypo_1_exclusive": of.hypo_1_exclusive,
        "hypo_night_starts": of.hypo_night_starts,
        **_NO_EVENTS,
    }
    for kind, happened in of.events.items():
        if len(happened):
            counts |= _events(kind, happened)
    if of.shares is not None:
        counts |= _seconds(of.shares)
    time = of.accounting
    return Found(
        digest=of.element_digest,
        readings=of.readings,
        figures=_figures(of),
        counts=counts,
        accounting={"window": time.window_millis, "covered": time.covered_millis, **_by_word(time.excluded_millis)},
        dropped=_by_word(time.dropped_readings),
        flags={
            "sufficient": of.sufficient,
            "bounded": of.bounded,
            "mixed_units": of.mixed_units,
            **{f"goal_{measure}": met for measure, met in of.goals.items()},
        },
    )


_SHARES: Final = ("very_low", "low", "below", "in_range", "tight", "high", "very_high", "above")
_AVERAGES: Final = ("mean", "mean_mmol_l", "sd", "sd_mmol_l", "cv", "gmi", "gmi_mmol_mol", "ea1c", "j_index")
_OTHERS: Final = ("lbgi", "hbgi", "gri", "least", "greatest")
_PERCENTILES: Final = tuple(f"p{percent:02}" for percent in PERCENTILES)
_FIGURES: Final = (*_AVERAGES, *_OTHERS)
_shares_of, _figures_of = attrgetter(*_SHARES), attrgetter(*_FIGURES)


def _figures(of: Outcome) -> dict[str, float]:
    numbers: dict[str, float | None] = {
        "active_percent": of.active_percent,
        "active_percent_after_warm_up": of.active_percent_after_warm_up,
        "censored_percent": of.censored_percent,
    }
    if of.shares is not None:
        numbers.update(zip(_SHARES, _shares_of(of.shares), strict=True))
    if of.figures is not None:
        numbers.update(_averages(of.figures))
    return {name: float(value) for name, value in numbers.items() if value is not None}


def _averages(of: Figures) -> dict[str, float | None]:
    return {
        **dict(zip(_FIGURES, _figures_of(of), strict=True)),
        **dict(zip(_PERCENTILES, of.percentiles, strict=True)),
    }


_WORDS: Final = {reason: reason.word for reason in REASONS}


def _by_word(amounts: Mapping[Reason, int]) -> dict[str, int]:
    return {_WORDS[reason]: amount for reason, amount in amounts.items()}


def _name(of: Band | Kind) -> str:
    return of.name.lower()


_SECONDS: Final = tuple(f"{name}_seconds" for name in (*map(_name, Band), "tight", "measured"))


def _seconds(of: Shares) -> dict[str, int]:
    """What the shares are made of: measured time in each band, and all of it, the denominator."""
    return dict(zip(_SECONDS, (*of.seconds, of.tight_seconds, of.total_seconds), strict=True))


_EVENTS: Final = {
    kind: (name, f"{name}_minutes", f"{name}_truncated") for kind, name in zip(Kind, map(_name, Kind), strict=True)
}
_NO_EVENTS: Final = {name: 0 for names in _EVENTS.values() for name in names}
_TRUNCATED: Final = int(Ended.TRUNCATED)


def _events(kind: Kind, happened: Events) -> dict[str, int]:
    millis = sum(happened.end_millis.tolist()) - sum(happened.start_millis.tolist())
    truncated = happened.ended.tolist().count(_TRUNCATED)
    return dict(zip(_EVENTS[kind], (len(happened), millis // 60_000, truncated), strict=True))
