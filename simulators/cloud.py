"""The base of small simulated clouds on a loopback port: requests remembered, answers scripted, trouble on demand."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self

from aiohttp import web

from simulators.dexcom import Scripted, Seen


class Cloud(ABC):
    """Use as `async with ... as cloud:`; `base_url` is known then. `now` is the cloud's clock."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.base_url = ""
        self.now = now
        self.requests: list[Seen] = []
        self._scripts: dict[str, deque[Scripted]] = defaultdict(deque)
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    def script(self, path: str, *answers: Scripted) -> None:
        """The next requests to `path` get these answers, in order."""
        self._scripts[path].extend(answers)

    @abstractmethod
    async def answer(self, request: web.Request) -> web.Response:
        """What the cloud says when nothing is scripted."""

    async def start(self, port: int = 0) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _handle(self, request: web.Request) -> web.Response:
        if self._scripts[request.path]:
            scripted = self._scripts[request.path].popleft()
            if scripted.hang:
                await self._stopping.wait()
            response = web.Response(status=scripted.status, body=scripted.body, headers=scripted.headers)
        else:
            response = await self.answer(request)
        self.requests.append(Seen(request.method, request.path, dict(request.query), None, response.status))
        return response


def as_json(document: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(document).encode(), content_type="application/json")
