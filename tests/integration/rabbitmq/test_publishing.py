"""What happens to tickets when RabbitMQ has no queue for them, says nothing, takes nothing, or has forgotten all."""

import asyncio
from collections.abc import Iterator

import aio_pika
import pytest

from engine.contracts.broker import Ticket
from engine.model.errors import Unavailable
from engine.testing.broker_kit import ids, leases_of, take, tickets
from engine.testing.services import PrivateRabbitMq
from tests.integration.rabbitmq.conftest import Cable, Open, until

QUEUE = "islet.kit"


@pytest.fixture
def short_of_memory(rabbitmq_server: PrivateRabbitMq) -> Iterator[PrivateRabbitMq]:
    """The memory alarm is on."""
    rabbitmq_server.control("set_vm_memory_high_watermark", "0")
    yield rabbitmq_server
    rabbitmq_server.control("set_vm_memory_high_watermark", "0.4")


async def test_a_ticket_for_which_there_is_no_queue_is_an_error_and_harms_no_other(
    shared_vhost: str, opened: Open
) -> None:
    broker = await opened(shared_vhost)
    with pytest.raises(Unavailable, match="no such queue") as caught:
        await broker.publish(QUEUE, tickets("a"))
    assert caught.value.code == "unroutable", "neither exchange nor queue are there"
    await broker.declare(QUEUE)
    with pytest.raises(Unavailable) as caught:
        await broker.publish("islet.nobody", tickets("a", "b"))
    assert caught.value.code == "unroutable"
    await broker.publish(QUEUE, tickets("c"))
    assert await broker.depth(QUEUE) == 1


async def test_a_queue_of_ours_that_somebody_deleted_is_declared_again_and_gets_the_tickets(
    shared_vhost: str, opened: Open
) -> None:
    broker = await opened(shared_vhost)
    await broker.declare(QUEUE)
    await broker.publish(QUEUE, tickets("a"))
    await broker.delete(QUEUE)
    await broker.publish(QUEUE, tickets("b", "c"))
    async with leases_of(broker) as leases:
        assert ids(await take(leases, 2)) == ["b", "c"]


async def test_a_queue_that_lost_its_binding_gets_it_back(shared_vhost: str, namespace: str, opened: Open) -> None:
    broker = await opened(shared_vhost)
    await broker.declare(QUEUE)
    async with await aio_pika.connect(shared_vhost) as connection, connection.channel() as channel:
        await channel.exchange_delete(namespace)
    await broker.publish(QUEUE, tickets("a"))
    assert await broker.depth(QUEUE) == 1


async def test_confirms_that_do_not_come_are_an_error_in_time_and_nobody_waits_for_the_next(
    shared_vhost: str, opened: Open, cable: Cable
) -> None:
    broker = await opened(await cable.lay(), publish_timeout_seconds=0.5)
    await broker.declare(QUEUE)
    cable.deaf()
    with pytest.raises(Unavailable, match="not known") as caught:
        await broker.publish(QUEUE, tickets("a"))
    assert caught.value.code == "broker-silent"
    async with asyncio.timeout(0.4):
        with pytest.raises(Unavailable):
            await broker.publish(QUEUE, tickets("b"))
    assert broker.trouble is not None
    cable.cut()

    async def is_well() -> bool:
        return broker.trouble is None

    await until(is_well)
    await broker.publish(QUEUE, tickets("c"))
    async with leases_of(broker) as leases:
        taken = ids(await take(leases, await broker.depth(QUEUE)))
    assert taken in (["a", "c"], ["c"]), "whether the first is there is not known; the second never left"


async def test_a_line_that_is_cut_while_tickets_are_on_the_way_is_an_error_and_not_a_cancellation(
    shared_vhost: str, opened: Open, cable: Cable
) -> None:
    broker = await opened(await cable.lay())
    await broker.declare(QUEUE)
    cable.deaf()
    publishing = asyncio.create_task(broker.publish(QUEUE, tickets("a")))
    await asyncio.sleep(0)
    cable.cut()
    with pytest.raises(Unavailable):
        await publishing


async def test_a_broker_short_of_memory_takes_nothing_says_so_and_goes_on_by_itself(
    shared_vhost: str, opened: Open, short_of_memory: PrivateRabbitMq
) -> None:
    broker = await opened(shared_vhost, publish_timeout_seconds=1.0)
    await broker.declare(QUEUE)
    with pytest.raises(Unavailable, match="memory"):
        await broker.publish(QUEUE, tickets("a"))
    assert broker.trouble is not None
    assert broker.trouble.code == "broker-blocked"
    async with asyncio.timeout(0.5):
        with pytest.raises(Unavailable):
            await broker.publish(QUEUE, tickets("b"))
    await asyncio.to_thread(short_of_memory.control, "set_vm_memory_high_watermark", "0.4")

    async def is_well() -> bool:
        return broker.trouble is None

    await until(is_well)
    await broker.publish(QUEUE, tickets("c"))
    async with leases_of(broker) as leases:
        assert ids(await take(leases, await broker.depth(QUEUE)))[-1] == "c"


async def test_what_waits_is_worked_off_while_the_broker_is_short_of_memory(
    shared_vhost: str, opened: Open, rabbitmq_server: PrivateRabbitMq
) -> None:
    broker = await opened(shared_vhost, publish_timeout_seconds=0.5)
    await broker.declare(QUEUE)
    await broker.publish(QUEUE, tickets("a", "b", "c"))
    await asyncio.to_thread(rabbitmq_server.control, "set_vm_memory_high_watermark", "0")
    try:
        with pytest.raises(Unavailable):
            await broker.publish(QUEUE, tickets("d"))
        async with leases_of(broker, prefetch=1) as leases:
            for name in "abc":
                (lease,) = await take(leases, 1)
                assert lease.ticket.ids == (name,)
                await lease.ack()
    finally:
        await asyncio.to_thread(rabbitmq_server.control, "set_vm_memory_high_watermark", "0.4")


async def test_queues_that_the_broker_lost_while_it_was_away_are_there_again_when_it_is_back(
    shared_vhost: str, namespace: str, opened: Open, cable: Cable
) -> None:
    broker = await opened(await cable.lay())
    queues = [f"islet.kit.{number}" for number in range(5)]
    names = [queue.replace("islet", namespace) for queue in queues]
    for queue in queues:
        await broker.declare(queue)
    async with await aio_pika.connect(shared_vhost) as connection, connection.channel() as channel:
        for name in names:
            await channel.queue_delete(name)
        await channel.exchange_delete(namespace)
    cable.cut()
    async with await aio_pika.connect(shared_vhost) as connection:

        async def all_there() -> bool:
            async with connection.channel() as channel:
                try:
                    for name in names:
                        await channel.declare_queue(name, passive=True)
                except aio_pika.exceptions.ChannelNotFoundEntity:
                    return False
            return True

        await until(all_there)
    for queue in queues:
        await broker.publish(queue, tickets("a"))


async def test_nothing_but_ids_and_headers_is_in_an_amqp_message(
    shared_vhost: str, namespace: str, opened: Open
) -> None:
    broker = await opened(shared_vhost)
    await broker.declare(QUEUE)
    async with await aio_pika.connect(shared_vhost) as connection, connection.channel() as channel:
        spy = await channel.declare_queue(exclusive=True)
        await spy.bind(namespace, routing_key=f"{namespace}.kit")
        await broker.publish(QUEUE, [Ticket(("0193-a", "0193-b"), {"attempt": "1"})])
        message = await spy.get(no_ack=True)
        assert message is not None
        assert message.body == b"0193-a,0193-b"
        assert message.headers == {"attempt": "1"}
        assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
