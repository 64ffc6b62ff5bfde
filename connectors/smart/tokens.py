"""Access tokens: discovery, client assertion, request, renewal (SMART App Launch 2.2.0, Backend Services)."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
import orjson

from connectors.http_sender import retry_after_seconds
from connectors.smart.keys import Key, read_key
from connectors.smart.settings import BackendServices
from engine import sdk

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS: Final = 240  # 300 at most; their clock may be behind ours
_RENEW_BEFORE_SECONDS: Final = 30
_DEFAULT_LIFETIME_SECONDS: Final = 300
_LONGEST_LIFETIME_SECONDS: Final = 86_400
_LARGEST_ANSWER: Final = 256 * 1024
_PATIENCE_SECONDS: Final = 30.0

# RFC 6749 section 5.2: what each error means to the person who can put it right.
_REMEDIES: Final[Mapping[str, str]] = {
    "invalid_client": "it does not accept our key or client id; is the public key registered, or the JWKS reachable?",
    "invalid_grant": "it does not accept our assertion; compare the clocks and the token_url",
    "unauthorized_client": "our client may not use client_credentials; have it registered for backend services",
    "unsupported_grant_type": "it knows no client_credentials; is this a SMART backend server?",
    "invalid_scope": "it does not grant these scopes; compare `scope` with the registration",
    "invalid_request": "it calls the request malformed; compare token_url with the server's documentation",
}

_MAY_BE_THE_CLOCKS: Final = frozenset({"invalid_client", "invalid_grant", "invalid_request"})
_CLOCKS_MAY_DIFFER_SECONDS: Final = 30


def assertion(settings: BackendServices, key: Key, token_url: str, now: datetime, jti: str) -> str:
    """The client assertion: iss and sub the client, aud the token endpoint, used once."""
    claims = {
        "iss": settings.client_id,
        "sub": settings.client_id,
        "aud": token_url,
        "exp": int(now.timestamp()) + _ASSERTION_SECONDS,
        "iat": int(now.timestamp()),
        "jti": jti,
    }
    return key.signed(claims, {"jku": settings.jku} if settings.jku else None)


class Tokens:
    """The one access token of a destination. Concurrent calls wait for one request."""

    def __init__(self, settings: BackendServices, base: str, clock: sdk.Clock, log: sdk.Log) -> None:
        self._settings = settings
        self._base = base
        self._clock = clock
        self._log = log
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._until: datetime | None = None
        self._url = settings.token_url

    def __repr__(self) -> str:
        return "<tokens>"

    async def token(self, session: aiohttp.ClientSession) -> str:
        """A token that still holds for a while.

        Raises NeedsOperator for what an operator must put right, with the OAuth error in its code
        (`token-invalid-client`); Throttled, Unavailable or Unreachable for what passes.
        """
        async with self._lock:
            now = self._clock.now()
            if self._token is None or self._until is None or now >= self._until:
                self._token, self._until = await self._request(session, now)
            return self._token

    def forget(self, token: str) -> None:
        """The server no longer accepts this token: the next call asks for another."""
        if self._token == token:
            self._token = None

    async def _request(self, session: aiohttp.ClientSession, now: datetime) -> tuple[str, datetime]:
        if self._url is None:
            self._url = await self._discover(session)
        key = read_key(self._settings.key, self._settings.kid)
        form = {
            "grant_type": "client_credentials",
            "scope": self._settings.scope,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion(self._settings, key, self._url, now, sdk.new_id()),
        }
        status, answer, headers = await _call(session, "POST", self._url, form)
        if status != 200:
            wait = retry_after_seconds(headers.get("Retry-After"), now)
            raise _refusal(status, answer, wait, _clocks_differ(headers.get("Date"), now))
        token, kind = answer.get("access_token"), answer.get("token_type")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise sdk.Unavailable("the token endpoint answered 200 without a token", code="token-missing")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise sdk.NeedsOperator("the token endpoint gives tokens that are not Bearer", code="token-type")
        self._compare(answer.get("scope"))
        lifetime = _lifetime_seconds(answer.get("expires_in"))
        return token, now + timedelta(seconds=max(lifetime - _RENEW_BEFORE_SECONDS, lifetime / 2))

    def _compare(self, granted: Any) -> None:
        """A server may grant less than was asked for (section 2.0.9): said once for each token."""
        if isinstance(granted, str) and not set(self._settings.scope.split()) <= set(granted.split()):
            self._log.warning(
                "smart_scope_narrower", asked=len(self._settings.scope.split()), granted=len(granted.split())
            )

    async def _discover(self, session: aiohttp.ClientSession) -> str:
        status, answer, _ = await _call(session, "GET", f"{self._base}/.well-known/smart-configuration", None)
        url = answer.get("token_endpoint")
        if status >= 500 or status == 429:
            raise sdk.Unavailable(f"SMART discovery answered {status}", code="smart-discovery")
        if status != 200 or not isinstance(url, str):
            raise sdk.NeedsOperator(
                f"SMART discovery answered {status} without a token endpoint; write token_url", code="smart-discovery"
            )
        try:
            return str(BackendServices.model_validate({**self._settings.model_dump(), "token_url": url}).token_url)
        except ValueError:
            raise sdk.NeedsOperator(
                "SMART discovery names a token endpoint that is not https; write token_url", code="smart-discovery"
            ) from None


def _lifetime_seconds(given: Any) -> float:
    """What `expires_in` says (a number; some servers write it as text), a day at most."""
    try:
        seconds = float(given)
    except (TypeError, ValueError):
        return _DEFAULT_LIFETIME_SECONDS
    return min(seconds, _LONGEST_LIFETIME_SECONDS) if seconds > 0 else _DEFAULT_LIFETIME_SECONDS


def _clocks_differ(date: str | None, now: datetime) -> str:
    """What to say of the clocks where they are too far apart for an assertion, by the answer's Date header."""
    try:
        theirs = parsedate_to_datetime(date or "").astimezone(UTC)
    except ValueError:
        return ""
    seconds = round((now - theirs).total_seconds())
    if abs(seconds) <= _CLOCKS_MAY_DIFFER_SECONDS:
        return ""
    return f"; our clock is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} the server's: set it right"


