"""Streams of readings: what one source says of one patient's analyte, one after the other."""

from typing import NamedTuple

from sqlalchemy import bindparam, select

from ledger.store import Transaction
from ledger.tables import reading, reading_source

WITHIN_MILLIS = 86_400_000
"""How far back a stream's last reading still says something about the next: a day."""


class Stream(NamedTuple):
    """`patient` as in `order_key`, `system` the source's."""

    patient: str
    analyte: str
    system: str


_LAST_UNIT = (
    select(reading_source.c.unit)
    .join_from(reading, reading_source, reading.c.id == reading_source.c.reading_id)
    .where(
        reading.c.tenant == bindparam("tenant"),
        reading.c.patient == bindparam("patient"),
        reading.c.analyte == bindparam("analyte"),
        reading.c.effective >= bindparam("since"),
        reading.c.effective < bindparam("before"),
        reading_source.c.system == bindparam("system"),
    )
    .order_by(reading.c.effective.desc(), reading_source.c.message_id.desc())
    .limit(1)
)


async def last_unit(tx: Transaction, tenant: str, stream: Stream, before: int) -> str | None:
    """The unit of the stream's latest reading before an instant (milliseconds); None if there was none for a day."""
    parameters = {**stream._asdict(), "tenant": tenant, "since": before - WITHIN_MILLIS, "before": before}
    rows = await tx.execute(_LAST_UNIT, [parameters])
    return rows[0][0] if rows else None
