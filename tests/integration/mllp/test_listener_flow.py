"""Back-pressure and closing: nothing beyond the bound, nothing lost, nothing promised that is not stored."""

import asyncio
import socket

import pytest

from connectors.mllp.listener import MllpListener
from connectors.mllp.settings import ListenerSettings
from engine import sdk
from engine.testing.fakes import ManualClock, plugin_context
from tests.integration.mllp.parties import Door, block, let_run, oru

STORED = sdk.Accepted("x")


async def test_no_more_messages_are_taken_than_may_be_unanswered() -> None:
    async with Door(verdict=None, at_once=5) as door:
        peer = await door.peer()
        await peer.send(b"".join(block(oru(f"M{number}")) for number in range(20)))
        for settled in range(15):
            arrivals = await door.arrivals(5 + settled)
            await let_run()
            assert len(door.taken) == 5 + settled
            await arrivals[settled].settle(STORED)
            assert (await peer.answer()).control_id == f"M{settled}"
        for arrival in (await door.arrivals(20))[15:]:
            await arrival.settle(STORED)
        assert [(await peer.answer()).control_id for _ in range(5)] == [f"M{number}" for number in range(15, 20)]


async def test_the_bound_holds_over_all_connections_and_none_is_forgotten() -> None:
    async with Door(verdict=None, at_once=7) as door:
        peers = [await door.peer() for _ in range(4)]
        for name, peer in enumerate(peers):
            await peer.send(b"".join(block(oru(f"{name}-{number}")) for number in range(10)))
        for settled in range(40):
            expected = min(40, 7 + settled)
            arrivals = await door.arrivals(expected)
            await let_run()
            assert len(door.taken) == expected
            await arrivals[settled].settle(STORED)
        for name, peer in enumerate(peers):
            heard = [(await peer.answer()).control_id for _ in range(10)]
            assert heard == [f"{name}-{number}" for number in range(10)]


async def test_no_more_bytes_are_taken_than_may_be_unanswered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.mllp.listener._HELD_BYTES", 25_000)
    async with Door(verdict=None, at_once=100) as door:
        peer = await door.peer()
        await peer.send(block(oru(extra="NTE|1||" + "x" * 10_000 + "\r")) * 6)
        for settled in range(6):
            arrivals = await door.arrivals(min(6, 3 + settled))
            await let_run()
            assert len(door.taken) == min(6, 3 + settled)
            await arrivals[settled].settle(STORED)


async def test_connections_that_wait_for_room_take_turns() -> None:
    async with Door(verdict=None, at_once=2) as door:
        greedy, modest = await door.peer(), await door.peer()
        await greedy.send(b"".join(block(oru(f"G{number}")) for number in range(50)))
        await door.arrivals(2)
        await modest.send(block(oru("MODEST")))
        await let_run()
        for settled in range(3):
            await (await door.arrivals(2 + settled))[settled].settle(STORED)
        await let_run()
        assert "MODEST" in [taken.arrival.meta["control_id"] for taken in door.taken]


@pytest.mark.parametrize("size", [10_000, 1_000_000], ids=["many small", "few large"])
async def test_a_sender_is_made_to_wait_rather_than_its_bytes_kept(size: int) -> None:
    count = 40_000_000 // size
    async with Door(verdict=None, at_once=1) as door:
        peer = await door.peer()
        content = oru(extra="NTE|1||" + "x" * size + "\r")
        sending: asyncio.Future[None] = asyncio.ensure_future(peer.send(block(content) * count))
        for settled in range(count):
            arrivals = await door.arrivals(settled + 1)
            if settled < 20:
                await let_run()
                assert not sending.done()  # what is left is more than the kernel keeps
            await arrivals[settled].settle(STORED)
        await sending
        assert [(await peer.answer()).code for _ in range(count)] == ["AA"] * count


async def test_waiting_for_room_is_no_silence_of_the_peer() -> None:
    async with Door(verdict=None, at_once=1) as door:
        peer = await door.peer()
        stream = block(oru("M1")) + block(oru("M2"))
        await peer.send(stream[:-20])
        [first] = await door.arrivals(1)
        await let_run()
        await door.clock.advance(100)
        await peer.send(stream[-20:])
        await first.settle(STORED)
        await (await door.arrivals(2))[1].settle(STORED)
        assert [(await peer.answer()).control_id for _ in range(2)] == ["M1", "M2"]


async def test_closing_lets_go_of_the_port_and_of_idle_connections_at_once() -> None:
    async with Door() as door:
        idle, fresh = await door.peer(), await door.peer()
        await idle.ask(oru("M1"))
        await door.listener.close()
        assert await idle.rest() == b""
        assert await fresh.rest() == b""
        with pytest.raises(ConnectionError):
            await door.peer()
    assert door.ended


