"""One HTTP session with one FHIR server: a call gives a Reply or raises an error word."""

import codecs
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from connectors.fhir.answers import Reply
from connectors.fhir.settings import FhirConnection
from connectors.http_security import header_value
from connectors.smart.tokens import Tokens
from engine import sdk

FHIR_JSON: Final = "application/fhir+json"
FORM: Final = "application/x-www-form-urlencoded"
_LARGEST_ANSWER: Final = 32 * 1024 * 1024
_RAW_CHARACTERS: Final = 4096


class Wire:
    """Calls below one base, over kept-alive connections. Redirects are never followed, so no token leaves the base.

    What aiohttp raises is not chained to the error words: its text can hold an address with an identifier in it.
    """

    def __init__(self, settings: FhirConnection, clock: sdk.Clock, log: sdk.Log) -> None:
        self._settings = settings
        self._tokens = Tokens(settings.smart, settings.base, clock, log) if settings.smart is not None else None
        self._host = URL(settings.base).host
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Raises NeedsOperator if a certificate file cannot be used."""
        tls = self._settings.tls.context() if self._settings.tls else True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls),  # the engine bounds the calls (`at_once`)
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def below_base(self, address: str) -> str | None:
        """The part of an address below our base, as `call` takes it; None for one that leads elsewhere. A relative one
        is below the base (R4 section 2.36.4), one that begins with / below the host."""
        base = URL(self._settings.base, encoded=True)
        try:
            found = URL(address, encoded=True)
            elsewhere = found.absolute and _origin(found) != _origin(base)
        except ValueError:
            return None
        if elsewhere or ".." in found.parts:
            return None
        if not found.absolute and not address.startswith("/"):
            return None if found.scheme else address
        root, path = base.raw_path.rstrip("/"), found.raw_path_qs
        rest = path[len(root) :] if path.startswith(root) else ""
        return rest.lstrip("/") if rest[:1] in ("/", "?") else None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        content_type: str = FHIR_JSON,
        extra: Mapping[str, str] | None = None,
    ) -> Reply:
        """One attempt; a second one where the server no longer accepts our access token. `path` is URL-encoded, below
        the base; empty for the base itself.

        Raises Unreachable if the server could not even be asked, Unavailable if what became of it is unknown,
        NeedsOperator if its certificate is not one to trust or a secret is missing.
        """
        assert self._session is not None, "open() comes before send()"
        headers = self._headers(content_type, extra or {})
        if self._tokens is None:
            return await self._attempt(self._session, method, path, body, headers)
        for last in (False, True):
            token = await self._tokens.token(self._session)
            headers["Authorization"] = f"Bearer {token}"
            reply = await self._attempt(self._session, method, path, body, headers)
            if reply.status != 401 or last:
                break
            self._tokens.forget(token)
        return reply

    async def _attempt(
        self, session: aiohttp.ClientSession, method: str, path: str, body: bytes, headers: CIMultiDict[str]
    ) -> Reply:
        below = "/" if path and not path.startswith("?") else ""
        url = URL(f"{self._settings.base}{below}{path}", encoded=True)
        try:
            async with session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer:
                return _reply(answer, await _read(answer))
        except TimeoutError:
            text = f"no answer from {self._host} within {self._settings.timeout:g} s"
            raise sdk.Unavailable(text, code="timed-out") from None
        except aiohttp.ClientConnectorCertificateError as error:
            text = f"the certificate of {self._host} is not one to trust; have it renewed, or write its tls: ca"
            raise sdk.NeedsOperator(text, code="tls-certificate", detail=str(error)) from None
        except aiohttp.ClientConnectorError as error:
            raise sdk.Unreachable(f"no connection to {self._host}", code="no-connection", detail=str(error)) from None
        except (aiohttp.ClientError, OSError) as error:
            text = f"{self._host} closed the connection or answered something that is not HTTP"
            raise sdk.Unavailable(text, code="connection-lost", detail=type(error).__name__) from None

    def _headers(self, content_type: str, extra: Mapping[str, str]) -> CIMultiDict[str]:
        headers: CIMultiDict[str] = CIMultiDict({"User-Agent": "islet"})
        for name, value in self._settings.headers.items():
            headers[name] = value if isinstance(value, str) else header_value(value)
        headers["Accept"] = FHIR_JSON
        headers["Content-Type"] = content_type
        if self._settings.sign_in is not None:
            headers["Authorization"] = self._settings.sign_in.header()
        headers.update(extra)
        return headers


def _origin(url: URL) -> tuple[str, str, int | None, str | None]:
    return url.scheme.lower(), (url.host or "").lower(), url.port, url.user


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    while chunk := await answer.content.readany():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise aiohttp.ClientPayloadError("answer too large")
    return bytes(body)


def _reply(answer: aiohttp.ClientResponse, body: bytes) -> Reply:
    resource: Any = None
    body = body.removeprefix(codecs.BOM_UTF8)
    if body.strip():
        try:
            resource = orjson.loads(body)
        except orjson.JSONDecodeError:
            resource = None
    is_resource = isinstance(resource, dict) and isinstance(resource.get("resourceType"), str)
    return Reply(
        status=answer.status,
        location=answer.headers.get("Location") or answer.headers.get("Content-Location"),
        etag=answer.headers.get("ETag"),
        retry_after=answer.headers.get("Retry-After"),
        resource=resource if is_resource else None,
        body=body,
        raw="" if is_resource else body[:_RAW_CHARACTERS].decode("utf-8", "replace").strip(),
    )