def _refusal(status: int, answer: Mapping[str, Any], wait: float | None, clocks: str) -> sdk.EngineError:
    """The error word for a token endpoint's refusal. What it says in prose stays in the journal."""
    prose = answer.get("error_description")
    detail = prose if isinstance(prose, str) else None
    if status == 429:
        after = _PATIENCE_SECONDS if wait is None else wait
        return sdk.Throttled("the token endpoint asks for patience", after_seconds=after, code="token-throttled")
    error = answer.get("error")
    if status >= 500 or error == "temporarily_unavailable":
        return sdk.Unavailable(f"the token endpoint answered {status}", code="token-unavailable", detail=detail)
    if isinstance(error, str) and error in _REMEDIES:
        code = f"token-{error.replace('_', '-')}"
        text = _REMEDIES[error] + (clocks if error in _MAY_BE_THE_CLOCKS else "")
        return sdk.NeedsOperator(f"no token from the server: {text}", code=code, detail=detail)
    text = f"no token from the server: it answered {status}; look at client_id, key, scope and token_url"
    return sdk.NeedsOperator(text, code="token-refused", detail=detail)


async def _call(
    session: aiohttp.ClientSession, method: str, url: str, form: Mapping[str, str] | None
) -> tuple[int, Mapping[str, Any], Mapping[str, str]]:
    """Status, JSON object (empty if it is none) and headers. Redirects are not followed."""
    headers = {"Accept": "application/json"}
    try:
        async with session.request(method, url, data=form, headers=headers, allow_redirects=False) as answer:
            body = bytearray()
            while len(body) <= _LARGEST_ANSWER and (chunk := await answer.content.readany()):
                body += chunk
            try:
                found = orjson.loads(body)
            except orjson.JSONDecodeError:
                found = None
            return answer.status, found if isinstance(found, dict) else {}, answer.headers
    except TimeoutError:
        raise sdk.Unavailable("the authorization server did not answer in time", code="timed-out") from None
    except aiohttp.ClientConnectorCertificateError as error:
        text = "the certificate of the authorization server is not one to trust; have it renewed, or write its tls: ca"
        raise sdk.NeedsOperator(text, code="tls-certificate", detail=str(error)) from None
    except aiohttp.ClientConnectorError as error:
        raise sdk.Unreachable(
            "no connection to the authorization server", code="no-connection", detail=str(error)
        ) from None
    except (aiohttp.ClientError, OSError) as error:
        text = "the authorization server closed the connection"
        raise sdk.Unavailable(text, code="connection-lost", detail=type(error).__name__) from None
