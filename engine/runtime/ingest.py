"""Ingest: from a source's door into the journal. The first of the three modules of the data path.

    source ─ accept ─► journal (commit) ─► settle the source (AA · 202 · cursor · file moved) ─► ticket

A source is settled with Accepted only after the commit (law 1). What arrives while a commit is under way shares the
next one. Room is taken before an arrival is (law 8).
"""

import asyncio
from collections.abc import Sequence

from engine.brokers.naming import process_queue
from engine.config.plan import ChannelPlan
from engine.contracts.journal import Receipt
from engine.contracts.plugins import Arrival, PromptSource, Source
from engine.model.errors import Unavailable
from engine.model.ids import new_id
from engine.model.lane import in_lane, lane_of
from engine.model.message import Message
from engine.model.outcome import Accepted, Deferred, Verdict
from engine.runtime.parts import entries_of, share_of
from engine.runtime.tools import Tools

_STORE_AWAY_SECONDS = 5.0


class Ingest:
    """Takes arrivals of one source into the journal until the source ends."""

    def __init__(self, plan: ChannelPlan, source: Source, tools: Tools) -> None:
        self._plan = plan
        self._source = source
        self._tools = tools
        self._room = plan.holds_up_to
        self._left = asyncio.Event()
        self._waiting: list[Arrival] = []
        self._arrived = asyncio.Event()
        self._ended = False

    async def run(self) -> None:
        """Until the source ends. Cancelled: nothing more is settled, and what was not comes again (law 3)."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._commit_loop(group))
            try:
                if isinstance(self._source, PromptSource):
                    self._source.hand_to(self._take)
                await self._take_all()
            finally:
                self._ended = True
                self._arrived.set()

    async def _take_all(self) -> None:
        arrivals = aiter(self._source.deliveries())
        while True:
            while not self._room:
                self._left.clear()
                await self._left.wait()
            self._room -= 1  # before there is an arrival to put there
            try:
                arrival = await anext(arrivals)
            except StopAsyncIteration:
                return
            self._waiting.append(arrival)
            self._arrived.set()

    def _take(self, arrival: Arrival) -> bool:
        """See `PromptSource`."""
        if not self._room or self._ended:
            return False
        self._room -= 1
        self._waiting.append(arrival)
        self._arrived.set()
        return True

    async def _commit_loop(self, group: asyncio.TaskGroup) -> None:
        while not (self._ended and not self._waiting):
            await self._arrived.wait()
            self._arrived.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                await self._commit(batch, group)

    async def _commit(self, batch: Sequence[Arrival], group: asyncio.TaskGroup) -> None:
        try:
            receipts = await self._tools.journal.writer.accept([self._message(arrival) for arrival in batch])
        except Unavailable as error:
            self._tools.log.error("store_unavailable", channel=self._plan.name, code=error.code, count=len(batch))
            self._tools.outbox.doubt(entries_of(self._plan.name, self._tools.partitions))
            for arrival in batch:
                await self._settle(
                    arrival, Deferred(_STORE_AWAY_SECONDS, "not stored: the journal is away; send again")
                )
            self._leave(batch)
        else:
            for arrival, receipt in zip(batch, receipts, strict=True):
                await self._settle(arrival, Accepted(receipt.id, receipt.duplicate_of is not None))
            group.create_task(self._hand_on(batch, receipts))  # the next commit does not wait for a broker's confirm

    def _message(self, arrival: Arrival) -> Message:
        id_ = new_id()
        return Message(
            id=id_,
            channel=self._plan.name,
            shape=arrival.shape,
            body=arrival.body,
            received_at=self._tools.clock.now(),
            origin_id=id_,
            tenant=self._plan.tenant,
            meta=in_lane(arrival.meta, self._plan.lane),
            source_key=arrival.source_key,
            order_key=arrival.order_key,
        )

    async def _settle(self, arrival: Arrival, verdict: Verdict) -> None:
        try:
            await arrival.settle(verdict)
        except Exception as error:  # noqa: BLE001 - a sender that went away re-sends, and is recognised then
            self._tools.log.warning("settle_failed", channel=self._plan.name, error_type=type(error).__name__)

    async def _hand_on(self, batch: Sequence[Arrival], receipts: Sequence[Receipt]) -> None:
        partitions, fresh = self._tools.partitions, 0
        work: dict[str, list[str]] = {}
        for arrival, receipt in zip(batch, receipts, strict=True):
            if receipt.duplicate_of is None:
                fresh += 1
                lane = lane_of(in_lane(arrival.meta, self._plan.lane))
                queue = process_queue(self._plan.name, share_of(arrival.order_key, receipt.id, partitions), lane)
                work.setdefault(queue, []).append(receipt.id)
        self._tools.meters.add(self._plan.name, "received", len(receipts))
        self._tools.meters.add(self._plan.name, "duplicate", len(receipts) - fresh)
        await self._tools.outbox.hand_on(work)
        self._leave(batch)

    def _leave(self, batch: Sequence[Arrival]) -> None:
        self._room += len(batch)
        self._left.set()
