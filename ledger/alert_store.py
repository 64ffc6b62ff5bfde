"""The road between alerts and the database: what must be remembered of a patient from one reading to the next."""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import bindparam, delete, insert, select

from clinical.outcomes.alerts import AlertState
from ledger.outcome_tables import alert_state
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
