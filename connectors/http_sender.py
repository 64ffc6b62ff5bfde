"""`http_sender`: POSTs (or PUTs) each delivery to a URL. The engine retries, so a call is one attempt and no more."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from yarl import URL

from connectors.http_answers import rehearsed
from connectors.http_client import ConnectionLostError, HttpClient, NoConnectionError, NotHttpError
from connectors.http_security import Auth, header_value, is_this_machine
from connectors.tls import ClientTls
from engine import sdk

_CONTENT_TYPES: Final[Mapping[sdk.Shape, str]] = {
    sdk.Shape.JSON: "application/json",
    sdk.Shape.RECORDS: "application/json",
    sdk.Shape.FHIR: "application/fhir+json",
    sdk.Shape.HL7V2: "application/hl7-v2",
    sdk.Shape.CSV: "text/csv",
    sdk.Shape.XML: "application/xml",
    sdk.Shape.BYTES: "application/octet-stream",
}
_USUAL: Final = {"User-Agent": "islet", "Accept": "*/*"}
_OURS: Final = frozenset({"idempotency-key", "content-type", "content-length", "transfer-encoding", "authorization"})
_AGAIN: Final = frozenset({408, 409, 425})
_PATIENCE_SECONDS: Final = 30.0
_LONGEST_WAIT_SECONDS: Final = 3600.0


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not a web address; write one such as https://host.example/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user or password; write them under auth, as {secret: NAME}")
    if parts.fragment:
        raise ValueError("must have no part after #, which no server is sent")
    return value


HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
HeaderText = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")]


class HttpSenderSettings(sdk.Settings):
    """Where to send and what to show there."""

    url: Annotated[str, AfterValidator(_web_address)] = Field(description="The one address all messages go to")
    method: Literal["POST", "PUT"] = "POST"
    content_type: HeaderText | None = Field(None, description="By default that of the message's shape")
    headers: dict[HeaderName, HeaderText | sdk.Secret] = Field({}, description="Further headers; values may be secrets")
    auth: Auth | None = None
    tls: ClientTls | None = None
    timeout: sdk.Duration = Field(30.0, description="For one whole call")
    ok: tuple[Annotated[int, Field(ge=200, le=599)], ...] = Field(
        (), description="Statuses of success; default any 2xx"
    )

    @model_validator(mode="after")
    def _headers_are_free(self) -> Self:
        for name in self.headers:
            if name.lower() in _OURS:
                raise ValueError(f"header {name} is set by this destination itself (see auth and content_type)")
        return self

    @model_validator(mode="after")
    def _secrets_are_wrapped(self) -> Self:
        parts = urlsplit(self.url)
        shows_secret = self.auth is not None or any(isinstance(value, sdk.Secret) for value in self.headers.values())
        if shows_secret and parts.scheme == "http" and not is_this_machine(parts.hostname or ""):
            raise ValueError("url must begin with https:// when a secret is shown to the server")
        return self


def judge(status: int, headers: Mapping[str, str], said: str, now: datetime, ok: tuple[int, ...] = ()) -> sdk.Answer:
    """What a status means: an Answer, or an error word raised. `said` is the body's beginning, for the journal only."""
    if status in ok or (not ok and 200 <= status < 300):
        return sdk.Answer(str(status), location=headers.get("Location"))
    answered = f"the server answered {status}"
    details = {"code": f"http-{status}", "detail": said or None}
    if status in _AGAIN or status == 429 or status >= 500:
        wait = retry_after_seconds(headers.get("Retry-After"), now)
        if wait is None and status != 429:
            raise sdk.Unavailable(answered, **details)
        after = _PATIENCE_SECONDS if wait is None else wait
        raise sdk.Throttled(f"{answered} and asks for patience", after_seconds=after, **details)
    if status == 401:
        raise sdk.NeedsOperator(f"{answered}: it does not accept our sign-in; correct the secret under auth", **details)
    if 300 <= status < 400:
        details["detail"] = headers.get("Location")
        raise sdk.Refused(f"{answered}, a redirect, which is not followed; write the new address as url", **details)
    raise sdk.Refused(f"{answered}; what it said is kept with the delivery", **details)


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """`Retry-After` as seconds from now, an hour at most: a number or a date (RFC 9110 section 10.2.3); else None."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), _LONGEST_WAIT_SECONDS)


class HttpSender:
    """Destination: one call for each delivery, over kept-alive connections. See HttpSenderSettings.

    `Idempotency-Key` is the delivery's id, equal on every attempt, so that the other side can recognise a repeat.
    """

    def __init__(self, settings: HttpSenderSettings, context: sdk.PluginContext) -> None:
        self._settings = settings
        self._clock = context.clock
        self._url = URL(settings.url)
        named = {name.lower() for name in settings.headers}
        plain = {name: value for name, value in _USUAL.items() if name.lower() not in named}
        plain |= {name: value for name, value in settings.headers.items() if isinstance(value, str)}
        self._plain = "".join(f"{name}: {value}\r\n" for name, value in plain.items())
        self._secrets = {name: value for name, value in settings.headers.items() if isinstance(value, sdk.Secret)}
        self._client: HttpClient | None = None

    async def open(self) -> None:
        """Raises NeedsOperator if a certificate file cannot be used."""
        tls = self._settings.tls
        self._client = HttpClient(
            self._url,
            tls=tls.context() if tls else None,
            server_name=tls.server_name if tls else None,
            timeout_seconds=self._settings.timeout,
        )

    async def send(self, delivery: sdk.Delivery) -> sdk.Answer:
        """See `judge` for what each status means; without an answer, Unavailable."""
        assert self._client is not None, "open() comes before send()"
        try:
            answer = await self._client.call(self._settings.method, self._headers(delivery), delivery.body)
        except (TimeoutError, ssl.SSLError, NoConnectionError, ConnectionLostError, NotHttpError) as error:
            raise self._no_answer(error) from error
        said = answer.beginning.decode("utf-8", "replace")
        return judge(answer.status, answer.headers, said, self._clock.now(), self._settings.ok)

    def rehearse(self, delivery: sdk.Delivery, word: str) -> sdk.Answer:  # noqa: ARG002
        """What an answer such as `503` or `503: 60` would come to: for channel tests."""
        return rehearsed(word, lambda status, headers: judge(status, headers, "", self._clock.now(), self._settings.ok))

    def _headers(self, delivery: sdk.Delivery) -> str:
        content_type = self._settings.content_type or _CONTENT_TYPES[delivery.shape]
        lines = f"Content-Type: {content_type}\r\nIdempotency-Key: {delivery.id}\r\n{self._plain}"
        for name, secret in self._secrets.items():
            lines += f"{name}: {header_value(secret)}\r\n"
        if self._settings.auth is not None:
            lines += f"Authorization: {self._settings.auth.header()}\r\n"
        return lines

    def _no_answer(self, error: Exception) -> sdk.EngineError:
        where = f"{self._url.host} port {self._url.port}"
        match error:
            case TimeoutError():
                text = f"no answer from {self._url.host} within {self._settings.timeout:g} s"
                return sdk.Unavailable(text, code="timed-out")
            case ssl.SSLError():
                text = f"the certificate of {self._url.host} is not one to trust; have it renewed, or write its tls: ca"
                return sdk.NeedsOperator(text, code="tls-certificate", detail=str(error))
            case NoConnectionError():
                return sdk.Unreachable(f"no connection to {where}", code="no-connection", detail=str(error))
            case ConnectionLostError():
                return sdk.Unavailable(f"{where} closed the connection without an answer", code="connection-lost")
            case _:
                return sdk.Unavailable(f"{where} answered something that is not HTTP, or only half", code="not-http")

    async def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


plugin = sdk.destination("http_sender", HttpSender, settings=HttpSenderSettings, side_by_side=True)
