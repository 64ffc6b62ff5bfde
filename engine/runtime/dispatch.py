"""Dispatch: from the queue of one destination out of the house. The third module of the data path.

    ticket ─► load ─► road (order per key) ─► breaker ─► destination.send ─► answer ─► outcome (commit) ─► lease

`at_once` workers share the road. A delivery is sent, its outcome committed, and only then may the next of its lane
go; what has become outdated by then is not sent (`runtime.outdated`). A lease is acknowledged when all its deliveries
are settled here (law 2). A delivery that is to be tried again waits in its lane with its due time in the journal, so a
restart knows it too.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

from engine.config.plan import DestinationPlan
from engine.contracts.journal import DeliveryOutcome, PendingDelivery
from engine.contracts.plugins import BatchDestination, Destination
from engine.model.breaker import Breaker
from engine.model.delivery import Delivery
from engine.model.errors import EngineError, NeedsOperator, Throttled, Unavailable
from engine.model.ids import millis_of
from engine.model.lane import Lane
from engine.model.message import REPLACES_EARLIER
from engine.model.outcome import Answer
from engine.model.share import WHOLE, Share
from engine.model.states import DeliveryState
from engine.runtime.batcher import Batcher
from engine.runtime.lanes import Waiting
from engine.runtime.outbox import TICKET_SIZE, in_flight
from engine.runtime.outdated import OUTDATED, outdated
from engine.runtime.parts import Part, Role, ended_by_itself
from engine.runtime.road import Road
from engine.runtime.tools import Tools
from engine.runtime.verdicts import Attempt, judge, unexpected

P = ParamSpec("P")
T = TypeVar("T")

_PREFETCH = 10  # tickets
_LONGEST_PATIENCE_SECONDS = 3600.0  # that a destination may ask for
_READ_BYTES = 4_000_000  # of bodies, at once
_ROAD_BYTES = 32_000_000  # of bodies of one lane that wait to be sent


class Dispatch:
    """Works through a share of one destination's deliveries until stopped."""

    def __init__(
        self,
        channel: str,
        plan: DestinationPlan,
        destination: Destination,
        tools: Tools,
        share: Share = WHOLE,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may_send`: is the share still ours? If not, nothing more is sent; the lease's keeper ends this soon."""
        self._may_send = may_send
        self._channel = channel
        self._part = Part(Role.DISPATCH, channel, plan, share)
        self._plan = plan
        self._destination = destination
        self._many = cast(BatchDestination, destination) if hasattr(destination, "batch_size") else None
        self._tools = tools
        self._road = Road(in_order=plan.in_order)
        self._breaker = Breaker(plan.breaker_failures, plan.breaker_rest_seconds)
        self._changed = asyncio.Event()
        self._shrunk = asyncio.Event()
        self._slots = asyncio.Semaphore(max(1, plan.at_once // share.of))
        self._outcomes: Batcher[DeliveryOutcome] = Batcher(self._commit)
        self._paused_until = 0.0
        self._finished_meanwhile: dict[Lane, set[str]] = {lane: set() for lane in Lane}
        self._unseen = set(Lane)
        """Lanes of which the journal has not said yet what is oldest. Until then nothing goes: what an earlier run had
        begun in one lane must not be overtaken from the other."""
        self._stopping = False
        self._needs_operator: NeedsOperator | None = None

    async def run(self) -> None:
        """Until `stop`. Raises NeedsOperator when the destination asks for a person; what was under way is finished."""
        await self._destination.open()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._outcomes.run())
                readers = [group.create_task(self._read(self._part.in_lane(lane))) for lane in Lane]
                async with asyncio.TaskGroup() as sends:
                    await self._pump(sends)
                await self._outcomes.end()
                for reader in readers:
                    reader.cancel()  # its unfinished leases go back
        finally:
            await self._destination.close()
        if self._needs_operator is not None:
            raise self._needs_operator

    def stop(self) -> None:
        """Take nothing more; what is under way is finished and committed, the rest goes back to the queue."""
        self._stopping = True
        self._changed.set()

    async def _read(self, part: Part) -> None:
        """One lane of the part."""
        await self._read_journal(part)
        async with aclosing(self._tools.broker.consume(part.queue, _PREFETCH)) as leases:  # type: ignore[type-var]
            async for lease in leases:
                if lease.after_gap:
                    await self._read_journal(part)
                await self._take_in(part.lane, lease.ticket.ids, lease.ack)
        raise ended_by_itself(part.queue)

    async def _read_journal(self, part: Part) -> None:
        """First everything that was in flight before, oldest first: what an earlier run knew of the order (a lane that
        did not fit, a delivery given back, a ticket that was lost) is in the journal, not in the tickets."""
        room = asyncio.Semaphore(_PREFETCH)

        async def finished() -> None:
            room.release()

        after = ""
        while True:
            await room.acquire()
            ids = await self._asked(in_flight, part, self._tools.journal.queries, after, TICKET_SIZE)
            if not ids:
                self._seen(part.lane)
                return
            await self._take_in(part.lane, ids, finished)
            after = ids[-1]

    async def _take_in(self, lane: Lane, ids: Sequence[str], finished: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Onto the road with what is in flight of these; `finished` runs when they need nothing more from us."""
        queries, meanwhile = self._tools.journal.queries, self._finished_meanwhile[lane]
        held = _Held(finished, self._outcomes)
        for some in await self._asked(queries.delivery_portions, ids, _READ_BYTES):
            await self._room_for_more(lane)
            meanwhile.clear()
            read = await self._asked(queries.pending_deliveries, some)
            # What was finished between the journal's answer and now is in flight only in that answer.
            pending = [item for item in read if item.delivery.id not in meanwhile]
            held.more(len(pending))
            for item in pending:
                self._road.add(Waiting(item, held.settled), self._not_before(item))
            self._seen(lane)
        held.settled()  # nothing more comes

    def _seen(self, lane: Lane) -> None:
        """The oldest of this lane is on the road, if there is any."""
        self._unseen.discard(lane)
        self._changed.set()

    async def _room_for_more(self, lane: Lane) -> None:
        """Until the road has room for more bodies of this lane. What waits for its next attempt takes room too, as it
        holds its ticket: a destination that is away costs a bounded memory."""
        while self._road.bytes_of(lane) >= _ROAD_BYTES:
            self._shrunk.clear()
            await self._shrunk.wait()

    async def _asked(self, question: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """The journal's answer, however long it takes."""
        while True:
            try:
                return await question(*args, **kwargs)
            except Unavailable as error:
                self._tools.log.warning("dispatch_waits", channel=self._channel, code=error.code)
                await self._tools.clock.sleep(1.0)

    def _not_before(self, item: PendingDelivery) -> float | None:
        """Monotonic time of its next attempt, if that is still to come; never further away than anybody would have
        asked to wait, since the wall clock may have jumped after its due time was written."""
        late = (item.due_at - self._tools.clock.now()) / timedelta(seconds=1) if item.due_at is not None else 0.0
        longest = max(_LONGEST_PATIENCE_SECONDS, self._plan.retry.longest_wait_seconds)
        return self._tools.clock.monotonic() + min(late, longest) if late > 0 else None

    async def _pump(self, sends: asyncio.TaskGroup) -> None:
        """Start a send whenever there is a free slot and something that may go."""
        most = self._many.batch_size if self._many else 1
        while not self._stopping:
            await self._slots.acquire()
            batch = await self._next(most)
            if not self._may_send():
                self.stop()
            elif batch:
                sends.create_task(self._deliver(batch))

    async def _next(self, most: int) -> list[Waiting]:
        """What goes next, when the breaker and the destination's patience allow it; [] when stopping."""
        while not self._stopping:
            self._changed.clear()
            now = self._tools.clock.monotonic()
            wait = max(self._paused_until - now, self._breaker.wait(now))
            if wait <= 0 and not self._unseen and (batch := self._road.take(most, now)):
                self._breaker.calling()
                return batch
            due = None if self._unseen else self._road.next_wake()
            if wait <= 0 and due is not None:
                wait = max(0.001, due - now)
            await self._until_changed(wait)
        return []

    async def _until_changed(self, wait: float) -> None:
        """Until something changed, or `wait` seconds have passed if that is more than nothing."""
        alarm = asyncio.create_task(self._alarm(wait)) if wait > 0 else None
        try:
            await self._changed.wait()
        finally:
            if alarm is not None:
                alarm.cancel()

    async def _alarm(self, seconds: float) -> None:
        await self._tools.clock.sleep(seconds)
        self._changed.set()

    async def _deliver(self, batch: Sequence[Waiting]) -> None:
        deliveries = [waiting.pending.delivery for waiting in batch]
        try:
            replacing = [one for one in deliveries if REPLACES_EARLIER in one.meta]
            late = await self._asked(outdated, replacing, self._tools.journal.queries) if replacing else set[str]()
            if not self._may_send():  # since the pump asked we may have slept, or waited for the journal's answer
                self.stop()
                return
            results = await self._send([one for one in deliveries if one.id not in late] if late else deliveries)
        except NeedsOperator as error:  # what is in hand is not settled: it comes again when the channel goes on
            self._needs_operator = error
            self.stop()
            return
        finally:
            self._slots.release()  # a slot is a call: committing its outcome holds up its lane only
        self._note(results)
        if late:
            self._tools.log.info("outdated_not_sent", channel=self._channel, count=len(late))
        answers = iter(results)
        self._settle(batch, [OUTDATED if one.id in late else next(answers) for one in deliveries])

    async def _send(self, deliveries: Sequence[Delivery]) -> Sequence[Answer | EngineError]:
        if not deliveries:
            return []
        try:
            if self._many:
                return await self._many.send_many(deliveries)
            return [await self._destination.send(deliveries[0])]
        except NeedsOperator:
            raise
        except EngineError as error:
            return [error] * len(deliveries)
        except Exception as error:  # noqa: BLE001 - an unknown failure is retried a bounded number of times
            trace = "".join(traceback.format_exception(error))[-4000:]
            return [unexpected(error, trace)] * len(deliveries)

    def _settle(self, batch: Sequence[Waiting], results: Sequence[Answer | EngineError]) -> None:
        """What has arrived is a fact, whoever sent it. A failure is for whoever has the part now: written by one who
        slept meanwhile, it could hold a delivery that the other has just sent."""
        now = self._tools.clock.monotonic()
        attempts = []
        both = zip(batch, results, strict=True)
        ours = [(one, result) for one, result in both if isinstance(result, Answer) or self._may_send()]
        if len(ours) < len(batch):
            self.stop()
        for waiting, result in ours:
            waiting.failures = 0 if isinstance(result, Answer) else waiting.failures + 1
            attempts.append(
                judge(
                    waiting.pending.delivery,
                    result,
                    self._plan.retry,
                    failures=waiting.failures,
                    now=self._tools.clock.now(),
                    chance=self._tools.random(),
                )
            )
        outcomes = [attempt.outcome for attempt in attempts]
        self._outcomes.add(outcomes, partial(self._committed, [one for one, _ in ours], attempts, now))

    def _committed(self, batch: Sequence[Waiting], attempts: Sequence[Attempt], now: float) -> None:
        """The journal knows how these attempts ended: their lanes go on, now or when the next attempt is due."""
        for waiting, attempt in zip(batch, attempts, strict=True):
            if attempt.wait_seconds is None:
                self._finished(waiting, attempt.outcome)
            else:
                waiting.pending = waiting.pending.after(attempt.outcome)
                self._road.rest(waiting, now + attempt.wait_seconds)
        self._changed.set()

    def _note(self, results: Sequence[Answer | EngineError]) -> None:
        """What one call says about the destination as a whole: a batch that fails is one failure."""
        now = self._tools.clock.monotonic()
        if not results:
            return self._breaker.spared()
        waits = [result.after_seconds for result in results if isinstance(result, Throttled)]
        if waits:
            self._paused_until = max(self._paused_until, now + max(waits))
        if all(isinstance(result, Unavailable) for result in results):
            self._breaker.failed(now)
        else:  # it answered: it is there, whatever it thinks of these messages
            self._breaker.succeeded()
        return None

    def _finished(self, waiting: Waiting, outcome: DeliveryOutcome) -> None:
        self._tools.meters.add(self._channel, outcome.state)
        if outcome.state is DeliveryState.SENT:
            arrived = millis_of(waiting.pending.delivery.origin_id) / 1000
            self._tools.meters.took(max(0.0, self._tools.clock.now().timestamp() - arrived))
        self._finished_meanwhile[waiting.lane].add(waiting.id)
        key = self._road.done(waiting)
        self._shrunk.set()
        if key is not None:
            self._outcomes.spawn(self._refill(waiting.lane, key, self._road.room_after(waiting)))

    async def _refill(self, lane: Lane, order_key: str, most: int) -> None:
        """More of this lane than fitted here: the journal has it."""
        key: str | None = order_key
        while key is not None:
            ask = self._tools.journal.queries.lane
            more = await self._asked(ask, self._channel, self._plan.name, key, most, lane)
            waits = [Waiting(item, lambda: None) for item in more]
            rest_until = self._not_before(more[0]) if more else None
            key = self._road.refill(lane, key, waits, rest_until, more_to_come=len(more) == most)
        self._changed.set()

    async def _commit(self, outcomes: Sequence[DeliveryOutcome]) -> None:
        """Until the journal has them: the effect has happened, so its outcome must not be lost while we live."""
        attempt = 1
        while True:
            try:
                return await self._tools.journal.writer.commit_deliveries(outcomes)
            except Unavailable as error:
                self._tools.log.warning("outcome_waits", channel=self._channel, code=error.code, count=len(outcomes))
                await self._tools.clock.sleep(min(30.0, 0.5 * 2 ** min(attempt, 6)))
                attempt += 1


class _Held:
    """What is taken in together, with the number of its deliveries that are not settled yet, and one for the intake."""

    def __init__(self, finished: Callable[[], Coroutine[Any, Any, None]], outcomes: "Batcher[DeliveryOutcome]") -> None:
        self._finished = finished
        self._open = 1
        self._outcomes = outcomes

    def more(self, deliveries: int) -> None:
        self._open += deliveries

    def settled(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._outcomes.spawn(self._finished())
