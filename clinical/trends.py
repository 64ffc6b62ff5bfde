"""Trend arrows: one vocabulary, and each vendor's own words and numbers for it.

`Glucose.trend` is one of `TRENDS`. The words are Dexcom's, with a third arrow for Medtronic. Vendors' numbers are
names, never amounts: Eversense puts its steepest falls and rises after its gentle ones.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from clinical.events import plain

UNKNOWN: Final = "unknown"

STEEPNESS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "tripleDown": -4,
        "doubleDown": -3,
        "singleDown": -2,
        "fortyFiveDown": -1,
        "flat": 0,
        "fortyFiveUp": 1,
        "singleUp": 2,
        "doubleUp": 3,
        "tripleUp": 4,
    }
)
"""Arrows in their order. Compare these within one vendor's readings only: an arrow's rate differs between vendors."""

TRENDS: Final = frozenset({*STEEPNESS, "none", UNKNOWN, "notComputable", "rateOutOfRange"})


class TrendTable:
    """One vendor's arrows. Capitals, spaces and underscores do not count."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = MappingProxyType({plain(theirs): ours for theirs, ours in words.items()})
        if not set(self._words.values()) <= TRENDS:
            raise ValueError("a trend is not in the vocabulary")

    def trend(self, said: str | int | None) -> str | None:
        """Our word; None where nothing was said, `unknown` for a word that the table does not have."""
        if said is None or said == "":
            return None
        return self._words.get(plain(str(said)), UNKNOWN)


_OURS: Final = {trend: trend for trend in TRENDS}

# Developer API v3: eleven words. Share: the same words in any case, or numbers.
DEXCOM: Final = TrendTable(_OURS)
DEXCOM_SHARE: Final = TrendTable(
    {
        **_OURS,
        "0": "none",
        "1": "doubleUp",
        "2": "singleUp",
        "3": "fortyFiveUp",
        "4": "flat",
        "5": "fortyFiveDown",
        "6": "singleDown",
        "7": "doubleDown",
        "8": "notComputable",
        "9": "rateOutOfRange",
    }
)

# Nightscout's `direction`: `DoubleUp`, `NOT COMPUTABLE`, and Medtronic's third arrow.
NIGHTSCOUT: Final = TrendTable(_OURS)

# LibreLinkUp, TrendArrow: 1 falls fast, 5 rises fast (nightscout-librelink-up).
LIBRE_LINK_UP: Final = TrendTable(
    {"1": "singleDown", "2": "fortyFiveDown", "3": "flat", "4": "fortyFiveUp", "5": "singleUp"}
)

# CareLink, lastSGTrend: one to three arrows, none for a flat line too.
CARELINK: Final = TrendTable(
    {
        "NONE": "none",
        "UP": "singleUp",
        "UP_DOUBLE": "doubleUp",
        "UP_TRIPLE": "tripleUp",
        "DOWN": "singleDown",
        "DOWN_DOUBLE": "doubleDown",
        "DOWN_TRIPLE": "tripleDown",
    }
)

# Eversense NOW, GlucoseTrend: 0 is stale; 6 and 7 are steeper than 1 and 5 (EversenseNowClient).
EVERSENSE: Final = TrendTable(
    {
        "0": "none",
        "1": "singleDown",
        "2": "fortyFiveDown",
        "3": "flat",
        "4": "fortyFiveUp",
        "5": "singleUp",
        "6": "doubleDown",
        "7": "doubleUp",
    }
)

# Tidepool, trend of a cbg.
TIDEPOOL: Final = TrendTable(
    {
        "constant": "flat",
        "slowFall": "fortyFiveDown",
        "slowRise": "fortyFiveUp",
        "moderateFall": "singleDown",
        "moderateRise": "singleUp",
        "rapidFall": "doubleDown",
        "rapidRise": "doubleUp",
    }
)

_FASTEST = 8
_ARROWS = ((3, "double"), (2, "single"), (1, "fortyFive"))


def trend_of_rate(mg_dl_per_minute: Decimal) -> str:
    """The arrow that Dexcom shows for a rate: from 1, 2 and 3 mg/dL/min; past 8 there is none."""
    steep = abs(mg_dl_per_minute)
    if steep > _FASTEST:
        return "rateOutOfRange"
    arrow = next((name for least, name in _ARROWS if steep >= least), None)
    if arrow is None:
        return "flat"
    return f"{arrow}{'Up' if mg_dl_per_minute > 0 else 'Down'}"
