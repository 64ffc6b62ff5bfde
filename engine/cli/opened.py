"""A store opened for one verb: journal and broker, closed again afterwards."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from engine.cli.compose import make_tools
from engine.cli.options import fail
from engine.cli.place import EMBEDDED, Place
from engine.model.errors import ConfigError, EngineError
from engine.runtime.tools import Tools

T = TypeVar("T")


def place_of(journal: str, broker: str = EMBEDDED) -> Place:
    """Ends the program with a sentence if the two cannot be used."""
    try:
        return Place(journal, broker)
    except ConfigError as error:
        raise fail(error.text) from None


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Tools]:
    """Tools on an existing journal; tickets that are published go to the engine that runs on it."""
    tools = make_tools(place)
    await tools.journal.open()
    try:
        yield tools
    finally:
        await tools.broker.close()
        await tools.journal.close()


def with_tools(journal: str, work: Callable[[Tools], Awaitable[T]], broker: str = EMBEDDED) -> T:
    """Run one verb's work. Ends the program with a sentence if the journal is not there or not usable."""
    place = place_of(journal, broker)
    if not place.shared and not place.file.exists():
        raise fail(f"there is no store at {place}; name it with --store, or start one with `islet run`")

    async def go() -> T:
        async with opened(place) as tools:
            return await work(tools)

    try:
        return asyncio.run(go())
    except EngineError as error:
        raise fail(str(error)) from None
