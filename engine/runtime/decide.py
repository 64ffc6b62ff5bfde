"""What becomes of a message: filter and steps run, and their results turned into one outcome. Pure but for `tx`."""

import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from engine.brokers.naming import dispatch_queue, process_queue
from engine.config.plan import Bound, ChannelPlan
from engine.contracts.journal import Child, Failure, OutcomeTransaction, ProcessOutcome
from engine.model.delivery import Delivery
from engine.model.errors import (
    EngineError,
    InvalidMessage,
    NeedsOperator,
    NeedsReview,
    NotPermitted,
    Refused,
    Throttled,
    Unavailable,
)
from engine.model.fingerprint import fingerprint
from engine.model.ids import new_id
from engine.model.lane import in_lane, lane_of
from engine.model.message import Message
from engine.model.outcome import Aside, Drop, StepOutput, as_outputs
from engine.model.states import MessageState
from engine.plugins.plugin import PluginKind
from engine.runtime.parts import dispatch_partitions, share_of


@dataclass(slots=True)
class Passed:
    """What a message has become after some steps. `tally`: what they have counted, whatever came of it later."""

    messages: list[Message]
    asides: list[Aside] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)


async def run_steps(plan: ChannelPlan, message: Message, tx: OutcomeTransaction | None) -> Passed:
    """Filter and steps, in order. Raises what a step raises: nothing continues past an error (law 4)."""
    verdict = plan.keep(message)
    if isinstance(verdict, Drop):
        return Passed([], drops=[verdict], tally=Counter(verdict.tally))
    passed = Passed([message])
    for step in plan.steps:
        await run_step(step, passed, tx)
    return passed


def at_once(plan: ChannelPlan, messages: Sequence[Message]) -> Iterable[Sequence[Message]]:
    """Portions of messages, in their order, that `run_together` may take.

    There each step sees all of them before the next step does. Where a step may ask what a later one has written of the
    same patient, no portion holds two messages of one patient: each message finds what it would find by itself.
    """
    if sum(step.plugin.kind is PluginKind.STATEFUL for step in plan.steps) < 2:
        yield messages
        return
    some: list[Message] = []
    keys: set[str | None] = set()
    for message in messages:
        if some and (message.order_key in keys or None in (message.order_key, *keys)):
            yield some
            some, keys = [], set()
        some.append(message)
        keys.add(message.order_key)
    if some:
        yield some


async def run_together(plan: ChannelPlan, messages: Sequence[Message], tx: OutcomeTransaction) -> list[Passed]:
    """`run_steps` for several messages, with steps that can take them at once taking them at once."""
    found = []
    for message in messages:
        verdict = plan.keep(message)
        found.append(
            Passed([], drops=[verdict], tally=Counter(verdict.tally))
            if isinstance(verdict, Drop)
            else Passed([message])
        )
    for step in plan.steps:
        if step.plugin.together is None:
            for passed in found:
                await run_step(step, passed, tx)
            continue
        given = [message for passed in found for message in passed.messages]
        results = iter(await step.plugin.together(given, step.settings, tx) if given else ())
        for passed in found:
            _sort(step, passed, [as_outputs(next(results)) for _ in passed.messages])
    return found


async def run_step(step: Bound, passed: Passed, tx: OutcomeTransaction | None) -> None:
    """Give every message to one step and sort what comes out.

    Of several messages that earlier steps have made of one, such as the patients of a page, one that is refused is set
    aside with what the step wrote for it undone, and the others go on. A single one raises.
    """
    outputs: list[Sequence[StepOutput]] = []
    several = len(passed.messages) > 1
    for message in passed.messages:
        try:
            made = await _run_one(step, message, tx, apart=several)
        except _AGAINST_THE_MESSAGE as error:
            if not several:
                raise
            made = [Aside(error, message.body, message.shape)]
        outputs.append(made)
    _sort(step, passed, outputs)


def _sort(step: Bound, passed: Passed, made: Sequence[Sequence[StepOutput]]) -> None:
    outputs = [output for some in made for output in (some or [Drop(f"{step.name} gave nothing")])]
    messages = [output for output in outputs if isinstance(output, Message)]
    drops = [output for output in outputs if isinstance(output, Drop)]
    if any("tally" in message.meta for message in messages):
        passed.tally.update(_counted(messages))
        messages = list(map(_without_tally, messages))
    for drop in drops:
        passed.tally.update(drop.tally)
    passed.messages = messages
    if len(messages) + len(drops) < len(outputs):
        passed.asides += [output for output in outputs if isinstance(output, Aside)]
    passed.drops += drops


def takes_several(plan: ChannelPlan) -> bool:
    """Has it a step that can take several messages at once?"""
    return any(step.plugin.together is not None for step in plan.steps)


_AGAINST_THE_MESSAGE = (InvalidMessage, NeedsReview, NotPermitted, Refused)


async def _run_one(
    step: Bound, message: Message, tx: OutcomeTransaction | None, *, apart: bool
) -> Sequence[StepOutput]:
    if step.plugin.kind is not PluginKind.STATEFUL:
        return as_outputs(step.plugin.implementation(message, step.settings))
    if not apart or tx is None:
        return as_outputs(await step.plugin.implementation(message, step.settings, tx))
    async with tx.savepoint():
        return as_outputs(await step.plugin.implementation(message, step.settings, tx))


