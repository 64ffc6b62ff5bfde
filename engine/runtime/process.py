"""Process: filter and steps of one channel, and the outcome in one transaction. The second module of the data path.

    ticket ─► load ─ filter ─► transform steps ─► stateful steps ─► outcome, keys, children, deliveries (commit)
           ─► tickets for what comes next ─► acknowledge the lease

In the order of its queue, so that what belongs together stays in order: the tickets of a lane that are there make one
batch, the next is begun when its outcomes are committed. The two lanes take turns, live first (`runtime.turns`), and
never work at once. With `wait_for_order` messages wait for earlier ones of their lane first (`runtime.waiting`).
Leases are acknowledged only after the commit (law 2); a step that cannot go on now is tried again in place.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any

from engine.config.plan import ChannelPlan
from engine.contracts.broker import Lease, Ticket
from engine.contracts.journal import OutcomeTransaction, ProcessOutcome
from engine.model.errors import Throttled, Unavailable
from engine.model.lane import Lane
from engine.model.message import Message
from engine.model.retry import RetryPolicy
from engine.model.share import WHOLE, Share
from engine.runtime import decide
from engine.runtime.handfuls import handfuls
from engine.runtime.outbox import TICKET_SIZE, in_flight
from engine.runtime.parts import Part, Role, ended_by_itself, fed_by, queues_of
from engine.runtime.tools import Tools
from engine.runtime.turns import Turns
from engine.runtime.waiting import Stay, WaitingRoom, batches

_PREFETCH = 64
_ROOM = 2000  # tickets in hand where messages wait for others
_AT_ONCE = 64
_TURN = {Lane.LIVE: TICKET_SIZE, Lane.BATCH: 10}  # messages; what is live waits for no more than these ten
_MOST_BYTES = 2_000_000  # of bodies worked on at once; what steps make of them can be several times as large
_TRIES = 3  # of a step that failed in a way we do not know
_AWAY = RetryPolicy(first_wait_seconds=0.5, longest_wait_seconds=30.0)


class Process:
    """Works through a share of one channel's messages until stopped."""

    def __init__(
        self, plan: ChannelPlan, tools: Tools, share: Share = WHOLE, may_work: Callable[[], bool] = lambda: True
    ) -> None:
        """`may_work`: is the share still ours? If not, nothing more is begun; the lease's keeper ends this soon."""
        self._may_work = may_work
        self._plan = plan
        self._tools = tools
        self._part = Part(Role.PROCESS, plan.name, None, share)
        self._turns = Turns()
        self._began = tools.clock.now(), tools.clock.monotonic()
        self._stateful = decide.needs_transaction(plan)

    async def run(self) -> None:
        """Raises NeedsOperator when a step asks for a person: the channel is paused then."""
        try:
            async with asyncio.TaskGroup() as group:
                for part in map(self._part.in_lane, Lane):
                    group.create_task(self._without_end(part), name=part.queue)
        except BaseExceptionGroup as raised:
            raise raised.exceptions[0] from None

    async def _without_end(self, part: Part) -> None:
        await self._run(part)
        raise ended_by_itself(part.queue)

    async def _run(self, part: Part) -> None:
        """One lane of the part, until cancelled."""
        wait = self._plan.order_wait_seconds
        leases = self._tools.broker.consume(part.queue, _ROOM if wait else _PREFETCH)
        async with aclosing(leases) as stream:  # type: ignore[type-var]
            if wait:
                room = WaitingRoom(wait, _ROOM - _PREFETCH)
                await self._take_over(part, lambda found: self._seat(part, found, room))
                await self._by_way_of(part, room, stream)
                return
            await self._take_over(part, lambda found: self._work(part, [found]))
            async with aclosing(handfuls(stream, _PREFETCH)) as hands:
                async for hand in hands:
                    await self._until_done(lambda at=hand: self._work(part, at))  # type: ignore[misc]

    async def _take_over(self, part: Part, work: Callable[[Lease], Awaitable[None]]) -> None:
        """What another engine had under way here goes first, in its order; it may not have published its tickets for
        what it has done already. That is looked up after what it has not: it may do something in between."""
        after = ""
        while self._tools.leases.shared:
            ids = await in_flight(part, self._tools.journal.queries, after, TICKET_SIZE)
            if not after:
                for onward in queues_of(self._plan, self._tools.partitions):
                    if onward.role is Role.DISPATCH:
                        await self._tools.outbox.fill(onward)
            if not ids:
                return
            found = _Found(Ticket(tuple(ids)))
            await self._until_done(lambda at=found: work(at))  # type: ignore[misc]
            after = ids[-1]

    async def idle(self) -> None:
        """Return between two tickets, or while one waits to be tried again, and keep the next from being worked on: a
        moment at which to cancel `run`."""
        await self._turns.take(Lane.LIVE)

    async def _by_way_of(self, part: Part, room: WaitingRoom, stream: AsyncIterator[Lease]) -> None:
        """As they leave the room instead of as they come."""
        coming: asyncio.Future[Lease | None] = asyncio.ensure_future(anext(stream, None))
        timer: asyncio.Future[None] | None = None
        try:
            while True:
                for some in batches(room.take(self._steady_now()), min(_AT_ONCE, _TURN[part.lane])):
                    await self._until_done(lambda at=some: self._work_off(part, at))  # type: ignore[misc]
                seconds = room.seconds_to_wait(self._steady_now())
                timer = None if seconds is None else asyncio.ensure_future(self._tools.clock.sleep(seconds))
                for_these: list[asyncio.Future[Any]] = [coming] if timer is None else [coming, timer]
                await asyncio.wait(for_these, return_when=asyncio.FIRST_COMPLETED)
                if timer is not None:
                    timer.cancel()
                if coming.done():
                    lease = coming.result()
                    if lease is None:
                        return
                    await self._seat(part, lease, room)
                    coming = asyncio.ensure_future(anext(stream, None))
        finally:
            unfinished: list[asyncio.Future[Any]] = [coming] if timer is None else [coming, timer]
            for one in unfinished:
                one.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)  # the stream can be closed only then

    def _steady_now(self) -> datetime:
        """The time as it would be if nobody had set the clock since we began: a wait is as long as it was meant."""
        began, at = self._began
        return began + timedelta(seconds=self._tools.clock.monotonic() - at)

    async def _seat(self, part: Part, lease: Lease, room: WaitingRoom) -> None:
        queries, messages = self._tools.journal.queries, list[Message]()
        for ids in await queries.portions(await self._due(part, lease.ticket.ids), _MOST_BYTES):
            messages += [message.but(body=b"") for message in await queries.pending(ids)]  # only their places wait here
        if not messages:
            await lease.ack()
        stay, now = Stay(lease, len(messages)), self._steady_now()
        for message in messages:
            if (before := room.enter(message, stay, now)) is not None:
                await before.leave()

    async def _work_off(self, part: Part, leaving: Sequence[tuple[Message, Stay]]) -> None:
        """In the order in which they leave; what has been dealt with meanwhile is not looked at again."""
        place = {message.id: number for number, (message, _) in enumerate(leaving)}
        async with self._turns.of(part.lane):
            for ids in await self._tools.journal.queries.portions(list(place), _MOST_BYTES):
                if pending := await self._tools.journal.queries.pending(ids):
                    await self._work_on(sorted(pending, key=lambda message: place[message.id]))
        for _, stay in leaving:
            await stay.leave()

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        attempt = 1
        while True:
            try:
                await work()
            except (Unavailable, Throttled) as error:
                wait = _AWAY.wait_after(min(attempt, 9), self._tools.random()) or 30.0
                if isinstance(error, Throttled):
                    wait = error.after_seconds
                self._tools.log.warning(
                    "process_waits", channel=self._plan.name, code=error.code, attempt=attempt, seconds=round(wait, 1)
                )
                await self._tools.clock.sleep(wait)
                attempt += 1
            else:
                return

    async def _work(self, part: Part, leases: Sequence[Lease]) -> None:
        named = [id_ for lease in leases for id_ in lease.ticket.ids]
        queries = self._tools.journal.queries
        for some in batches(await self._due(part, named), _TURN[part.lane]):
            for ids in await queries.portions(some, _MOST_BYTES):
                async with self._turns.of(part.lane):
                    if not self._may_work():
                        raise Unavailable("another engine may have this part of the work now", code="part-lost")
                    messages = await queries.pending(ids)
                    if len(messages) < len(ids):
                        self._has_company()
                    if messages:
                        await self._work_on(messages)
                    del messages  # large ones are not kept while the next are read
        for lease in leases:
            await lease.ack()

    async def _due(self, part: Part, ids: Sequence[str]) -> Sequence[str]:
        """These; among engines that share, whatever of our lane is in flight up to the newest of them, since older
        tickets may have been lost on their way."""
        if not self._tools.leases.shared:
            return ids
        newest, after, due = max(ids), "", list[str]()
        while found := await in_flight(part, self._tools.journal.queries, after, TICKET_SIZE):
            some = [id_ for id_ in found if id_ <= newest]
            due += some
            if len(some) < TICKET_SIZE:
                break
            after = some[-1]
        return due

    async def _work_on(self, messages: Sequence[Message]) -> None:
        try:
            outcomes, committed = await self._commit(messages)
        except Unavailable:  # which may have come after the commit: then nobody else would make tickets
            self._tools.outbox.doubt(fed_by(self._plan, self._tools.partitions))
            raise
        self._count(outcomes, committed)
        if len(committed) < len(messages):
            self._has_company()
        await self._tools.outbox.hand_on(decide.ids_by_queue(self._plan, outcomes, committed, self._tools.partitions))

    def _has_company(self) -> None:
        """Another engine, which slept while its lease ran out, has committed what we were about to, or we have without
        having heard of it: tickets for that are missing, or come after ours for what is newer."""
        if self._tools.leases.shared:
            self._tools.outbox.doubt(fed_by(self._plan, self._tools.partitions))

    async def _commit(self, messages: Sequence[Message]) -> tuple[Sequence[ProcessOutcome], Sequence[str]]:
        writer = self._tools.journal.writer
        if not self._stateful:
            outcomes = [await self._outcome(message, None) for message in messages]
            return outcomes, await writer.commit_outcomes(outcomes)
        async with writer.transaction() as tx:
            ours = await tx.lock([message.id for message in messages])
            messages = [message for message in messages if message.id in ours]
            made = await self._outcomes_in(messages, tx)
            return made, await tx.commit_outcomes(made)

    async def _outcomes_in(self, messages: Sequence[Message], tx: OutcomeTransaction) -> Sequence[ProcessOutcome]:
        """Together where a step can do so."""
        if not decide.takes_several(self._plan):
            return [await self._outcome_in(message, tx) for message in messages]
        made: list[ProcessOutcome] = []
        for some in decide.at_once(self._plan, messages):
            made += await self._outcomes_together(some, tx)
        return made

    async def _outcomes_together(self, messages: Sequence[Message], tx: OutcomeTransaction) -> Sequence[ProcessOutcome]:
        """One by one if it fails together, so that each message fails by itself."""
        if len(messages) > 1:
            try:
                async with tx.savepoint():
                    passed = await decide.run_together(self._plan, messages, tx)
                now = self._tools.clock.now()
                return [decide.outcome_of(self._plan, m, p, now) for m, p in zip(messages, passed, strict=True)]
            except Exception as raised:
                if decide.stops_the_channel(raised):
                    raise
                self._tools.log.info("process_one_by_one", channel=self._plan.name)
        return [await self._outcome_in(message, tx) for message in messages]

    async def _outcome_in(self, message: Message, tx: OutcomeTransaction) -> ProcessOutcome:
        """As `_outcome`, with what the steps wrote undone if one of them fails."""
        try:
            async with tx.savepoint():
                return await self._tried(message, tx)
        except _GivenUp as given_up:
            return given_up.outcome

    async def _outcome(self, message: Message, tx: OutcomeTransaction | None) -> ProcessOutcome:
        try:
            return await self._tried(message, tx)
        except _GivenUp as given_up:
            return given_up.outcome

    async def _tried(self, message: Message, tx: OutcomeTransaction | None) -> ProcessOutcome:
        for attempt in range(1, _TRIES + 1):
            try:
                passed = await decide.run_steps(self._plan, message, tx)
            except Exception as raised:
                if decide.stops_the_channel(raised):
                    raise
                error = decide.as_engine_error(raised)
                if error is raised or attempt == _TRIES or tx is not None:
                    outcome = decide.failed_outcome(self._plan, message, error, attempt)
                    raise _GivenUp(outcome) from raised
            else:
                return decide.outcome_of(self._plan, message, passed, self._tools.clock.now())
        raise AssertionError("the loop returns or raises")

    def _count(self, outcomes: Sequence[ProcessOutcome], committed: Sequence[str]) -> None:
        done = set(committed)
        for outcome in outcomes:
            if outcome.message_id in done:
                self._tools.meters.add(self._plan.name, outcome.state)
                for child in outcome.children:
                    if child.failure is not None:
                        self._tools.meters.add(self._plan.name, child.state)
                for word, count in outcome.tally.items():
                    self._tools.meters.add(self._plan.name, f"tally-{word}", count)


class _Found:
    """A ticket that came out of the journal; nobody else knows of it."""

    redelivered = True
    after_gap = False

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket

    async def ack(self) -> None:
        """The journal has the outcome."""

    async def return_(self) -> None:
        """The journal has the message."""


class _GivenUp(Exception):
    """Carries the outcome of a message that failed out of its savepoint."""

    def __init__(self, outcome: ProcessOutcome) -> None:
        super().__init__()
        self.outcome = outcome
