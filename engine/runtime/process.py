"""Process: filter and steps of one channel, and the outcome in one transaction. The second module of the data path.

    ticket ─► load ─ filter ─► transform steps ─► stateful steps ─► outcome, keys, children, deliveries (commit)
           ─► tickets for what comes next ─► acknowledge the lease

One ticket at a time, in the order of the queue, so that what belongs together stays in order. The lease is
acknowledged only after the commit (law 2); a step that cannot go on now is tried again in place.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing

from engine.config.plan import ChannelPlan
from engine.contracts.broker import Lease, Ticket
from engine.contracts.journal import OutcomeTransaction, ProcessOutcome
from engine.contracts.plugins import Transaction
from engine.model.errors import Throttled, Unavailable
from engine.model.message import Message
from engine.model.retry import RetryPolicy
from engine.model.share import WHOLE, Share
from engine.runtime import decide
from engine.runtime.outbox import TICKET_SIZE, in_flight
from engine.runtime.parts import Part, Role, work_of
from engine.runtime.tools import Tools

_PREFETCH = 4
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
        self._at_work = asyncio.Lock()
        self._stateful = decide.needs_transaction(plan)

    async def run(self) -> None:
        """Raises NeedsOperator when a step asks for a person: the channel is paused then."""
        if self._tools.leases.shared:
            await self._take_over()
        leases = self._tools.broker.consume(self._part.queue, _PREFETCH)
        async with aclosing(leases) as stream:  # type: ignore[type-var]
            async for lease in stream:
                await self._until_done(lease)

    async def _take_over(self) -> None:
        """What another engine had under way here goes first, in its order: deliveries whose tickets it may not have
        published, then its messages."""
        for part in work_of(self._plan, self._tools.partitions):
            if part.role is Role.DISPATCH:
                await self._tools.outbox.fill(part)
        after = ""
        while ids := await in_flight(self._part, self._tools.journal.queries, after, TICKET_SIZE):
            await self._until_done(_Found(Ticket(tuple(ids))))
            after = ids[-1]

    async def idle(self) -> None:
        """Return between two tickets, or while one waits to be tried again, and keep the next from being worked on: a
        moment at which to cancel `run`."""
        await self._at_work.acquire()

    async def _until_done(self, lease: Lease) -> None:
        attempt = 1
        while True:
            try:
                async with self._at_work:
                    await self._work(lease)
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

    async def _work(self, lease: Lease) -> None:
        if not self._may_work():
            raise Unavailable("another engine may have this part of the work now", code="part-lost")
        if self._tools.leases.shared:
            await self._work_off(lease.ticket.ids)
        else:
            await self._work_on(lease.ticket.ids)
        await lease.ack()

    async def _work_off(self, ids: Sequence[str]) -> None:
        """These, and first whatever of our share is older: its tickets may have been lost on the way here."""
        newest = max(ids)
        while found := await in_flight(self._part, self._tools.journal.queries, "", TICKET_SIZE):
            due = [id_ for id_ in found if id_ <= newest]
            await self._work_on(due)
            if len(due) < TICKET_SIZE:
                return

    async def _work_on(self, ids: Sequence[str]) -> None:
        if messages := await self._tools.journal.queries.pending(ids):
            outcomes, committed = await self._commit(messages)
            self._count(outcomes, committed)
            work = decide.ids_by_queue(self._plan, outcomes, committed, self._tools.partitions)
            await self._tools.outbox.hand_on(work)

    async def _commit(self, messages: Sequence[Message]) -> tuple[Sequence[ProcessOutcome], Sequence[str]]:
        writer = self._tools.journal.writer
        if not self._stateful:
            outcomes = [await self._outcome(message, None) for message in messages]
            return outcomes, await writer.commit_outcomes(outcomes)
        async with writer.transaction() as tx:
            ours = await tx.lock([message.id for message in messages])
            messages = [message for message in messages if message.id in ours]
            outcomes = [await self._outcome_in(message, tx) for message in messages]
            return outcomes, await tx.commit_outcomes(outcomes)

    async def _outcome_in(self, message: Message, tx: OutcomeTransaction) -> ProcessOutcome:
        """As `_outcome`, with what the steps wrote undone if one of them fails."""
        try:
            async with tx.savepoint():
                return await self._tried(message, tx)
        except _GivenUp as given_up:
            return given_up.outcome

    async def _outcome(self, message: Message, tx: Transaction | None) -> ProcessOutcome:
        try:
            return await self._tried(message, tx)
        except _GivenUp as given_up:
            return given_up.outcome

    async def _tried(self, message: Message, tx: Transaction | None) -> ProcessOutcome:
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
