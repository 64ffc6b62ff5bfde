"""A FHIR R4 server for demos and tests: real HTTP, in memory, and able to have a bad day when told to.

Create and conditional create, update and conditional update, read, history, search by GET and POST, batch. In a
process of its own: `python -m simulators.fhir_server --port 0 --store readings.jsonl`; the first line it prints is
JSON with its port. Then `POST /_control/faults`, `POST /_control/clear` and `GET /_control/counts` steer it.
"""

import argparse
import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from engine import sdk
from simulators.fhir_faults import Ask, Deed, Fault, Faults, fault_from, where
from simulators.fhir_rest import Rest, Result
from simulators.fhir_rules import Issue, outcome
from simulators.fhir_store import FhirProblem, FhirStore, Resource

BASE = "/fhir"
_FHIR_JSON = "application/fhir+json"
_LARGEST_BODY = 64 * 1024 * 1024


class FhirServer:
    """One simulated server. `token`: only requests with this bearer token get in; it may be changed at any time.
    `conditional_create`: without it If-None-Exist is passed over, as many servers do."""

    def __init__(
        self,
        *,
        token: str | None = None,
        store_file: Path | None = None,
        clock: sdk.Clock | None = None,
        conditional_create: bool = True,
    ) -> None:
        self.token = token
        self.store = FhirStore(clock or sdk.SystemClock(), store_file)
        self.faults = Faults()
        self.counts: Counter[str] = Counter()
        """`requests`, and by what came of them: `creates`, `matches`, `updates`, `searches`, `batches`, …"""
        self._rest = Rest(self.store, self.faults, self.counts, conditional_create=conditional_create)
        self._runner: web.AppRunner | None = None
        self._released = asyncio.Event()
        self._hanging = 0
        self._hang_changed = asyncio.Condition()
        self.host, self.port = "127.0.0.1", 0

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Listen; port 0 takes a free one."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", BASE, self._fhir)
        app.router.add_route("*", BASE + "/{path:.*}", self._fhir)
        app.router.add_post("/_control/faults", self._order_fault)
        app.router.add_post("/_control/clear", self._clear_faults)
        app.router.add_get("/_control/counts", self._tell_counts)
        self._released.clear()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.host, self.port = host, self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Let hanging requests go and close. Safe twice."""
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.store.close()

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}{BASE}"

    @property
    def observations(self) -> dict[str, Resource]:
        """Id → latest version of every Observation."""
        return self.store.latest("Observation")

    def versions(self, id_: str, kind: str = "Observation") -> int:
        """How many versions a resource has had."""
        return len(self.store.history(kind, id_))

    # --- bad days

    def fail(
        self,
        status: int,
        times: int | None = 1,
        *,
        on: Sequence[str] = (),
        when: Callable[[Ask], bool] | None = None,
        entries: bool = False,
        resource: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next `times` requests with `status` and an OperationOutcome (or `resource`).

        `on`: only these interactions; `entries`: entries of batches instead of requests; `when`: any other choice.
        """
        choice = when or where(on, entries)
        self.faults.add(Fault(Deed.STATUS, times, status, resource, headers or {}, choice))

    def throttle(self, after: int | str, times: int | None = 1) -> None:
        """429 with Retry-After: seconds, or an HTTP date."""
        self.fail(429, times, headers={"Retry-After": str(after)})

    def hang(self, times: int | None = 1, *, on: Sequence[str] = ()) -> None:
        self.faults.add(Fault(Deed.HANG, times, where=where(on)))

    def spoil(self, deed: Deed, times: int | None = 1, *, on: Sequence[str] = ()) -> None:
        """Drop, rubbish, lose, cut, short: see `Deed`."""
        self.faults.add(Fault(deed, times, where=where(on)))

    async def wait_for_hanging(self, count: int = 1) -> None:
        """Return when so many requests are being left without an answer."""
        async with self._hang_changed:
            await self._hang_changed.wait_for(lambda: self._hanging >= count)

    # --- HTTP

    async def _fhir(self, request: web.Request) -> web.StreamResponse:
        self.counts["requests"] += 1
        body = await request.read()
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return _answer(Result(401, outcome(Issue("login", "no or wrong bearer token"))))
        path = request.match_info.get("path", "")
        try:
            call = self._rest.understand(request.method, path, request.query_string, request.headers, body)
        except FhirProblem as problem:
            return _answer(Result(problem.status, problem.outcome))
        fault = self.faults.take(call.ask)
        if fault is not None and (early := await self._before(request, fault)) is not None:
            return early
        result = self._rest.perform(call)
        if fault is not None:
            return await self._after(request, fault, result)
        return _answer(result, self.base_url)

    async def _before(self, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """The answer of a fault that keeps the work from being done."""
        if fault.deed is Deed.STATUS:
            said = fault.outcome or outcome(Issue("processing", f"told to answer {fault.status}"))
            return _answer(Result(fault.status, dict(said), headers=dict(fault.headers)))
        if fault.deed is Deed.RUBBISH:
            return web.Response(text="<html><body>Please sign in</body></html>", content_type="text/html")
        if fault.deed is Deed.HANG:
            await self._hang()
        if fault.deed in (Deed.HANG, Deed.DROP):
            return _gone(request)
        return None

    async def _after(self, request: web.Request, fault: Fault, result: Result) -> web.StreamResponse:
        """The answer of a fault that spoils the answer to work that was done."""
        if fault.deed is Deed.SHORT and result.resource is not None:
            result.resource["entry"] = result.resource["entry"][:-1]
            return _answer(result, self.base_url)
        if fault.deed is Deed.LOSE:
            return _gone(request)
        whole = _answer(result, self.base_url)
        body = whole.body if isinstance(whole.body, bytes) and whole.body else b'{"resourceType": "Observation"}'
        headers = {**whole.headers, "Content-Length": str(len(body))}
        half = web.StreamResponse(status=whole.status, headers=headers)
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
        return _gone(request, half)

    async def _hang(self) -> None:
        async with self._hang_changed:
            self._hanging += 1
            self._hang_changed.notify_all()
        try:
            await self._released.wait()
        finally:
            self._hanging -= 1

    # --- control from another process

    async def _order_fault(self, request: web.Request) -> web.Response:
        try:
            self.faults.add(fault_from(orjson.loads(await request.read())))
        except (ValueError, TypeError, AttributeError) as error:
            return web.Response(status=400, text=f"not a fault: {error}")
        return web.Response(status=204)

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self.faults.clear()
        return web.Response(status=204)

    async def _tell_counts(self, _: web.Request) -> web.Response:
        told = {**self.counts, "observations": len(self.observations)}
        return web.Response(body=orjson.dumps(told), content_type="application/json")


def _answer(result: Result, base_url: str = "") -> web.Response:
    headers = dict(result.headers)
    if result.location:
        headers["Location"] = f"{base_url}/{result.location}"
    if result.version:
        headers["ETag"] = f'W/"{result.version}"'
    body = orjson.dumps(result.resource) if result.resource is not None and not result.minimal else None
    return web.Response(
        status=result.status, body=body, headers=headers, content_type=_FHIR_JSON if body else "text/plain"
    )


def _gone(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """The connection is closed at once; what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return response or web.Response(status=500)


async def _serve(port: int, store_file: Path | None, token: str | None) -> None:
    server = FhirServer(token=token, store_file=store_file)
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    await server.start(port)
    sys.stdout.write(orjson.dumps({"port": server.port, "base_url": server.base_url}).decode() + "\n")
    sys.stdout.flush()
    await stopped.wait()
    await server.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m simulators.fhir_server", description="A simulated FHIR R4 server.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--store", type=Path, help="JSON-lines file that keeps what was stored")
    parser.add_argument("--token", help="bearer token that requests must show")
    given = parser.parse_args(arguments)
    asyncio.run(_serve(given.port, given.store, given.token))


if __name__ == "__main__":
    main()
