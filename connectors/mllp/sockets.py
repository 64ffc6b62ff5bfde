"""Socket options that find out when the other side is gone: a dead VPN leaves half-open connections for ever."""

import asyncio
import socket
from typing import Final

# Ask after a minute of silence, four times, 15 seconds apart; give up on unanswered data after a minute (milliseconds).
_OPTIONS: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 60_000))


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Set what this platform has of keep-alive and user time-out on the transport's socket."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS:
        if option := getattr(socket, name, None):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
