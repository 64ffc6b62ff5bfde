"""Readings, messages and a ledger in memory for tests of reconciliation."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Executable, create_engine, event, func, select
from sqlalchemy.pool import StaticPool

from clinical import units
from clinical.records import (
    Analyte,
    AnyRecord,
    Detection,
    Glucose,
    Original,
    PatientRef,
    Quantity,
    Road,
    SourceId,
    Status,
    decode,
    encode,
)
from engine.model.message import Message, Shape
from engine.model.outcome import Aside, Drop, StepOutput
from engine.testing.builders import a_message
from ledger.tables import metadata, reading, reading_source
from tests.builders import a_glucose, glucoses, ten_oclock
from transformers.reconcile import ReconcileSettings, reconcile


def a_reading(
    value: float = 182,
    unit: str = units.MG_DL,
    *,
    seconds: float = 0,
    road: Road = Road.CLOUD,
    id_: str | None = None,
    version: str | None = None,
    status: Status = Status.FINAL,
    patient: str = "p1",
    analyte: Analyte = Analyte.INTERSTITIAL_GLUCOSE,
    detection: Detection | None = None,
    precision: str = "second",
    system: str | None = None,
) -> Glucose:
    """A reading `seconds` after ten. Without an id, its road, time and value make one."""
    steps = units.steps_of(str(value), unit)
    assert steps is not None
    return a_glucose(
        patient=PatientRef(system="test", value=patient, id=patient),
        analyte=analyte,
        value=Quantity(steps=steps, unit=unit),
        effective=ten_oclock(seconds, precision=precision),
        status=status,
        source=SourceId(
            road=road, system=system or f"sys-{road}", value=id_ or f"{seconds}/{value}/{patient}", version=version
        ),
        original=Original(value=str(value), unit=unit),
        detection=detection,
    )


class MemoryTransaction:
    """A transaction over a plain connection, so that thousands of small ledgers cost little."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> Sequence[Any]:
        result = self._connection.execute(statement, parameters)
        return result.fetchall() if result.returns_rows else ()


class MemoryLedger:
    """A ledger in memory with the step before it."""

    def __init__(self, **settings: Any) -> None:
        self._engine = create_engine("sqlite://", poolclass=StaticPool)
        event.listen(self._engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
        metadata.create_all(self._engine)
        self.connection = self._engine.connect()
        self.tx = MemoryTransaction(self.connection)
        self.settings = ReconcileSettings.model_validate(settings)

    def close(self) -> None:
        self.connection.close()
        self._engine.dispose()

    def __enter__(self) -> "MemoryLedger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, message: Message) -> Sequence[StepOutput]:
        """Give one message to the step."""
        result = asyncio.run(reconcile(message, self.settings, self.tx))
        self.connection.commit()
        return list(result)

    def receive(self, *records: AnyRecord, **message: Any) -> Sequence[StepOutput]:
        """Records as a message of their own."""
        return self.take(a_message(encode(records), Shape.RECORDS, **message))

    def fates(self) -> Counter[str]:
        rows = self.connection.execute(select(reading_source.c.fate, func.count()).group_by(reading_source.c.fate))
        return Counter({row[0]: row[1] for row in rows})

    def truths(self) -> list[tuple[str, int, int, str, str, str]]:
        """Standing readings, as patient, effective, steps, unit, road, status, in order."""
        columns = (
            reading.c.patient,
            reading.c.effective,
            reading.c.steps,
            reading.c.unit,
            reading.c.road,
            reading.c.status,
        )
        rows = self.connection.execute(
            select(*columns).where(reading.c.status != Status.ENTERED_IN_ERROR.value).order_by(*columns)
        )
        return [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in rows]

    def withdrawn(self) -> int:
        return (
            self.connection.scalar(select(func.count()).where(reading.c.status == Status.ENTERED_IN_ERROR.value)) or 0
        )


def passed_on(outputs: Iterable[StepOutput]) -> list[Glucose]:
    """All readings in the messages among the outputs."""
    return glucoses(records_on(outputs))


def records_on(outputs: Iterable[StepOutput]) -> list[AnyRecord]:
    """All records, of whatever kind, in the messages among the outputs."""
    return [record for output in outputs if isinstance(output, Message) for record in decode(output.body)]


def asides(outputs: Iterable[StepOutput]) -> list[Aside]:
    return [output for output in outputs if isinstance(output, Aside)]


def drops(outputs: Iterable[StepOutput]) -> list[Drop]:
    return [output for output in outputs if isinstance(output, Drop)]


def tally_of(outputs: object) -> str:
    """What the first output says it came to."""
    assert isinstance(outputs, list)
    first = outputs[0]
    assert isinstance(first, Message)
    return first.meta["tally"]
