"""Weeks as stretches of ids: an id says when it was made (UUIDv7), so the ids of a week lie between two others."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from engine.contracts.journal import Stretch
from engine.model.ids import least_id

_MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)
_WEEK: Final = timedelta(days=7)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """From a Monday, 00:00 UTC, for seven days."""

    begins: datetime

    @classmethod
    def of(cls, moment: datetime) -> "Week":
        return cls(moment - (moment - _MONDAY) % _WEEK)

    @classmethod
    def of_number(cls, number: int) -> "Week":
        """Counted from the first Monday of 1970."""
        return cls(_MONDAY + number * _WEEK)

    @property
    def name(self) -> str:
        """Such as `20261116`: part of the names of its partitions."""
        return self.begins.strftime("%Y%m%d")

    @property
    def ids(self) -> Stretch:
        return Stretch(id_at(self.begins), id_at(self.begins + _WEEK))

    def and_next(self, count: int) -> Iterator["Week"]:
        """This week and `count` more."""
        return (Week(self.begins + number * _WEEK) for number in range(count + 1))


def id_at(moment: datetime) -> str:
    """Ids of what is made before this moment are less than this; the others are not."""
    return least_id((moment - datetime(1970, 1, 1, tzinfo=UTC)) // _MILLISECOND)
