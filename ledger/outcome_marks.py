"""Days that must be made anew: marked in the transaction in which a reading moves, whoever hears of it.

A message tells where a reading is now. Where it was, what a device event used to exclude, and that a reading is merely
read from another source, only the ledger knows; so it marks the days itself, and outcomes look for marks.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from sqlalchemy import Executable, bindparam, update

from clinical.issued import Cause
from clinical.outcomes.plain_values import BloodPressure, Weight
from clinical.outcomes.profile import ISLET
from clinical.outcomes.subjects import LONGEST_SPAN_MILLIS, Glucose, Subject
from clinical.outcomes.zone import DAY_MILLIS
from ledger.outcome_tables import outcome_day

_SUBJECTS: tuple[Subject, ...] = (Glucose(ISLET), BloodPressure(), Weight())
READERS: Mapping[str, str] = MappingProxyType({analyte: each.name for each in _SUBJECTS for analyte in each.reads})
"""By what a record is about: the subject of the outcomes that read it."""

_EVENT = "device-event/"


class _Transaction(Protocol):
    async def execute(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> Sequence[Any]: ...


_MARK = (
    update(outcome_day)
    .where(
        outcome_day.c.tenant == bindparam("at_tenant"),
        outcome_day.c.patient == bindparam("at_patient"),
        outcome_day.c.subject == bindparam("at_subject"),
        outcome_day.c.day >= bindparam("first"),
        outcome_day.c.day <= bindparam("last"),
    )
    .values(stale=bindparam("cause"), readings=None)
)


async def mark(tx: _Transaction, tenant: str, moved: Iterable[Iterable[tuple[str, str, int]]]) -> None:
    """Mark the days that readings belonged to or belong to: of message after message patient, what it is about, time in
    milliseconds. The last one gives the reason.

    A day more on each side, since a day is another in each zone and reaches over midnight.
    """
    wanted = [stretch for some in moved for stretch in sorted(set(_stretches(some)))]
    if not wanted:
        return
    rows = [
        {
            "at_tenant": tenant,
            "at_patient": patient,
            "at_subject": READERS[analyte],
            "first": first,
            "last": last,
            "cause": (Cause.EXCLUSION if analyte.startswith(_EVENT) else Cause.CORRECTED).value,
        }
        for patient, analyte, first, last in wanted
    ]
    await tx.execute(_MARK, rows)


def _stretches(moved: Iterable[tuple[str, str, int]]) -> Iterable[tuple[str, str, int, int]]:
    return (
        (patient, analyte, millis // DAY_MILLIS - 1, (millis + _reach(analyte)) // DAY_MILLIS + 1)
        for patient, analyte, millis in moved
        if analyte in READERS
    )


def _reach(analyte: str) -> int:
    """How long after it began a record can matter: a device event excludes what follows."""
    return LONGEST_SPAN_MILLIS if analyte.startswith(_EVENT) else 0
