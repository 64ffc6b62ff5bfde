"""A store opened for one verb: journal and broker, closed again afterwards."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from engine.cli.compose import make_tools
from engine.cli.options import fail
from engine.model.errors import EngineError
from engine.runtime.tools import Tools

T = TypeVar("T")


@asynccontextmanager
async def opened(store: Path) -> AsyncIterator[Tools]:
    """Tools on an existing store; tickets that are published go to the engine that runs on it."""
    tools = make_tools(store)
    await tools.journal.open()
    try:
        yield tools
    finally:
        await tools.broker.close()
        await tools.journal.close()


def with_tools(store: Path, work: Callable[[Tools], Awaitable[T]]) -> T:
    """Run one verb's work on a store. Ends the program with a sentence if the store is not there or not usable."""
    if not store.exists():
        raise fail(f"there is no store at {store}; name it with --store, or start one with `islet run`")

    async def go() -> T:
        async with opened(store) as tools:
            return await work(tools)

    try:
        return asyncio.run(go())
    except EngineError as error:
        raise fail(str(error)) from None
