"""Odd bytes at the listener and at the sender: no crash, nothing said of patients, nothing left behind.

`ISLET_FUZZ_FRAMES` sets how many blocks are sent (`benchmarks/soak` sends a million), `ISLET_FUZZ_SEED` which.
"""

import asyncio
import gc
import os
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

import psutil

from clinical.hl7v2 import parse_ack
from connectors.mllp.framing import Decoder
from connectors.mllp.listener import MllpListener
from connectors.mllp.settings import ListenerSettings
from engine import sdk
from engine.testing.fakes import ManualClock, plugin_context
from tests.integration.mllp.odd_bytes import changed, frames, pieces
from tests.integration.mllp.parties import CANARY, Post, block, let_run, oru

FRAMES = int(os.environ.get("ISLET_FUZZ_FRAMES", "4000"))
SEED = int(os.environ.get("ISLET_FUZZ_SEED", "20261120"))
AT_ONCE, EACH = 8, 10  # connections, and blocks on each
GROWTH_BYTES = 24_000_000


class WatchedLog:
    """Keeps nothing, and fails where something of a patient is written."""

    def debug(self, event: str, **fields: Any) -> None:
        assert CANARY not in repr(fields)

    info = warning = error = debug


async def settle_all(listener: MllpListener, chance: Random) -> None:
    """The engine's part: most messages are stored, some at the moment they come."""
    verdicts: list[sdk.Verdict] = [sdk.Accepted("x")] * 8
    verdicts += [sdk.Rejected("no", "it is wrong"), sdk.Deferred(1.0, "later")]

    def take(arrival: sdk.Arrival) -> bool:
        if taken := chance.random() < 0.5:
            arrival.settle(chance.choice(verdicts))
        return taken

    listener.hand_to(take)
    async for arrival in listener.deliveries():
        await arrival.settle(chance.choice(verdicts))


async def one_peer(port: int, seed: int) -> None:
    """Send odd bytes, in odd pieces, and hear what comes back to its end; or hang up in the middle."""
    chance = Random(seed)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = Decoder(1_000_000)
    with suppress(ConnectionError):
        for piece in pieces(chance, frames(chance, EACH)):
            writer.write(piece)
            await writer.drain()
        if chance.random() < 0.1:
            writer.transport.abort()
        elif writer.can_write_eof():
            writer.write_eof()
        while data := await reader.read(65536):
            heard.feed(data)
            while (answer := heard.take()) is not None:
                assert answer in (b"\x06", b"\x15") or parse_ack(answer).code in ("AA", "AE", "AR", "CA", "CE", "CR")
    assert heard.junk == 0
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def good_peer(port: int) -> None:
    """Whatever the others do, a message is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(block(oru("GOOD")))
    assert b"MSA|" in await reader.readuntil(b"|GOOD")
    writer.close()
    await writer.wait_closed()


def sockets_and_bytes() -> tuple[int, int]:
    gc.collect()
    process = psutil.Process()
    return process.num_fds(), process.memory_info().rss


async def test_odd_bytes_neither_stop_the_listener_nor_stay_in_it() -> None:
    clock = ManualClock()
    settings = ListenerSettings.model_validate(
        {
            "port": 0,
            "accepts": ["ORU"],
            "max_size": "20 kB",
            "at_once": 5,
            "acknowledge": "as_asked",
            "commit_bytes": True,
        }
    )
    listener = MllpListener(settings, plugin_context(clock=clock, log=WatchedLog()))
    running = asyncio.create_task(settle_all(listener, Random(SEED)))
    await listener.listening.wait()
    rounds = max(4, FRAMES // (AT_ONCE * EACH))
    before = 0, 0
    for number in range(rounds):
        seeds = (SEED + number * AT_ONCE + place for place in range(AT_ONCE))
        peers = asyncio.gather(good_peer(listener.port), *(one_peer(listener.port, seed) for seed in seeds))
        while not peers.done():
            await let_run()
            await clock.advance(0.5)
        await peers
        if number == rounds // 4:
            before = sockets_and_bytes()
    await clock.advance(100)
    assert not listener._connections
    assert (listener._unsettled, listener._unsettled_bytes, len(listener._waiting)) == (0, 0, 0)
    sockets, memory = sockets_and_bytes()
    assert sockets <= before[0]
    assert memory - before[1] < GROWTH_BYTES
    await listener.close()
    await running


async def test_odd_answers_give_the_sender_an_error_word_or_an_answer_and_never_another_messages() -> None:
    chance = Random(SEED)

    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                message = await reader.readuntil(b"\x1c\r")
                control_id = message.split(b"|")[9]
                reply = b"MSH|^~\\&|||||||ACK|1|P|2.5.1\rMSA|%b|%b\r" % (chance.choice([b"AA", b"AE"]), control_id)
                writer.write(changed(chance, block(changed(chance, reply))))
                if chance.random() < 0.3:
                    break
        writer.close()

    server = await asyncio.start_server(odd, "127.0.0.1", 0)
    ended = Counter[str]()
    async with server, Post(server.sockets[0].getsockname()[1], window=4, wait_for_ack="1s") as post:

        async def send(number: int) -> None:
            try:
                answer = await post.send(f"M{number}")
            except sdk.EngineError as error:
                ended["canary" if CANARY in str(error) else "not"] += 1
            else:
                assert answer.location == f"M{number}"
                ended["delivered"] += 1

        for start in range(0, min(FRAMES // 10, 2000), 10):
            sends = asyncio.gather(*(send(start + place) for place in range(10)))
            while not sends.done():
                await let_run()
                await post.clock.advance(0.5)
            await sends
    assert ended["delivered"] > 20
    assert ended["not"] > 20
    assert ended["canary"] == 0
