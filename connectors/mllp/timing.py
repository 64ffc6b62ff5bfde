"""Waiting no longer than agreed, by the engine's clock."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from engine import sdk

T = TypeVar("T")


async def within(clock: sdk.Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, or TimeoutError when `seconds` of this clock's time are over; then `work` is cancelled."""
    task = asyncio.ensure_future(work)
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        timer.cancel()
        task.cancel()
        await asyncio.gather(timer, task, return_exceptions=True)
