"""Streams of readings: what one source says of one patient's analyte, one after the other."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Integer, cast, select

from ledger.asked import as_parameter, asked, part
from ledger.store import Transaction
from ledger.tables import reading, reading_source

WITHIN_MILLIS = 86_400_000
"""How far back a stream's last reading still says something about the next: a day."""


class Stream(NamedTuple):
    """`patient` as in `order_key`, `system` the source's."""

    tenant: str
    patient: str
    analyte: str
    system: str


_ASKED = asked("streams")
_LAST_UNIT = (
    select(reading_source.c.unit)
    .join_from(reading, reading_source, reading.c.id == reading_source.c.reading_id)
    .where(
        reading.c.tenant == part(_ASKED, 1),
        reading.c.patient == part(_ASKED, 2),
        reading.c.analyte == part(_ASKED, 3),
        reading.c.effective >= cast(part(_ASKED, 5), BigInteger),
        reading.c.effective < cast(part(_ASKED, 6), BigInteger),
        reading_source.c.system == part(_ASKED, 4),
    )
    .order_by(reading.c.effective.desc(), reading_source.c.message_id.desc())
    .limit(1)
    .scalar_subquery()
)
_LAST_UNITS = select(cast(part(_ASKED, 0), Integer), _LAST_UNIT).select_from(_ASKED)


async def last_units(tx: Transaction, before: Sequence[tuple[Stream, int]]) -> list[str | None]:
    """Of each stream the unit of its latest reading before an instant (milliseconds); None if there was none for a
    day."""
    rows = [(place, *stream, end - WITHIN_MILLIS, end) for place, (stream, end) in enumerate(before)]
    found = dict(await tx.execute(_LAST_UNITS, [{"streams": as_parameter(rows)}])) if rows else {}
    return [found[place] for place in range(len(rows))]
