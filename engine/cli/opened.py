"""A store opened for one verb: journal and broker, closed again afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from engine.cli.compose import make_tools
from engine.cli.options import fail
from engine.cli.place import EMBEDDED, Place
from engine.model.errors import ConfigError, EngineError
from engine.runtime.tools import Tools

T = TypeVar("T")


def place_of(journal: str, broker: str = EMBEDDED) -> Place:
    """Ends the program with a sentence if the two cannot be used together."""
    try:
        return Place(journal, broker)
    except ConfigError as error:
        raise fail(error.text) from None


def with_tools(journal: str, work: Callable[[Tools], Awaitable[T]]) -> T:
    """Run one verb's work. Ends the program with a sentence if the journal is not there or not usable.

    Tickets that are published go to the engine that runs on a file; engines that share look for work themselves.
    """
    place = place_of(journal)
    if not place.shared and not place.file.exists():
        raise fail(f"there is no store at {place}; name it with --store, or start one with `islet run`")
    tools = make_tools(place)
    return run_with(tools, lambda: work(tools), open_broker=False)


def run_with(tools: Tools, work: Callable[[], Awaitable[T]], *, open_broker: bool = True) -> T:
    """Run work on a journal and perhaps its broker, opened before and closed after. Ends the program with a sentence
    if one of them is not usable."""

    async def go() -> T:
        await tools.journal.open()
        try:
            if open_broker:
                await tools.broker.open()
            return await work()
        finally:
            await tools.broker.close()
            await tools.journal.close()

    try:
        return asyncio.run(go())
    except EngineError as error:
        raise fail(str(error)) from None
