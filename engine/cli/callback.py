"""Where a browser comes back to after a consent: a page on this machine that takes one code, or a pasted address."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from engine.contracts.consent import Consent
from engine.model.errors import Refused

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DONE = "Thank you. The account is being connected; this window can be closed."
_NOT_DONE = "This did not come from the question that was asked. Open the address from the terminal again."


def is_local(redirect_uri: str) -> bool:
    """May this machine itself wait there for the browser?"""
    parts = urlsplit(redirect_uri)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK and parts.port is not None


def code_of(address: str, consent: Consent) -> str:
    """The code in the address that the browser came back to. Raises Refused if the person said no, or if it answers
    another question than `consent` asked."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(address.strip()).query).items()}
    if not hmac.compare_digest(query.get("state", "").encode(), consent.state.encode()):
        raise Refused(
            "that address answers another question; open the address above, and paste what it leads to",
            code="state-differs",
        )
    if "error" in query or not query.get("code"):
        raise Refused("the person did not agree, or the vendor did not let them", code="consent-refused")
    return query["code"]


class Callback:
    """Waits at the consent's `redirect_uri` for the browser. Answers that belong to no question change nothing."""

    def __init__(self, consent: Consent) -> None:
        self._consent = consent
        self._code: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def code(self, seconds: float) -> str:
        """Raises Refused if the person said no, or did not answer in time."""
        try:
            async with asyncio.timeout(seconds):
                return await self._code
        except TimeoutError:
            raise Refused("nobody has answered; ask again", code="consent-late") from None

    async def answer(self, request: web.Request) -> web.Response:
        if self._code.done():
            return web.Response(text=_DONE)
        try:
            self._code.set_result(code_of(str(request.url), self._consent))
        except Refused as refused:
            if refused.code != "state-differs":
                self._code.set_exception(refused)
            return web.Response(status=400, text=_NOT_DONE if refused.code == "state-differs" else refused.text)
        return web.Response(text=_DONE)


@asynccontextmanager
async def waiting(consent: Consent) -> AsyncIterator[Callback]:
    """A page on this machine. Raises OSError if the port is taken."""
    parts = urlsplit(consent.redirect_uri)
    callback = Callback(consent)
    application = web.Application()
    application.router.add_get(parts.path or "/", callback.answer)
    runner = web.AppRunner(application, access_log=None)  # addresses hold codes
    await runner.setup()
    try:
        await web.TCPSite(runner, parts.hostname, parts.port).start()
        yield callback
    finally:
        await runner.cleanup()
