"""As much of an HTTP/1.1 client as a destination needs: one request, one whole answer, over kept-alive connections.

Built on httptools' parser. It follows no redirects, keeps no cookies, asks for no compression, and repeats nothing:
the engine does that, by its own rules. RFC 9112.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from multidict import CIMultiDict
from yarl import URL

_BEGINNING_BYTES: Final = 4096
_BODY_BYTES: Final = 1_000_000
_HEAD_BYTES: Final = 65_536
_IDLE_SECONDS: Final = 15.0


class NoConnectionError(Exception):
    """The server could not be reached: nothing was sent."""


class ConnectionLostError(Exception):
    """The server went away without a word: it may have taken the request, or not."""


class NotHttpError(Exception):
    """What came back is not HTTP, or only the beginning of an answer."""


class HttpAnswer:
    """`beginning`: at most 4096 bytes of the body, as they came; empty if they are encoded (gzip and the like)."""

    __slots__ = ("_headers", "beginning", "status")

    def __init__(self, status: int, headers: Sequence[tuple[bytes, bytes]], beginning: bytes) -> None:
        self.status = status
        self._headers = headers
        encoded = any(name.lower() == b"content-encoding" for name, _ in headers)
        self.beginning = b"" if encoded else beginning

    @property
    def headers(self) -> Mapping[str, str]:
        """By name, in whatever letters."""
        return CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in self._headers)


class HttpClient:
    """Calls one address. For one event loop; calls may run side by side, each on a connection of its own.

    `server_name`: the name in the server's certificate, if it is not the address's host.
    """

    def __init__(
        self,
        url: URL,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        assert url.raw_host is not None
        assert url.port is not None
        self._address = url.raw_host, url.port
        self._tls = (tls or ssl.create_default_context()) if url.scheme == "https" else None
        self._server_name = server_name
        self._timeout = timeout_seconds
        self._idle: deque[_Connection] = deque()
        self._target = f"{url.raw_path_qs} HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\n"

    async def call(self, method: str, headers: str, body: bytes) -> HttpAnswer:
        """`headers`: lines `Name: value\\r\\n` (without Host and Content-Length), fit for the wire.

        Raises TimeoutError when the whole call takes too long, NoConnectionError, ssl.SSLCertVerificationError,
        ConnectionLostError, NotHttpError.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        connection = self._take_idle(loop.time()) or await self._connect(loop)
        head = f"{method} {self._target}{headers}Content-Length: {len(body)}\r\n\r\n".encode("latin-1")
        answer = await connection.call(head, body, deadline)
        if connection.reusable:
            connection.idle_since = loop.time()
            self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Let go of the connections that are kept alive."""
        while self._idle:
            self._idle.pop().end()

    def _take_idle(self, now: float) -> "_Connection | None":
        """The one used last, so that what is not needed any more grows old; the old are closed."""
        while self._idle and (not self._idle[0].reusable or now - self._idle[0].idle_since > _IDLE_SECONDS):
            self._idle.popleft().end()
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
        return None

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> "_Connection":
        name = (self._server_name or self._address[0]) if self._tls else None
        try:
            async with asyncio.timeout(self._timeout):
                _, connection = await loop.create_connection(
                    lambda: _Connection(loop), *self._address, ssl=self._tls, server_hostname=name
                )
        except (TimeoutError, ssl.SSLCertVerificationError):
            raise
        except OSError as error:
            raise NoConnectionError(str(error)) from error
        return connection


class _Connection(asyncio.Protocol):
    """One connection, one call at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.reusable = True
        self.idle_since = 0.0
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._future: asyncio.Future[HttpAnswer] | None = None
        self._parser = HttpResponseParser(self)
        self._begin()

    def _begin(self) -> None:
        self._heard = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._has_head = False
        self._body = bytearray()
        self._body_size = 0

    async def call(self, head: bytes, body: bytes, deadline: float) -> HttpAnswer:
        """One request and its answer. Whatever else happens ends the connection."""
        if self._transport is None:
            raise ConnectionLostError
        self._begin()
        future: asyncio.Future[HttpAnswer] = self._loop.create_future()
        self._future = future
        alarm = self._loop.call_at(deadline, self._fail, TimeoutError())
        if len(body) < _HEAD_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        try:
            return await future
        except BaseException:  # cancelled, too: its answer must not be taken for that of the next call
            self.end()
            raise
        finally:
            alarm.cancel()
            self._future = None

    def end(self) -> None:
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    # --- from the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        if self._future is None:
            self.end()  # nobody asked
            return
        self._heard += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._fail(NotHttpError())
        if not self._has_head and self._heard > _HEAD_BYTES:
            self._fail(NotHttpError())

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        self._transport = None
        if exc is None and self._has_head and not self._length_is_told():
            self._answered()  # an answer of unknown length ends with its connection
        self._fail(NotHttpError() if self._heard else ConnectionLostError())

    # --- from the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, data: bytes) -> None:
        self._body_size += len(data)
        if len(self._body) < _BEGINNING_BYTES:
            self._body += data[: _BEGINNING_BYTES - len(self._body)]
        if self._body_size > _BODY_BYTES:  # the status is what was asked for; nobody waits for the rest
            self._answered()
            self.end()

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # 1xx: the answer itself is still to come
            self._headers, self._has_head = [], False
            return
        unsent = self._transport is None or self._transport.get_write_buffer_size()
        if unsent or not self._parser.should_keep_alive() or self._future is None or self._future.done():
            self.end()
        self._answered()

    # --- the end of a call

    def _answered(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(HttpAnswer(self._parser.get_status_code(), self._headers, bytes(self._body)))

    def _fail(self, error: Exception) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_exception(error)

    def _length_is_told(self) -> bool:
        return any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._headers)
