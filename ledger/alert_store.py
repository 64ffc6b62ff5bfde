"""The road between alerts and the database: what must be remembered of a patient from one reading to the next."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, insert, select

from clinical.outcomes.alerts import AlertState
from ledger.outcome_queries import Ask
from ledger.outcome_tables import alert, alert_state
from ledger.store import Transaction


class Known(msgspec.Struct, frozen=True):
    """`open`: when each alert that has not ended was raised (milliseconds), by its kind."""

    state: AlertState = AlertState()
    open: Mapping[str, int] = {}


_a = alert_state.c
_decode = msgspec.json.Decoder(Known).decode
_KNOWN = select(_a.patient, _a.state).where(
    _a.tenant == bindparam("tenant"), _a.rule == bindparam("rule"), _a.patient.in_(bindparam("keys", expanding=True))
)
_FORGET = delete(alert_state).where(
    _a.tenant == bindparam("at_tenant"), _a.rule == bindparam("at_rule"), _a.patient == bindparam("at_patient")
)


async def known_alerts(tx: Transaction, tenant: str, rule: str, keys: Sequence[str]) -> dict[str, Known]:
    """By patient, as far as anything is known."""
    rows = await tx.execute(_KNOWN, [{"tenant": tenant, "rule": rule, "keys": list(keys)}])
    return {row[0]: _decode(row[1]) for row in rows}


async def put_alerts(tx: Transaction, tenant: str, rule: str, known: Mapping[str, Known]) -> None:
    """Remember these in place of what was known."""
    if not known:
        return
    await tx.execute(_FORGET, [{"at_tenant": tenant, "at_rule": rule, "at_patient": key} for key in known])
    rows = [
        {"tenant": tenant, "rule": rule, "patient": key, "state": msgspec.json.encode(each)}
        for key, each in known.items()
    ]
    await tx.execute(insert(alert_state), rows)


@dataclass(frozen=True, slots=True)
class Told:
    """A row of `alert`, in its words."""

    id: str
    version: int
    tenant: str
    patient: str
    event: str
    first: int
    last: int
    message_id: str
    origin_id: str
    at: int


async def put_told(tx: Transaction, told: Sequence[Told]) -> None:
    """Enter what was told, so that it can be walked to and from."""
    if told:
        await tx.execute(insert(alert), [asdict(each) for each in told])


async def find_alerts(ask: Ask, id_: str) -> list[Mapping[str, Any]]:
    """What was told of an alert: that it began, and that it is over."""
    return [dict(row._mapping) for row in await ask(select(alert).where(alert.c.id == id_).order_by(alert.c.version))]


async def alerts_over(ask: Ask, tenant: str, patient: str, moments: Sequence[int]) -> list[Mapping[str, Any]]:
    """What was told of a patient on the strength of readings at one of these moments (milliseconds)."""
    if not moments:
        return []
    c = alert.c
    rows = await ask(
        select(alert)
        .where(c.tenant == tenant, c.patient == patient, c.last >= min(moments), c.first <= max(moments))
        .order_by(c.at, c.id, c.version)
    )
    found = [dict(row._mapping) for row in rows]
    return [row for row in found if any(row["first"] <= moment <= row["last"] for moment in moments)]
