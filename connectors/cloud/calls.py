"""Calls to a cloud, one attempt each, and what their answers mean. Tokens travel in headers and bodies only."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Protocol, TypeVar

import aiohttp
import msgspec

from connectors.cloud.tokens import Tokens
from connectors.http_sender import retry_after_seconds
from engine import sdk

T = TypeVar("T")

_PATIENCE_SECONDS = 60.0
_AGAIN = frozenset({408, 425})
_SLICE = 65536


class CallSettings(Protocol):
    """What of a source's settings its calls keep to."""

    @property
    def address(self) -> str: ...
    @property
    def rate_limit(self) -> float: ...
    @property
    def timeout(self) -> float: ...
    @property
    def largest(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of any status."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


# RFC 6749 appendix A.12: what can stand in a header.
_Token = Annotated[str, msgspec.Meta(pattern=r"^[\x20-\x7e]+$", max_length=16384)]


class _TokenAnswer(msgspec.Struct):
    access_token: _Token
    expires_in: float
    refresh_token: _Token | None = None


class _TokenError(msgspec.Struct):
    error: str = ""


class Caller:
    """One session with a cloud. Calls keep the distance that the rate limit asks for, and end at the timeout.

    `service` names it in errors, `advice` says what to check when it refuses.
    """

    def __init__(
        self, settings: CallSettings, clock: sdk.Clock, session: aiohttp.ClientSession, service: str, advice: str
    ) -> None:
        self._limits = settings
        self._clock = clock
        self._session = session
        self._free_at = 0.0
        self.service = service
        self._advice = advice

    async def get(self, path: str, headers: Mapping[str, str], params: Mapping[str, str] | None = None) -> bytes:
        """The body of an answer 200. Raises NotPermitted for 401, Refused, Throttled, Unavailable."""
        answer = await self.call("GET", path, params=params, headers=headers)
        self.judge(answer)
        return answer.body

    def now(self) -> datetime:
        return self._clock.now()

    async def grant(
        self, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None, *, base: str | None = None
    ) -> Tokens:
        """Ask a token endpoint (RFC 6749). Raises Refused if the grant is revoked or used up, NeedsOperator if the
        client is not known, Throttled, Unavailable."""
        answer = await self.call("POST", path, base=base, data=form, headers=headers)
        if answer.status in (400, 401):
            raise self._refused_grant(answer.body)
        self.judge(answer)
        try:
            tokens = msgspec.json.decode(answer.body, type=_TokenAnswer)
        except (ValueError, RecursionError):
            raise sdk.Unavailable("the token endpoint answered rubbish", code="token-malformed") from None
        return Tokens(tokens.access_token, tokens.refresh_token, tokens.expires_in)

    async def call(self, method: str, path: str, *, base: str | None = None, **details: Any) -> Answer:
        """An answer, whatever its status. Raises Unavailable if there is none in time, or it is too large."""
        await self._keep_distance()
        try:
            return await self._in_time(self._exchange(method, (base or self._limits.address) + path, **details))
        except (aiohttp.ClientError, OSError) as error:
            # The error itself may quote headers.
            text = f"{self.service} cannot be reached ({type(error).__name__})"
            raise sdk.Unavailable(text, code="network") from None

    def judge(self, answer: Answer) -> None:
        """What an answer other than 200 asks for."""
        status, code = answer.status, f"http-{answer.status}"
        said = f"{self.service} answered {status}"
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
        raise sdk.Refused(f"{said}; {self._advice}", code=code)

    async def _exchange(self, method: str, url: str, **details: Any) -> Answer:
        async with self._session.request(method, url, allow_redirects=False, **details) as response:
            body = bytearray()
            async for piece in response.content.iter_chunked(_SLICE):
                body += piece
                if len(body) > self._limits.largest:
                    raise sdk.Unavailable("the answer is bigger than `largest`", code="answer-too-large")
            return Answer(response.status, response.headers, bytes(body))

    async def _keep_distance(self) -> None:
        now = self._clock.monotonic()
        at = max(now, self._free_at)
        self._free_at = at + 1 / self._limits.rate_limit
        if at > now:
            await self._clock.sleep(at - now)

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        call = asyncio.ensure_future(work)
        alarm = asyncio.ensure_future(self._clock.sleep(self._limits.timeout))
        try:
            await asyncio.wait({call, alarm}, return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                return call.result()
            raise sdk.Unavailable(f"{self.service} did not answer in time", code="timeout")
        finally:
            call.cancel()
            alarm.cancel()
            await asyncio.gather(call, alarm, return_exceptions=True)

    def _refused_grant(self, body: bytes) -> sdk.EngineError:
        try:
            error = msgspec.json.decode(body, type=_TokenError).error
        except (ValueError, RecursionError):
            error = ""
        if error in ("invalid_client", "unauthorized_client"):
            text = (
                f"{self.service} does not accept client_id and client_secret; correct the secrets and start the channel"
            )
            return sdk.NeedsOperator(text, code="client-refused")
        text = (
            f"{self.service} does not accept the refresh token: the person must consent again; "
            "put the new one into the secret"
        )
        return sdk.Refused(text, code="consent-ended")
