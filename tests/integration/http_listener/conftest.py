"""The client of all these tests."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.integration.http_listener.door import SECONDS


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session:
        yield session
