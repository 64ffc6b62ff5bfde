"""What goes wrong: each fault is done to a cluster and undone again, except what was killed for good."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Mapping

from engine.testing.crash.cluster import Cluster

Fault = Callable[[Cluster, random.Random, float], Awaitable[None]]
"""`await fault(cluster, chance, longest_pause_seconds)`"""


async def kill_worker(cluster: Cluster, chance: random.Random, _pause: float) -> None:
    """The parent starts another one; its leases run out."""
    if workers := cluster.workers():
        cluster.signal_worker(chance.choice(workers), signal.SIGKILL)


async def stop_worker(cluster: Cluster, chance: random.Random, pause: float) -> None:
    """It sleeps, perhaps for longer than its leases last, and wakes up with what it had in hand."""
    if workers := cluster.workers():
        worker = chance.choice(workers)
        cluster.signal_worker(worker, signal.SIGSTOP)
        await asyncio.sleep(chance.uniform(0.2, pause))
        cluster.signal_worker(worker, signal.SIGCONT)


async def kill_broker(cluster: Cluster, _chance: random.Random, _pause: float) -> None:
    await asyncio.to_thread(cluster.rabbitmq.kill)
    await asyncio.to_thread(cluster.rabbitmq.start)


async def stop_broker(cluster: Cluster, chance: random.Random, pause: float) -> None:
    cluster.rabbitmq.pause()
    await asyncio.sleep(chance.uniform(0.2, pause))
    cluster.rabbitmq.go_on()


async def kill_database(cluster: Cluster, _chance: random.Random, _pause: float) -> None:
    await asyncio.to_thread(cluster.postgres.kill)
    await asyncio.to_thread(cluster.postgres.start)


async def stop_database(cluster: Cluster, chance: random.Random, pause: float) -> None:
    cluster.postgres.pause()
    await asyncio.sleep(chance.uniform(0.2, pause))
    cluster.postgres.go_on()


async def cut_database(cluster: Cluster, _chance: random.Random, _pause: float) -> None:
    await cluster.cut_database_connections()


async def cut_broker(cluster: Cluster, _chance: random.Random, _pause: float) -> None:
    await cluster.cut_broker_connections()


async def delete_queues(cluster: Cluster, _chance: random.Random, _pause: float) -> None:
    await cluster.delete_queues()


async def rebuild_queues(cluster: Cluster, _chance: random.Random, _pause: float) -> None:
    """All of them deleted, and filled by an operator with `islet queue rebuild` while the engines do the same."""
    await cluster.delete_queues()
    await cluster.rebuild_queues()


FAULTS: Mapping[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill_worker,
        stop_worker,
        kill_broker,
        stop_broker,
        kill_database,
        stop_database,
        cut_database,
        cut_broker,
        delete_queues,
        rebuild_queues,
    )
}
