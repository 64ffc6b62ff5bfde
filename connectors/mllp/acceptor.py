"""The open port of a listener: takes connections, and says why one could not be made."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Final

from connectors.mllp.connection import Connection
from connectors.mllp.timing import within
from engine import sdk

_BACKLOG: Final = 512
_REST_SECONDS: Final = 1.0


class Acceptor:
    """Makes connections with what `invite` gives for a peer's address, TLS handshake included; a text is the code of
    why there is none for it.

    The handshakes are its own affair, not asyncio's: that one drops a connection whose handshake fails without a word,
    and a certificate that is not taken is the first thing that goes wrong between two hospitals.
    """

    def __init__(
        self,
        invite: Callable[[str], Connection | str],
        tls: ssl.SSLContext | None,
        patience_seconds: float,
        clock: sdk.Clock,
        log: sdk.Log,
    ) -> None:
        self._invite = invite
        self._tls = tls
        self._patience = patience_seconds
        self._clock = clock
        self._log = log
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._greetings: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int) -> int:
        """Listen; the port. Raises NeedsOperator if this user may not, Unavailable if the port is taken."""
        try:
            self._socket = await _listening(host, port)
        except OSError as error:
            raise _not_listening(error, host, port) from error
        self._socket.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(self._socket))
        bound: int = self._socket.getsockname()[1]
        return bound

    async def close(self) -> None:
        """Let go of the port and of connections that are not made yet. Safe twice and without `open`."""
        if self._socket is None or self._accepting is None:
            return
        self._accepting.cancel()
        await asyncio.gather(self._accepting, return_exceptions=True)
        self._socket.close()
        self._socket = None
        for greeting in self._greetings:
            greeting.cancel()
        await asyncio.gather(*self._greetings, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except OSError as error:  # no file descriptors left, or a peer that was gone already
                self._log.error("mllp_accept_failed", code=errno.errorcode.get(error.errno or 0, "unknown"))
                await self._clock.sleep(_REST_SECONDS)
                continue
            connection = self._invite(address[0])
            if isinstance(connection, str):
                self._log.warning("mllp_connection_refused", code=connection, peer=address[0])
                accepted.close()
                continue
            greeting = asyncio.create_task(self._greet(accepted, address[0], connection))
            self._greetings.add(greeting)
            greeting.add_done_callback(self._greetings.discard)

    async def _greet(self, accepted: socket.socket, peer: str, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        try:
            made = loop.connect_accepted_socket(lambda: connection, accepted, ssl=self._tls)
            await within(self._clock, self._patience, made)
        except TimeoutError:
            connection.unwanted()
            self._log.warning("mllp_connection_refused", code="tls-silence", peer=peer)
        except OSError as error:  # ssl.SSLError is one
            connection.unwanted()
            why = getattr(error, "reason", None) or type(error).__name__
            self._log.warning("mllp_connection_refused", code="tls-failed", peer=peer, reason=why)
        except asyncio.CancelledError:
            connection.unwanted()
            raise


async def _listening(host: str, port: int) -> socket.socket:
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
    )
    family, _, _, _, address = found[0]
    both = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=both)


def _not_listening(error: OSError, host: str, port: int) -> sdk.EngineError:
    if error.errno in (errno.EACCES, errno.EPERM):
        text = f"this user may not listen on port {port}; choose one above 1023, or let the user do it"
        return sdk.NeedsOperator(text, code="port-forbidden")
    if error.errno == errno.EADDRINUSE:
        text = f"port {port} on {host} is used by another program; stop that one, or choose another port"
        return sdk.Unavailable(text, code="port-in-use")
    text = f"cannot listen on {host}: it is no address of this machine; use one of its own, or 0.0.0.0 for all"
    return sdk.Unavailable(text, code="address-not-ours")
