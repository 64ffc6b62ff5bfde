"""Reading the ledger: a patient's readings, lineage, the books; on the driver that the engine reads with."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from clinical import units
from clinical.records import Analyte, Glucose, Road, Status, encode
from engine.model.message import Message, Shape
from engine.testing.builders import a_message
from ledger import queries
from ledger.rules import Rules
from ledger.tables import metadata
from tests.builders import TEN_OCLOCK_MILLIS
from tests.unit.ledger.support import a_reading, passed_on
from transformers.reconcile import ReconcileSettings, reconcile


class ConnectionTransaction:
    """A transaction over an async connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def execute(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> Sequence[Any]:
        result = await self._connection.execute(statement, parameters)
        return result.fetchall() if result.returns_rows else ()


@pytest.fixture
async def connection() -> AsyncIterator[AsyncConnection]:
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.connect() as connection:
        await connection.run_sync(metadata.create_all)
        yield connection
    await engine.dispose()


async def take(connection: AsyncConnection, *records: Glucose) -> tuple[Message, list[Glucose]]:
    message = a_message(encode(records), Shape.RECORDS)
    outputs = await reconcile(message, ReconcileSettings(), ConnectionTransaction(connection))
    return message, passed_on(outputs)


HOUR = 3_600_000


async def test_readings_of_a_patient_come_in_order_with_their_sources(connection: AsyncConnection) -> None:
    first, _ = await take(connection, a_reading(190, seconds=300), a_reading(182))
    second, _ = await take(connection, a_reading(10.1, units.MMOL_L, seconds=4, road=Road.HL7V2))
    await take(connection, a_reading(99, patient="p2"))
    found = await queries.readings(connection, "default", "p1", TEN_OCLOCK_MILLIS, TEN_OCLOCK_MILLIS + HOUR)
    assert [(r.effective - TEN_OCLOCK_MILLIS, r.value.steps) for r in found] == [(4_000, 101), (300_000, 190)]
    cloud, hl7 = found[0].sources
    assert (cloud.message_id, cloud.position, cloud.fate, cloud.is_truth) == (first.id, 1, "new", False)
    assert (hl7.message_id, hl7.position, hl7.fate, hl7.is_truth) == (second.id, 0, "supersedes", True)
    assert found[0].version == 2


async def test_the_end_of_a_range_is_not_in_it(connection: AsyncConnection) -> None:
    await take(connection, a_reading(182), a_reading(190, seconds=300))
    found = await queries.readings(connection, "default", "p1", TEN_OCLOCK_MILLIS, TEN_OCLOCK_MILLIS + 300_000)
    assert [r.value.steps for r in found] == [182]
    assert await queries.readings(connection, "other", "p1", TEN_OCLOCK_MILLIS, TEN_OCLOCK_MILLIS + HOUR) == []


async def test_one_analyte_can_be_asked_for(connection: AsyncConnection) -> None:
    await take(connection, a_reading(182), a_reading(182, analyte=Analyte.CAPILLARY_GLUCOSE, id_="c"))
    found = await queries.readings(
        connection, "default", "p1", TEN_OCLOCK_MILLIS, TEN_OCLOCK_MILLIS + HOUR, analyte="capillary-glucose"
    )
    assert [r.analyte for r in found] == ["capillary-glucose"]


async def test_withdrawn_readings_are_shown_on_request(connection: AsyncConnection) -> None:
    await take(connection, a_reading(182, id_="r"))
    await take(connection, a_reading(182, id_="r", status=Status.ENTERED_IN_ERROR))
    period = (TEN_OCLOCK_MILLIS, TEN_OCLOCK_MILLIS + HOUR)
    assert await queries.readings(connection, "default", "p1", *period) == []
    (shown,) = await queries.readings(connection, "default", "p1", *period, withdrawn=True)
    assert shown.status == "entered-in-error"
    assert [s.fate for s in shown.sources] == ["new", "corrects"]


async def test_lineage_names_every_message_and_what_became_of_its_record(connection: AsyncConnection) -> None:
    first, (reading,) = await take(connection, a_reading(182, id_="r", version="1"))
    again, _ = await take(connection, a_reading(182, id_="r", version="1"))
    fixed, _ = await take(connection, a_reading(176, id_="r", version="2"))
    assert reading.reading_id is not None
    found = await queries.lineage(connection, "default", reading.reading_id)
    assert found is not None
    assert [(s.message_id, s.fate, s.standing, s.is_truth) for s in found.sources] == [
        (first.id, "new", "earlier", False),
        (again.id, "duplicate", None, False),
        (fixed.id, "corrects", "speaks", True),
    ]
    assert [s.record is not None for s in found.sources] == [True, False, True]
    assert {s.origin_id for s in found.sources} == {first.id, again.id, fixed.id}
    assert await queries.lineage(connection, "default", "nothing") is None
    assert await queries.lineage(connection, "other", reading.reading_id) is None


async def test_from_a_message_to_its_readings(connection: AsyncConnection) -> None:
    message, told = await take(connection, a_reading(182), a_reading(190, seconds=300))
    found = await queries.of_messages(connection, [message.id, "unknown"])
    assert [(s.position, s.reading_id) for s in found] == [(n, r.reading_id) for n, r in enumerate(told)]


async def test_the_books_count_each_record_once(connection: AsyncConnection) -> None:
    await take(connection, a_reading(250, road=Road.HL7V2), a_reading(190, seconds=300, id_="r"))
    await take(connection, a_reading(182, road=Road.FHIR), a_reading(190, seconds=300, id_="r"))
    await take(connection, a_reading(190, seconds=300, id_="r", status=Status.ENTERED_IN_ERROR))
    books = await queries.books(connection, "default")
    assert books.arrived == {"new": 2, "conflict": 1, "duplicate": 1, "corrects": 1}
    assert (books.records, books.readings, books.withdrawn, books.disputed) == (5, 1, 1, 1)
    assert await queries.books(connection) == books
    assert (await queries.books(connection, "other")).records == 0


async def test_a_replay_plan_counts_what_would_be_swallowed(connection: AsyncConnection) -> None:
    await take(connection, a_reading(155), a_reading(190, seconds=300))
    plan = [
        a_reading(8.7, units.MMOL_L, seconds=-4, road=Road.CSV),
        a_reading(190, seconds=300),
        a_reading(250, seconds=300),
        a_reading(190, seconds=900),
    ]
    assert await queries.swallowed(connection, "default", plan, Rules()) == 2


async def test_views_do_not_show_the_patient_in_their_repr(connection: AsyncConnection) -> None:
    await take(connection, a_reading(182, patient="CANARY-1", id_="CANARY-2"))
    (found,) = await queries.readings(connection, "default", "CANARY-1", TEN_OCLOCK_MILLIS, TEN_OCLOCK_MILLIS + HOUR)
    assert "CANARY" not in repr(found)
    assert "182" not in repr(found)
