"""The journal's tables, before an engine starts: a new journal gets them, an old one is not changed unasked."""

import asyncio
from collections.abc import Callable

from engine.cli.options import fail
from engine.cli.place import Place
from engine.contracts.plugins import Log
from engine.journal.migrate import (
    current_and_newest,
    postgres_revisions,
    upgrade_postgres,
    upgrade_sqlite,
)
from engine.journal.sqlite import sync_engine
from engine.model.errors import NeedsOperator, Unavailable

_LOOK_SECONDS = 1.0
_FOR_A_PERSON = frozenset({"journal-tls", "journal-url"})
"""Waiting will not mend these."""


def prepare_file(place: Place) -> None:
    """Ends the program with a sentence if the tables are another version's."""
    if not place.file.exists():
        upgrade_sqlite(place.file)
        return
    _same(place, *revisions(place))


async def prepare_shared(place: Place, log: Log, waits: Callable[[Unavailable | None], None]) -> None:
    """As `prepare_file`; waits for as long as the database is away and tells `waits` why. Raises NeedsOperator."""
    while True:
        try:
            current, newest = await postgres_revisions(place.journal)
            if current is None:
                await upgrade_postgres(place.journal)
                current = newest
            break
        except Unavailable as error:
            if error.code in _FOR_A_PERSON:
                raise NeedsOperator(error.text, code=error.code) from None
            waits(error)
            log.warning("journal_away", code=error.code)
            await asyncio.sleep(_LOOK_SECONDS)
    waits(None)
    _same(place, current, newest)


def upgrade(place: Place) -> str | None:
    """Make the tables or bring them to this engine's version; which that is. Raises Unavailable."""
    if place.shared:
        asyncio.run(upgrade_postgres(place.journal))
    else:
        upgrade_sqlite(place.file)
    return revisions(place)[0]


def revisions(place: Place) -> tuple[str | None, str | None]:
    """The version that the tables have, and the newest there is. Raises Unavailable."""
    if place.shared:
        return asyncio.run(postgres_revisions(place.journal))
    engine = sync_engine(place.file)
    try:
        return current_and_newest(engine)
    finally:
        engine.dispose()


def _same(place: Place, current: str | None, newest: str | None) -> None:
    if current != newest:
        raise fail(f"{place} has the tables of version {current}, this engine needs {newest}: run `islet db upgrade`")
