"""Calls to Dexcom's API, one attempt each, and what their answers mean. Tokens travel in headers and bodies only."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import aiohttp
import msgspec

from connectors.dexcom.settings import DexcomSettings
from connectors.dexcom.windows import Window
from connectors.http_sender import retry_after_seconds
from engine import sdk

T = TypeVar("T")

_PATIENCE_SECONDS = 60.0
_AGAIN = frozenset({408, 425})
_SLICE = 65536


@dataclass(frozen=True, slots=True)
class Tokens:
    """An answer of the token endpoint. `refresh` is None where the old one stays good (RFC 6749 section 6)."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    lives_seconds: float


# RFC 6749 appendix A.12: what can stand in a header.
_Token = Annotated[str, msgspec.Meta(pattern=r"^[\x20-\x7e]+$", max_length=16384)]


class _TokenAnswer(msgspec.Struct):
    access_token: _Token
    expires_in: float
    refresh_token: _Token | None = None


class _TokenError(msgspec.Struct):
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Wire:
    """One session with Dexcom. Calls keep the distance that the rate limit asks for, and end at the timeout."""

    def __init__(self, settings: DexcomSettings, clock: sdk.Clock, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._clock = clock
        self._session = session
        self._free_at = 0.0

    async def refresh(self, refresh_token: str) -> Tokens:
        """Trade a refresh token for an access token. The old refresh token is dead afterwards.

        Raises Refused if it is revoked or used up, NeedsOperator if Dexcom does not know the client, Throttled,
        Unavailable.
        """
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": self._settings.client_id.reveal(),
            "client_secret": self._settings.client_secret.reveal(),
        }
        answer = await self._call("POST", "/v2/oauth2/token", data=form)
        if answer.status in (400, 401):
            raise _refused_grant(answer.body)
        self._judge(answer)
        try:
            tokens = msgspec.json.decode(answer.body, type=_TokenAnswer)
        except (ValueError, RecursionError):
            raise sdk.Unavailable("the token endpoint answered rubbish", code="token-malformed") from None
        return Tokens(tokens.access_token, tokens.refresh_token, tokens.expires_in)

    async def egvs(self, access_token: str, window: Window) -> bytes:
        """The body of an answer 200. Raises NotPermitted for 401, Refused, Throttled, Unavailable."""
        headers = {"Authorization": f"Bearer {access_token}"}
        answer = await self._call("GET", "/v3/users/self/egvs", params=window.query(), headers=headers)
        self._judge(answer)
        return answer.body

    def _judge(self, answer: _Answer) -> None:
        status, code = answer.status, f"http-{answer.status}"
        said = f"Dexcom answered {status}"
        if status == 200:
            return
        wait = retry_after_seconds(answer.headers.get("Retry-After"), self._clock.now())
        if status == 429 or (status == 503 and wait is not None):
            after = _PATIENCE_SECONDS if wait is None else wait
            raise sdk.Throttled(f"{said} and asks for patience", after_seconds=after, code=code)
        if status >= 500 or status in _AGAIN:
            raise sdk.Unavailable(said, code=code)
        if status == 401:
            raise sdk.NotPermitted(f"{said}: the access token is not accepted", code=code)
        raise sdk.Refused(f"{said}; check region, client and consent of this account", code=code)

    async def _call(self, method: str, path: str, **details: Any) -> _Answer:
        await self._keep_distance()
        try:
            return await self._in_time(self._exchange(method, self._settings.address + path, **details))
        except (aiohttp.ClientError, OSError) as error:
            # The error itself may quote headers.
            text = f"Dexcom cannot be reached ({type(error).__name__})"
            raise sdk.Unavailable(text, code="network") from None

    async def _exchange(self, method: str, url: str, **details: Any) -> _Answer:
        async with self._session.request(method, url, allow_redirects=False, **details) as response:
            body = bytearray()
            async for piece in response.content.iter_chunked(_SLICE):
                body += piece
                if len(body) > self._settings.largest:
                    raise sdk.Unavailable("the answer is bigger than `largest`", code="answer-too-large")
            return _Answer(response.status, response.headers, bytes(body))

    async def _keep_distance(self) -> None:
        now = self._clock.monotonic()
        at = max(now, self._free_at)
        self._free_at = at + 1 / self._settings.rate_limit
        if at > now:
            await self._clock.sleep(at - now)

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        call = asyncio.ensure_future(work)
        alarm = asyncio.ensure_future(self._clock.sleep(self._settings.timeout))
        try:
            await asyncio.wait({call, alarm}, return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                return call.result()
            raise sdk.Unavailable("Dexcom did not answer in time", code="timeout")
        finally:
            call.cancel()
            alarm.cancel()
            await asyncio.gather(call, alarm, return_exceptions=True)


def _refused_grant(body: bytes) -> sdk.EngineError:
    try:
        error = msgspec.json.decode(body, type=_TokenError).error
    except (ValueError, RecursionError):
        error = ""
    if error in ("invalid_client", "unauthorized_client"):
        text = "Dexcom does not accept client_id and client_secret; correct the secrets and start the channel"
        return sdk.NeedsOperator(text, code="client-refused")
    text = "Dexcom does not accept the refresh token: the person must consent again; put the new one into the secret"
    return sdk.Refused(text, code="consent-ended")
