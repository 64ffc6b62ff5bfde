"""`/health/live` and `/health/ready` for balancers, orchestrators and people. Says codes, never data (law 9)."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from engine.model.errors import EngineError

Look = Callable[[], Mapping[str, EngineError | None]]
"""What the engine depends on → why it cannot be used now."""


class Health:
    """`ready`: the engine has started. `look` may be set anew as it comes up."""

    def __init__(self) -> None:
        self.ready = False
        self.look: Look = lambda: {"engine": None}

    def report(self) -> tuple[int, Mapping[str, object]]:
        """HTTP status and what to say: 200 when ready, also while it works on with a part missing; else 503."""
        missing = {name: {"code": e.code, "text": e.text} for name, e in self.look().items() if e is not None}
        ready = self.ready and "journal" not in missing  # without the broker, messages are still taken and kept
        return (200 if ready else 503), {"ready": ready, "waits_for": missing}


@asynccontextmanager
async def serving(
    health: Health, host: str, port: int, more: Sequence[web.AbstractRouteDef] = ()
) -> AsyncIterator[int]:
    """Answers on a port of its own; gives the port. `more`: what else is published there. Raises OSError if it is
    taken."""

    async def live(_request: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def ready(_request: web.Request) -> web.Response:
        status, told = health.report()
        return web.json_response(told, status=status)

    app = web.Application()
    app.router.add_get("/health/live", live)
    app.router.add_get("/health/ready", ready)
    app.add_routes(more)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield site.port
    finally:
        await runner.cleanup()
