from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from simulators.dexcom import DexcomCloud
from tests.integration.dexcom.harness import PausingClock, Place


@pytest_asyncio.fixture(loop_scope="function")
async def place(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    clock = PausingClock()
    async with DexcomCloud(clock.now) as cloud:
        yield Place(cloud, clock, monkeypatch)
