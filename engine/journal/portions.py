"""Portions: how much of the work at hand fits into memory at once. Pure."""

from collections.abc import Mapping, Sequence


def portions(ids: Sequence[str], sizes: Mapping[str, int], most_bytes: int) -> list[Sequence[str]]:
    """The ids in their order, cut where the next would bring a portion over `most_bytes`; each has one at least.

    What has no size here weighs nothing: it is not there any more.
    """
    found: list[Sequence[str]] = []
    start = total = 0
    for place, id_ in enumerate(ids):
        size = sizes.get(id_, 0)
        if place > start and total + size > most_bytes:
            found.append(ids[start:place])
            start, total = place, 0
        total += size
    return [*found, ids[start:]] if ids else []