async def test_after_closing_what_was_yielded_is_still_answered_and_nothing_more_is_read() -> None:
    async with Door(verdict=None) as door:
        peer = await door.peer()
        await peer.send(block(oru("M1")) + block(oru("M2")))
        first, second = await door.arrivals(2)
        await door.listener.close()
        await peer.send(block(oru("M3")))
        await let_run()
        await second.settle(STORED)
        await first.settle(STORED)
        received = await peer.rest()
        assert received.index(b"MSA|AA|M1") < received.index(b"MSA|AA|M2")
        assert b"M3" not in received
        assert len(door.taken) == 2


async def test_after_closing_what_was_not_yielded_gets_no_answer() -> None:
    listener = MllpListener(ListenerSettings(port=0), plugin_context())
    deliveries = listener.deliveries()
    waiting = asyncio.ensure_future(anext(deliveries))
    await listener.listening.wait()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"".join(block(oru(f"M{number}")) for number in range(3)))
    first = await waiting
    await listener.close()
    await first.settle(STORED)
    assert [arrival async for arrival in deliveries] == []
    received = await reader.read()
    assert b"MSA|AA|M0" in received
    assert received.count(b"\x0b") == 1
    writer.close()
    await writer.wait_closed()


async def test_a_message_that_is_never_settled_does_not_keep_its_connection_for_ever() -> None:
    async with Door(verdict=None) as door:
        peer = await door.peer()
        await peer.send(block(oru("M1")))
        await door.arrivals(1)
        await door.listener.close()
        await door.clock.advance(70)
        assert await peer.rest() == b""
        assert door.codes() == ["not-settled"]


async def test_a_peer_that_stays_after_the_end_is_hung_up_on() -> None:
    async with Door(verdict=None) as door:
        peer = await door.peer()
        await peer.send(block(oru("M1")))
        [arrival] = await door.arrivals(1)
        await door.listener.close()
        await arrival.settle(STORED)
        assert (await peer.answer()).control_id == "M1"
        assert await peer.rest() == b""  # the other side has said that it is done
        assert len(door.listener._connections) == 1
        await door.clock.advance(4)
        await let_run()
        assert len(door.listener._connections) == 0


async def test_closing_does_not_wait_for_ever_for_a_peer_that_does_not_read_its_answers() -> None:
    async with Door() as door:
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(peer, ("127.0.0.1", door.listener.port))
            count, waiting = 0, 0
            while not waiting:  # until the sockets hold no more
                count += 1
                await loop.sock_sendall(peer, block(oru(f"M{count}", sender="G" * 60_000 + "|STM")))
                await door.arrivals(count)
                await let_run()
                [connection] = door.listener._connections
                assert connection._transport is not None
                waiting = connection._transport.get_write_buffer_size()
            await door.listener.close()
            assert door.listener._connections
            await door.clock.advance(10)
            await let_run()
            assert not door.listener._connections


async def test_closing_works_without_opening_and_twice() -> None:
    listener = MllpListener(ListenerSettings(port=0), plugin_context())
    await listener.close()
    await listener.close()
    assert [arrival async for arrival in listener.deliveries()] == []


async def test_a_cancelled_engine_settles_nothing_and_the_port_is_free_again() -> None:
    clock = ManualClock()
    listener = MllpListener(ListenerSettings(port=0), plugin_context(clock=clock))

    async def engine() -> None:
        async for arrival in listener.deliveries():
            taken.set_result(arrival)

    taken: asyncio.Future[sdk.Arrival] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(engine())
    await listener.listening.wait()
    port = listener.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(block(oru("M1")))
    await taken
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port)
    await clock.advance(70)
    with pytest.raises(asyncio.IncompleteReadError):
        await reader.readexactly(1)
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_a_sender_that_repeats_at_once_what_cannot_be_stored_is_read_more_slowly() -> None:
    stored = [False]
    async with Door(lambda _: STORED if stored[0] else sdk.Deferred(5.0, "disk full")) as door:
        peer, other = await door.peer(), await door.peer()
        for _ in range(3):
            assert (await peer.ask(oru("M1"))).code == "AR"
        await peer.send(block(oru("M1")))
        assert (await other.ask(oru("OTHER"))).code == "AR"  # the count is each connection's own
        await let_run()
        assert len(door.taken) == 4
        await door.clock.advance(6)
        assert (await peer.answer()).code == "AR"
        stored[0] = True
        await peer.send(block(oru("M1")))
        await let_run()
        assert len(door.taken) == 5
        await door.clock.advance(6)
        for _ in range(9):
            assert (await peer.answer()).code == "AA"
            await peer.send(block(oru("M1")))
        assert (await peer.answer()).code == "AA"
