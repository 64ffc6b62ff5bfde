"""A ledger with `reconcile` and `outcomes` one after the other, as the channels have them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import delete, select

from clinical.issued import IssuedOutcome, decode, decode_one
from clinical.records import AnyRecord, PatientRef, Status
from engine import sdk
from engine.model.message import Message, Shape
from engine.testing.builders import a_message
from ledger.outcome_tables import outcome, outcome_day
from tests.unit.ledger.support import MemoryLedger, a_reading
from transformers.outcomes import CLOSE, PATIENT, REBUILD, OutcomesSettings, outcomes

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
"""What `a_reading` counts its seconds from."""
DAY = 86_400
P1 = PatientRef(system="test", value="p1", id="p1")


class OutcomeLedger(MemoryLedger):
    """As in the shipped routes: what `reconcile` passes on goes to `outcomes`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.wanted = OutcomesSettings.model_validate({"timezone": "Europe/Dublin", "windows": [1, 7], **settings})

    def __enter__(self) -> "OutcomeLedger":
        return self

    def tell(self, *records: AnyRecord, hours: float = 1.0) -> list[IssuedOutcome]:
        """Reconcile records that come so many hours after ten, and bring the outcomes up to date."""
        at = TEN + timedelta(hours=hours)
        passed = [each for each in self.receive(*records, received_at=at) if isinstance(each, Message)]
        return [found for each in passed for found in self.bring(each)]

    def end(self, hours: float, patient: PatientRef = P1) -> list[IssuedOutcome]:
        """What the schedule asks for."""
        meta = {CLOSE: "now", PATIENT: msgspec.json.encode(patient).decode()}
        return self.bring(a_message(b"", Shape.RECORDS, meta=meta, received_at=TEN + timedelta(hours=hours)))

    def rebuild(self, first: str, last: str, hours: float = 1.0, patient: PatientRef = P1) -> list[IssuedOutcome]:
        meta = {REBUILD: f"{first}/{last}", PATIENT: msgspec.json.encode(patient).decode()}
        at = TEN + timedelta(hours=hours)
        return self.bring(a_message(b"", Shape.RECORDS, meta=meta, received_at=at))

    def bring(self, message: sdk.Message) -> list[IssuedOutcome]:
        result: Sequence[sdk.StepOutput] = asyncio.run(outcomes(message, self.wanted, self.tx))
        self.connection.commit()
        return [found for each in result if isinstance(each, Message) for found in decode(each.body)]

    def standing(self) -> dict[tuple[str, str], IssuedOutcome]:
        """The outcomes that stand, by name and last day."""
        rows = self.connection.execute(select(outcome.c.body).where(outcome.c.replaced_by.is_(None)))
        found = [decode_one(row[0]) for row in rows]
        return {(each.period.name, each.period.last_day): each for each in found}

    def elements(self, patient: str = "p1") -> dict[int, bytes]:
        rows = self.connection.execute(select(outcome_day).where(outcome_day.c.patient == patient))
        return {row.day: row.element for row in rows}

    def forget_days(self) -> None:
        """Without what is stored of any day, all is made from the readings."""
        self.connection.execute(delete(outcome_day))
        self.connection.commit()


def morning(value: float = 120, *, days: int = 0, count: int = 6, status: Status = Status.FINAL) -> list[AnyRecord]:
    """Readings from ten, every five minutes, so many days after the twentieth."""
    return [
        a_reading(value, seconds=days * DAY + 300 * n, id_=f"{days}/{n}", version="1", status=status)
        for n in range(count)
    ]