def settled_state(error: EngineError, when_it_fails: str) -> MessageState:
    """Where a message waits that could not go on."""
    if isinstance(error, NeedsReview):
        return MessageState.REVIEW
    if isinstance(error, NotPermitted):
        return MessageState.DEFERRED
    return {"hold": MessageState.HELD, "review": MessageState.REVIEW, "skip": MessageState.FILTERED}[when_it_fails]


def outcome_of(plan: ChannelPlan, message: Message, passed: Passed, now: datetime) -> ProcessOutcome:
    """The outcome of a message whose steps all ran."""
    tally = _tally(passed)
    children = [_set_aside(plan, message, aside, now) for aside in passed.asides]
    deliveries: list[Delivery] = []
    for made in passed.messages:
        output = _behind(plan, message, made)
        children += [Child(output.child(channel, message, now)) for channel in plan.feeds]
        deliveries += [_delivery(message, output, destination.name) for destination in plan.destinations]
    if children or deliveries:
        return ProcessOutcome(
            message.id, MessageState.TRANSFORMED, children=children, deliveries=deliveries, tally=tally
        )
    duplicate = bool(passed.drops) and all(drop.duplicate for drop in passed.drops)
    state = MessageState.DUPLICATE if duplicate else MessageState.FILTERED
    nothing = "what it says is kept; nothing leads on from here" if passed.messages else "no step gave anything"
    reason = "; ".join(dict.fromkeys(drop.reason for drop in passed.drops)) or nothing
    return ProcessOutcome(message.id, state, reason=reason, tally=tally)


def _tally(passed: Passed) -> dict[str, int]:
    """What the steps counted, and the parts that were set aside."""
    return {**passed.tally, "set-aside": len(passed.asides)} if passed.asides else dict(passed.tally)


def _counted(outputs: Iterable[Message]) -> Counter[str]:
    """Counts that a step left in `meta["tally"]` as `new=2 duplicate=1`."""
    counted: Counter[str] = Counter()
    for output in outputs:
        for item in output.meta.get("tally", "").split():
            word, _, number = item.partition("=")
            counted[word] += int(number)
    return counted


def _without_tally(output: Message) -> Message:
    """The counts belong to this channel's outcome; what comes after must not count them again."""
    if "tally" not in output.meta:
        return output
    return replace(output, meta={name: value for name, value in output.meta.items() if name != "tally"})


def _behind(plan: ChannelPlan, message: Message, output: Message) -> Message:
    """What comes of batch work is batch work, whatever the steps say."""
    meta = in_lane(output.meta, plan.lane, lane_of(message.meta))
    return output if meta is output.meta else replace(output, meta=meta)


def _set_aside(plan: ChannelPlan, message: Message, aside: Aside, now: datetime) -> Child:
    part = message.but(body=aside.body, shape=aside.shape).child(plan.name, message, now)
    return Child(part, settled_state(aside.error, plan.when_it_fails), _failure(plan, aside.error))


def _delivery(message: Message, output: Message, destination: str) -> Delivery:
    return Delivery(
        id=new_id(),
        message_id=message.id,
        origin_id=message.origin_id,
        channel=message.channel,
        destination=destination,
        shape=output.shape,
        body=output.body,
        meta=output.meta,
        order_key=output.order_key,
    )


def _failure(plan: ChannelPlan, error: EngineError) -> Failure:
    return Failure.of(error, fingerprint(plan.name, "process", error.code, error.path))


def failed_outcome(plan: ChannelPlan, message: Message, error: EngineError, attempts: int = 1) -> ProcessOutcome:
    """The outcome of a message that a step refused whole."""
    state = settled_state(error, plan.when_it_fails)
    failure = _failure(plan, error)
    return ProcessOutcome(message.id, state, failure=failure, reason=error.code, attempts=attempts)


def as_engine_error(error: Exception) -> EngineError:
    """A foreign exception in words that hold no data; its traceback is kept in the journal for the engineer."""
    if isinstance(error, EngineError):
        return error
    where = traceback.extract_tb(error.__traceback__)[-1]
    text = f"a step failed with {type(error).__name__} in {where.name}; its developer finds the trace in the journal"
    detail = "".join(traceback.format_exception(error))
    return InvalidMessage(text, code="step-failed", detail=detail[-4000:])


def stops_the_channel(error: Exception) -> bool:
    """Errors that say nothing against the message: the channel waits (Unavailable, Throttled) or a person is needed."""
    return isinstance(error, (Unavailable, Throttled, NeedsOperator))


def needs_transaction(plan: ChannelPlan) -> bool:
    return any(step.plugin.kind is PluginKind.STATEFUL for step in plan.steps)


def ids_by_queue(
    plan: ChannelPlan, outcomes: Sequence[ProcessOutcome], committed: Sequence[str], partitions: int = 1
) -> dict[str, list[str]]:
    """queue → ids of the children and deliveries of the outcomes that were committed."""
    several = {one.name: dispatch_partitions(one, partitions) for one in plan.destinations}
    done = set(committed)
    work: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.message_id in done:
            for child in outcome.children:
                if child.state is MessageState.RECEIVED:
                    message = child.message
                    share = share_of(message.order_key, message.id, partitions)
                    queue = process_queue(message.channel, share, lane_of(message.meta))
                    work.setdefault(queue, []).append(message.id)
            for delivery in outcome.deliveries:
                share = share_of(delivery.order_key, delivery.id, several[delivery.destination])
                queue = dispatch_queue(delivery.channel, delivery.destination, share, lane_of(delivery.meta))
                work.setdefault(queue, []).append(delivery.id)
    return work
