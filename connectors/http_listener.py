"""`http_listener`: messages that others POST to us. The answer 202 is sent only when the journal has the message."""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Self

import orjson
from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError
from pydantic import Field, field_validator, model_validator

from connectors.http_security import Auth, is_this_machine
from connectors.tls import ServerTls
from engine import sdk

BodyShape = Literal["json", "fhir", "hl7v2", "csv", "xml", "bytes"]
"""What can come in from outside; `records` are made inside only."""

_CONTENT_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "json": ("application/json",),
    "fhir": ("application/fhir+json", "application/json"),
    "hl7v2": ("application/hl7-v2", "x-application/hl7-v2+er7", "text/plain"),
    "csv": ("text/csv",),
    "xml": ("application/xml", "text/xml"),
    "bytes": ("*/*",),
}
_KEY_LIMIT: Final = 255
_RETRY_SECONDS: Final = 5.0
_FLUSH_SECONDS: Final = 10.0
_LINGER_SECONDS: Final = 2.0

# aiohttp logs request lines that it cannot read: what a sender wrote there is not ours to log (law 9).
_SILENT: Final = logging.Logger("connectors.http_listener.aiohttp", level=logging.CRITICAL + 1)


class HttpListenerSettings(sdk.Settings):
    """Where to listen, what to take and from whom."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 is every network of this machine")
    port: int = Field(ge=0, le=65535, description="TCP port; 0 takes any free one")
    path: str = Field("/", pattern=r"^/[^?#\s]*$", description="The one path that takes messages")
    shape: BodyShape = Field("json", description="What the bodies are")
    content_types: tuple[str, ...] = Field((), description="Media types to take; by default those of the shape")
    auth: Auth | None = Field(None, description="What a sender must show")
    allow_anybody: bool = Field(False, description="Take messages from the network without auth")
    tls: ServerTls | None = None
    max_size: sdk.Size = Field(16_000_000, description="Longest body")
    receive_within: sdk.Duration = Field(30.0, description="How long a sender may take over one body")
    at_once: int = Field(256, ge=1, description="Messages taken but not yet answered; further senders wait")
    idempotency_header: str = Field("Idempotency-Key", description="Header that is equal on every re-send")
    order_key_header: str | None = Field(None, description="Header that names what must stay in order")

    @field_validator("content_types")
    @classmethod
    def _lower(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(media_type.lower() for media_type in value)

    @model_validator(mode="after")
    def _door_has_a_lock(self) -> Self:
        open_door = not is_this_machine(self.host) and self.auth is None and not (self.tls and self.tls.client_ca)
        if open_door and not self.allow_anybody:
            raise ValueError(
                f"host {self.host} takes messages from the network, and nobody has to show a token; "
                "write auth: {bearer: {secret: NAME}}, or allow_anybody: true if something in front of it asks"
            )
        return self

    def emitted_shape(self) -> sdk.Shape:
        """The shape of the messages, for type checks along the channel."""
        return sdk.Shape(self.shape)

    def claims(self) -> list[str]:
        """What no other channel may use at the same time."""
        return [f"tcp port {self.port}"] if self.port else []


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; its body is JSON."""

    status: int
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """The request is answered at the door, and nothing of it is stored."""

    def __init__(self, status: int, code: str, text: str, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.reply = Reply(status, {"code": code, "text": text}, named)
        self.code = code
        super().__init__(code)


def reply_to(verdict: sdk.Verdict) -> Reply:
    """A verdict in HTTP's words: 202 with the message's id, 422 or 503 with Retry-After."""
    match verdict:
        case sdk.Accepted(message_id, duplicate):
            return Reply(202, {"id": message_id, "duplicate": True} if duplicate else {"id": message_id})
        case sdk.Rejected(code, text):
            return Reply(422, {"code": code, "text": text})
        case sdk.Deferred(after_seconds, text):
            wait = max(1, math.ceil(after_seconds))
            return Reply(503, {"code": "try-again", "text": text}, {"Retry-After": str(wait)})


def check_head(settings: HttpListenerSettings, request: web.BaseRequest) -> None:
    """Refuse by what the head of a request says, before its body is read. Raises Refusal."""
    if request.path != settings.path:
        raise Refusal(404, "no-such-path", f"messages are taken at {settings.path} only")
    if settings.auth is not None and not settings.auth.permits(request.headers.get("Authorization")):
        scheme = "Bearer" if settings.auth.bearer else "Basic"
        raise Refusal(401, "unauthorised", "show the credentials agreed for this path", WWW_Authenticate=scheme)
    if request.method != "POST":
        raise Refusal(405, "method-not-allowed", "send messages with POST", Allow="POST")
    if request.content_length is not None and request.content_length > settings.max_size:
        raise _too_large(settings)
    _check_content_type(settings, request)


def _check_content_type(settings: HttpListenerSettings, request: web.BaseRequest) -> None:
    wanted = settings.content_types or _CONTENT_TYPES[settings.shape]
    if "*/*" not in wanted and request.content_type not in wanted:
        raise Refusal(415, "content-type", f"send it as {' or '.join(wanted)}", Accept=", ".join(wanted))
    if settings.shape in ("json", "fhir") and (request.charset or "utf-8").lower() not in ("utf-8", "us-ascii"):
        raise Refusal(415, "charset", "JSON is UTF-8 (RFC 8259 section 8.1); send it so")


def _too_large(settings: HttpListenerSettings) -> Refusal:
    return Refusal(413, "too-large", f"a body may have {settings.max_size} bytes at most", Connection="close")


class HttpListener:
    """Source: one POST is one message. See HttpListenerSettings.

    `port` is the bound port once `opened` is set, which the first step of `deliveries` does. At most `at_once`
    messages are in hand: a place is taken before a body is read, and who finds none waits (law 8).
    """

    def __init__(self, settings: HttpListenerSettings, context: sdk.PluginContext) -> None:
        self._settings = settings
        self._log = context.log
        self._shares_ports = context.shares_ports
        self._places = asyncio.Semaphore(settings.at_once)
        self._queue: asyncio.Queue[sdk.Arrival | None] = asyncio.Queue()
        self._patience: set[asyncio.Timeout] = set()
        self._runner: web.ServerRunner | None = None
        self._cleanup: asyncio.Task[None] | None = None
        self._unsettled = 0
        self._closing = False
        self.port = settings.port
        self.opened = asyncio.Event()

    async def deliveries(self) -> AsyncGenerator[sdk.Arrival, None]:
        """Raises Unavailable if the port is taken, NeedsOperator if a secret or certificate is missing."""
        if not self._closing:
            await self._open()
        while (arrival := await self._queue.get()) is not None:
            yield arrival

    async def _open(self) -> None:
        tls = self._settings.tls.context() if self._settings.tls else None
        if self._settings.auth:
            self._settings.auth.header()  # a missing secret is found now, not by the first sender
        server = web.Server(self._answer, access_log=None, logger=_SILENT, lingering_time=_LINGER_SECONDS)
        runner = web.ServerRunner(server, shutdown_timeout=_FLUSH_SECONDS)
        await runner.setup()
        site = web.TCPSite(
            runner, self._settings.host, self._settings.port, ssl_context=tls, reuse_port=self._shares_ports or None
        )
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            where = f"{self._settings.host} port {self._settings.port}"
            text = f"cannot listen on {where}: {error.strerror}; stop what uses it, or change host or port"
            raise sdk.Unavailable(text, code="cannot-listen") from error
        self._runner, self.port = runner, site.port
        self.opened.set()
        self._log.info("http-listening", port=self.port)

    async def close(self) -> None:
        """Stop listening. Senders whose message was not yielded yet are told to come again (503)."""
        if self._closing:
            return
        self._closing = True
        while not self._queue.empty():
            waiting = self._queue.get_nowait()
            assert waiting is not None  # only this method puts None
            await waiting.settle(_COME_AGAIN)
        self._queue.put_nowait(None)
        for patience in self._patience:
            if not patience.expired():
                patience.reschedule(0.0)
        if self._runner is not None:
            for site in self._runner.sites:
                await site.stop()
            self._cleanup = asyncio.create_task(self._runner.cleanup())
            await self._answered()

    async def _answered(self) -> None:
        """While closing: return only when the last answer is out, since the process may end right after."""
        if self._cleanup is not None and not self._unsettled:
            await asyncio.shield(self._cleanup)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        try:
            check_head(self._settings, request)
            reply = reply_to(await self._verdict(request))
        except Refusal as refusal:
            self._log.warning("http-refused", code=refusal.code, status=refusal.reply.status)
            reply = refusal.reply
        except sdk.NeedsOperator as error:
            self._log.error("http-cannot-check-auth", code=error.code)
            reply = reply_to(_COME_AGAIN)
        body = orjson.dumps(reply.body)
        return web.Response(status=reply.status, body=body, headers=reply.headers, content_type="application/json")

    async def _verdict(self, request: web.BaseRequest) -> sdk.Verdict:
        if self._closing:
            return _COME_AGAIN
        patience = asyncio.timeout(None)
        try:
            async with patience:
                self._patience.add(patience)
                async with self._places:
                    arrival, decided = self._arrival(request, await self._body(request, patience))
                    patience.reschedule(None)
                    self._patience.discard(patience)
                    self._unsettled += 1
                    self._queue.put_nowait(arrival)
                    return await decided
        except TimeoutError:
            if self._closing:
                return _COME_AGAIN
            raise Refusal(408, "too-slow", "the body did not come in time; send it again", Connection="close") from None
        finally:
            self._patience.discard(patience)

    async def _body(self, request: web.BaseRequest, patience: asyncio.Timeout) -> bytes:
        content = request.content
        if not content.is_eof():
            patience.reschedule(asyncio.get_running_loop().time() + self._settings.receive_within)
            await _invite(request)
        body = bytearray()
        try:
            while chunk := await content.readany():
                body += chunk
                if len(body) > self._settings.max_size:
                    raise _too_large(self._settings)
        except (ConnectionError, web.RequestPayloadError, ContentEncodingError):
            text = "the body ended early or cannot be unpacked; send it again"
            raise Refusal(400, "body-cut", text, Connection="close") from None
        return bytes(body)

    def _arrival(self, request: web.BaseRequest, body: bytes) -> tuple[sdk.Arrival, asyncio.Future[sdk.Verdict]]:
        decided: asyncio.Future[sdk.Verdict] = asyncio.get_running_loop().create_future()

        async def settle(verdict: sdk.Verdict) -> None:
            self._unsettled -= 1
            if not decided.done():  # nobody waits any more if the answer could not be given within _FLUSH_SECONDS
                decided.set_result(verdict)
            await self._answered()

        settings = self._settings
        arrival = sdk.Arrival(
            body=body,
            shape=settings.emitted_shape(),
            settle=settle,
            meta={"content_type": request.headers.get("Content-Type", "")},
            source_key=_key(request, settings.idempotency_header),
            order_key=_key(request, settings.order_key_header) if settings.order_key_header else None,
        )
        return arrival, decided


_COME_AGAIN: Final = sdk.Deferred(_RETRY_SECONDS, "this channel takes no messages now; send it again later")


def _key(request: web.BaseRequest, header: str) -> str | None:
    key = request.headers.get(header)
    if key is not None and len(key) > _KEY_LIMIT:
        raise Refusal(400, "key-too-long", f"header {header} may have {_KEY_LIMIT} characters at most")
    return key or None


async def _invite(request: web.BaseRequest) -> None:
    """Tell a sender that waits with its body for our consent to go on (RFC 9110 section 10.1.1)."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


plugin = sdk.source(
    "http_listener", HttpListener, settings=HttpListenerSettings, emits=sdk.Shape.JSON, side_by_side=True
)
