"""Lanes of the road: live work goes before batch work, such as a backfill of a year, all the way through the engine."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Lane(StrEnum):
    """Of a message and all that is made from it. Most of what passes is LIVE."""

    LIVE = "live"
    BATCH = "batch"


_LIVE: Final = Lane.LIVE  # to look a member up takes as long as the rest of what is asked here, many times a message
_BATCH: Final = Lane.BATCH
LANE: Final = "lane"
"""Meta by which a source or a step says that a message may wait for what is live: `{LANE: Lane.BATCH}`."""


def lane_of(meta: Mapping[str, str]) -> Lane:
    """The lane that a message's or delivery's meta names; LIVE if it names none."""
    return _BATCH if meta.get(LANE) == "batch" else _LIVE


def in_lane(meta: Mapping[str, str], *lanes: Lane) -> Mapping[str, str]:
    """The meta of something that comes from these lanes: in the batch lane if any of them is."""
    return {**meta, LANE: _BATCH} if _BATCH in lanes and lane_of(meta) is _LIVE else meta
