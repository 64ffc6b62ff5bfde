"""What is there is taken together; what is not there yet is not waited for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from engine.runtime.handfuls import handfuls


class Stream:
    """Gives what is put in; says whether it was closed while somebody still waited for it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[int | Exception | None] = asyncio.Queue()
        self.given: list[int] = []

    def put(self, *items: int | Exception | None) -> None:
        for item in items:
            self.queue.put_nowait(item)

    async def items(self) -> AsyncIterator[int]:
        while (item := await self.queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            self.given.append(item)
            yield item


async def test_what_is_there_comes_together_in_its_order() -> None:
    stream = Stream()
    stream.put(1, 2, 3, None)

    assert [list(hand) async for hand in handfuls(stream.items(), 10)] == [[1, 2, 3]]


async def test_no_more_than_asked_for_at_once() -> None:
    stream = Stream()
    stream.put(*range(5), None)

    assert [list(hand) async for hand in handfuls(stream.items(), 2)] == [[0, 1], [2, 3], [4]]


async def test_one_is_given_before_the_next_has_come() -> None:
    stream = Stream()
    stream.put(1)
    items = stream.items()
    async with aclosing(handfuls(items, 10)) as hands:
        assert list(await anext(hands)) == [1]
        stream.put(2, 3)
        assert list(await anext(hands)) == [2, 3]


async def test_after_it_is_closed_the_stream_can_be_closed() -> None:
    stream = Stream()
    stream.put(1)
    items = stream.items()
    async with aclosing(items), aclosing(handfuls(items, 10)) as hands:  # type: ignore[type-var]
        await anext(hands)

    assert stream.given == [1]


async def test_an_error_of_the_stream_comes_after_what_came_before_it() -> None:
    stream = Stream()
    stream.put(1, 2, ValueError("broken"))
    async with aclosing(handfuls(stream.items(), 10)) as hands:
        assert list(await anext(hands)) == [1, 2]
        with pytest.raises(ValueError, match="broken"):
            await anext(hands)
