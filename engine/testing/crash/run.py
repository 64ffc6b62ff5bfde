"""A whole run: load, faults at moments drawn from a seed, and the verdict."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.runtime.audit import Books
from engine.testing.crash.cluster import Cluster
from engine.testing.crash.faults import FAULTS
from engine.testing.crash.load import Named, Progress, Receiver, Sender

_DRAIN_SECONDS = 180.0
_NOT_HERE = ("held", "deferred", "in review", "filtered")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it. `wrong` is empty when nothing was lost, nothing happened twice and every order held."""

    seed: int
    acked: int
    requests: int
    faults: Counter[str]
    books: Books
    wrong: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashRun:
    """`faults`: how many, at moments drawn by counts of acknowledged messages; the load goes on until they are over.
    `messages`: at least so many. `kinds`: names of `FAULTS`."""

    messages: int
    seed: int
    faults: int
    kinds: Sequence[str] = tuple(FAULTS)
    patients: int = 200
    senders: int = 16
    longest_pause_seconds: float = 3.0
    tell: Callable[[str], None] = lambda _: None

    async def on(self, cluster: Cluster) -> Verdict:
        """Run it; the cluster is started and stopped by this."""
        chance = random.Random(self.seed)  # noqa: S311 - to be repeated
        receiver, progress = Receiver(chance), Progress()
        done: Counter[str] = Counter()
        async with receiver.running(), cluster.running(receiver.url):
            async with asyncio.TaskGroup() as group:
                harming = group.create_task(self._harm(cluster, chance, progress, done))
                senders = [
                    group.create_task(
                        Sender(cluster.port, progress).send(
                            range(number, self.patients, self.senders),
                            lambda: progress.acked < self.messages or not harming.done(),
                        )
                    )
                    for number in range(self.senders)
                ]
            books = await cluster.drained(_DRAIN_SECONDS)
        sent = [message for sender in senders for message in sender.result()]
        return Verdict(self.seed, len(sent), receiver.requests, done, books, tuple(_wrong(sent, receiver, books)))

    async def _harm(self, cluster: Cluster, chance: random.Random, progress: Progress, done: Counter[str]) -> None:
        moments = sorted(chance.sample(range(1, self.messages), self.faults))
        # Each kind comes before any comes again.
        rounds = -(-self.faults // len(self.kinds))
        drawn = [kind for _ in range(rounds) for kind in chance.sample(self.kinds, len(self.kinds))][: self.faults]
        for moment, kind in zip(moments, drawn, strict=True):
            await progress.reach(moment)
            self.tell(f"{progress.acked} acknowledged: {kind}")
            await FAULTS[kind](cluster, chance, self.longest_pause_seconds)
            done[kind] += 1


def _wrong(sent: Sequence[Named], receiver: Receiver, books: Books) -> list[str]:
    """Every message was acknowledged: so each must have come to exactly one end, and had exactly one effect."""
    wrong = list(books.problems)
    if books.copies["in flight"]:
        wrong.append(f"{books.copies['in flight']} copies are still in flight")
    wrong += [f"{books.copies[word]} copies are {word}" for word in _NOT_HERE if books.copies[word]]
    if books.copies["delivered"] != len(sent):
        wrong.append(f"{books.copies['delivered']} delivered of {len(sent)} acknowledged")
    lost = [message.control_id for message in sent if message not in receiver.keys]
    twice = [message.control_id for message in sent if len(receiver.keys.get(message, ())) > 1]
    for what, names in (("acknowledged and never sent on", lost), ("sent on under two keys", twice)):
        if names:
            wrong.append(f"{len(names)} {what}: {', '.join(names[:10])}")
    if receiver.out_of_order:
        names = [message.control_id for message in receiver.out_of_order]
        wrong.append(f"{len(names)} out of order: {', '.join(names[:10])}")
    return wrong
