"""Replay: put messages back on the road. Always a plan first; the plan says what it would touch and what not.

A copy that waits (held, deferred, in review) is released in place. A copy that is through is processed again as a
new copy; what is delivered already is then recognised by reconciliation or by the receiver's own key, or not: the
plan says which.
"""

import getpass
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select

from engine.brokers.naming import dispatch_queue, process_queue
from engine.config.plan import Configuration
from engine.journal import tables
from engine.journal.queries import MESSAGE, to_message
from engine.model.clock import to_micros
from engine.model.ids import new_id
from engine.model.lane import Lane, lane_of
from engine.model.message import Message
from engine.model.states import (
    DELIVERIES_RELEASABLE,
    MESSAGES_IN_FLIGHT,
    MESSAGES_RELEASABLE,
    DeliveryState,
    MessageState,
)
from engine.plugins.plugin import PluginKind
from engine.runtime.tools import Tools

_m, _d = tables.message.c, tables.delivery.c


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay would do. `sent` counts what was delivered already: (channel, destination) → deliveries."""

    release_messages: Sequence[Mapping[str, Any]]
    release_deliveries: Sequence[Mapping[str, Any]]
    again: Sequence[Mapping[str, Any]]
    skipped: Mapping[str, int]
    sent: Mapping[tuple[str, str], int]
    notes: Sequence[str]

    @property
    def empty(self) -> bool:
        return not (self.release_messages or self.release_deliveries or self.again)


async def plan_replay(tools: Tools, ids: Sequence[str], configuration: Configuration | None) -> ReplayPlan:
    """Plan for these messages. Duplicates and what is in flight are left alone."""
    queries = tools.journal.queries
    messages = [row for row in [await queries.row("message", id_) for id_ in ids] if row is not None]
    release_messages, release_deliveries, again = [], [], []
    skipped: Counter[str] = Counter()
    sent: Counter[tuple[str, str]] = Counter()
    for message in messages:
        waiting = await _waiting_deliveries(tools, message["id"])
        if message["state"] in MESSAGES_RELEASABLE:
            release_messages.append(message)
        elif message["state"] in MESSAGES_IN_FLIGHT:
            skipped["is in flight already"] += 1
        elif message["state"] == MessageState.DUPLICATE and message["duplicate_of"]:
            skipped["is a repeat of a message that is stored; replay that one"] += 1
        elif waiting:
            release_deliveries += waiting
        elif message["pruned_at"] is not None:
            skipped["has no body any more: it was pruned when its time was up (`keep` of its channel)"] += 1
        else:
            again.append(message)
            sent.update(await _sent(tools, message["origin_id"]))
    notes = [_note(configuration, channel, destination, n) for (channel, destination), n in sorted(sent.items())]
    unknown = len(ids) - len(messages)
    if unknown:
        skipped["is not in the journal"] = unknown
    return ReplayPlan(
        release_messages, release_deliveries, again, skipped, sent, notes + _swallowed(configuration, again)
    )


async def _waiting_deliveries(tools: Tools, message_id: str) -> list[Mapping[str, Any]]:
    statement = select(_d.id, _d.channel, _d.destination, _d.lane, _d.state, _d.code).where(
        _d.message_id == message_id, _d.state.in_(DELIVERIES_RELEASABLE)
    )
    return [dict(row._mapping) for row in await tools.journal.queries.all(statement)]


async def _sent(tools: Tools, origin_id: str) -> list[tuple[str, str]]:
    statement = select(_d.channel, _d.destination).where(_d.origin_id == origin_id, _d.state == DeliveryState.SENT)
    return [(row[0], row[1]) for row in await tools.journal.queries.all(statement)]


def _note(configuration: Configuration | None, channel: str, destination: str, count: int) -> str:
    plan = configuration.channels.get(channel) if configuration else None
    kind = next((d.bound.plugin.name for d in plan.destinations if d.name == destination), None) if plan else None
    known = {
        "fhir_server": "the server recognises the identifier and makes no second resource",
        "mllp_sender": "the receiver gets it again under another control id, if it comes so far",
    }.get(kind or "", "the receiver gets it again, if it comes so far")
    return f"{count} delivered already by {channel} to {destination}: {known}"


def _swallowed(configuration: Configuration | None, again: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which channels on the way recognise what they have seen."""
    if configuration is None:
        return []
    notes = []
    for channel, count in Counter(row["channel"] for row in again).items():
        way, seen = [channel], set[str]()
        while way:
            plan = configuration.channels.get(name := way.pop())
            if plan is None or name in seen:
                continue
            seen.add(name)
            if any(step.plugin.kind is PluginKind.STATEFUL and step.name == "reconcile" for step in plan.steps):
                notes.append(f"{count} of {channel} pass {name}: readings it knows will be counted as duplicates there")
            else:
                way += plan.feeds
    return notes


async def perform(tools: Tools, plan: ReplayPlan, reason: str | None = None) -> int:
    """Carry out a plan; the number of copies put on the road. The operation is written down with who and why."""
    writer = tools.journal.writer
    message_ids = [row["id"] for row in plan.release_messages]
    delivery_ids = [row["id"] for row in plan.release_deliveries]
    await writer.release(message_ids, delivery_ids)
    found = [await _copy(tools, row["id"]) for row in plan.again]
    copies = [copy for copy in found if copy is not None]
    if copies:
        await writer.accept(copies)
    work: dict[str, list[str]] = {}  # for an engine that is alone; engines that share look for operations themselves
    for row in plan.release_messages:
        work.setdefault(process_queue(row["channel"], lane=Lane(row["lane"])), []).append(row["id"])
    for row in plan.release_deliveries:
        queue = dispatch_queue(row["channel"], row["destination"], lane=Lane(row["lane"]))
        work.setdefault(queue, []).append(row["id"])
    for copy in copies:
        work.setdefault(process_queue(copy.channel, lane=lane_of(copy.meta)), []).append(copy.id)
    touched = orjson.dumps({"released": message_ids + delivery_ids, "again": [row["id"] for row in plan.again]})
    await writer.add_operation(
        (new_id(), to_micros(tools.clock.now()), getpass.getuser(), "replay", reason, touched.decode())
    )
    if not tools.leases.shared:
        await tools.outbox.hand_on(work)
    return len(message_ids) + len(delivery_ids) + len(copies)


async def _copy(tools: Tools, id_: str) -> Message | None:
    """None: it was pruned since the plan was made."""
    rows = await tools.journal.queries.all(MESSAGE.where(_m.id == id_, _m.pruned_at.is_(None)))
    if not rows:
        return None
    original = to_message(rows[0])
    return Message(
        id=new_id(),
        channel=original.channel,
        shape=original.shape,
        body=original.body,
        received_at=tools.clock.now(),
        origin_id=original.origin_id,
        tenant=original.tenant,
        meta={**original.meta, "replay_of": original.id},
        order_key=original.order_key,
    )
