"""Handfuls: what a stream has at hand, taken together."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TypeVar

T = TypeVar("T")


async def handfuls(stream: AsyncIterator[T], most: int) -> AsyncGenerator[Sequence[T], None]:
    """Waits for one item, and gives it with those that are there without waiting: `most` at once, in their order.

    To be closed (`aclosing`) before the stream is.
    """
    coming = _next(stream)
    try:
        while (item := await coming) is not None:
            hand = [item]
            coming = _next(stream)
            while len(hand) < most and (more := await _at_once(coming)) is not None:
                hand.append(more)
                coming = _next(stream)
            yield hand
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


def _next(stream: AsyncIterator[T]) -> "asyncio.Future[T | None]":
    return asyncio.ensure_future(anext(stream, None))


async def _at_once(coming: "asyncio.Future[T | None]") -> T | None:
    """Its result, if it needs no waiting."""
    await asyncio.sleep(0)
    return coming.result() if coming.done() and coming.exception() is None else None
