"""The journal on PostgreSQL keeps the contract, with several engines at once, and when the server goes away."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from engine.contracts.journal import ProcessOutcome
from engine.journal import tables
from engine.journal.migrate import upgrade_postgres
from engine.journal.postgres import PostgresJournal
from engine.model.errors import Unavailable
from engine.model.states import MessageState
from engine.testing.builders import a_message
from engine.testing.journal_kit import JournalContract, accepted, count
from engine.testing.prune_kit import PruneContract
from engine.testing.services import PrivatePostgres


@pytest.fixture
async def url(postgres_url: str) -> str:
    await upgrade_postgres(postgres_url)
    return postgres_url


@pytest.fixture
async def journal(url: str) -> AsyncIterator[PostgresJournal]:
    made = PostgresJournal(url)
    await made.open()
    yield made
    await made.close()


class TestPostgresJournal(JournalContract):
    pass


class TestPostgresPruning(PruneContract):
    pass


class TestSeveralEngines:
    @pytest.fixture
    async def other(self, journal: PostgresJournal, url: str) -> AsyncIterator[PostgresJournal]:
        made = PostgresJournal(url)
        await made.open()
        yield made
        await made.close()

    async def test_the_same_message_at_two_doors_at_once_is_stored_once(
        self, journal: PostgresJournal, other: PostgresJournal
    ) -> None:
        pairs = [
            (a_message(b"%d" % n, source_key=f"S|{n}"), a_message(b"%d" % n, source_key=f"S|{n}")) for n in range(50)
        ]
        receipts = await asyncio.gather(
            *(door.writer.accept([pair[side]]) for pair in pairs for side, door in enumerate((journal, other)))
        )
        duplicates = [receipt.duplicate_of for (receipt,) in receipts if receipt.duplicate_of is not None]
        assert len(duplicates) == 50
        ids = {message.id for pair in pairs for message in pair}
        assert set(duplicates) <= ids
        assert len(await journal.queries.in_flight("test", "", 1000)) == 50
        assert await count(journal, tables.source_key) == 50

    async def test_of_two_outcomes_for_one_message_only_one_counts(
        self, journal: PostgresJournal, other: PostgresJournal
    ) -> None:
        messages = await accepted(journal, *(b"%d" % n for n in range(40)))
        outcomes = [ProcessOutcome(message.id, MessageState.FILTERED) for message in messages]
        done = await asyncio.gather(
            *(door.writer.commit_outcomes([outcome]) for outcome in outcomes for door in (journal, other))
        )
        assert sorted(id_ for ids in done for id_ in ids) == sorted(message.id for message in messages)

    async def test_a_message_locked_by_one_is_finished_by_no_other(
        self, journal: PostgresJournal, other: PostgresJournal
    ) -> None:
        (message,) = await accepted(journal, b"x")
        outcome = ProcessOutcome(message.id, MessageState.FILTERED)
        async with journal.writer.transaction() as tx:
            assert set(await tx.lock([message.id])) == {message.id}
            late = asyncio.create_task(other.writer.commit_outcomes([outcome]))
            await tx.commit_outcomes([outcome])
            assert not late.done()
        assert await late == []
        async with other.writer.transaction() as tx:
            assert not await tx.lock([message.id])


class TestFaults:
    async def test_a_server_that_is_killed_is_unavailable_and_then_there_again(
        self, journal: PostgresJournal, postgres_server: PrivatePostgres
    ) -> None:
        await accepted(journal, b"before")
        postgres_server.kill()
        try:
            with pytest.raises(Unavailable) as caught:
                await journal.writer.accept([a_message(b"CANARY")])
            with pytest.raises(Unavailable):
                await journal.queries.in_flight("test", "", 10)
            with pytest.raises(Unavailable):
                async with journal.writer.transaction():
                    raise AssertionError("there is no transaction to be in")
        finally:
            postgres_server.start()
        assert "CANARY" not in f"{caught.value!r} {caught.value.detail}"
        await accepted(journal, b"after")
        assert len(await journal.queries.in_flight("test", "", 10)) == 2

    async def test_a_key_with_a_nul_is_known_again(self, journal: PostgresJournal) -> None:
        """Broken once: what the database gave back was not what was looked for, over and over again."""
        keys = ("a\0b", "a\0b", "a\ufffdb")
        receipts = [(await journal.writer.accept([a_message(b"x", source_key=key)]))[0] for key in keys]
        assert [receipt.duplicate_of for receipt in receipts] == [None, receipts[0].id, receipts[0].id]

    async def test_a_database_that_was_restored_under_it_is_taken_as_it_is_now(
        self, journal: PostgresJournal, url: str
    ) -> None:
        await accepted(journal, b"before")
        connection = await asyncpg.connect(url)
        fields = ", ".join(
            f"{row[0]} {row[1]}"
            for row in await connection.fetch(
                "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
                "WHERE attrelid = 'new_message'::regclass ORDER BY attnum"
            )
        )
        await connection.execute(f"DROP TYPE new_message; CREATE TYPE new_message AS ({fields})")
        await connection.close()
        with pytest.raises(Unavailable):
            await journal.writer.accept([a_message(b"old types")])
        await accepted(journal, b"new types")

    async def test_without_tables_or_password_it_says_what_to_do(self, postgres_url: str) -> None:
        journal = PostgresJournal(postgres_url)
        await journal.open()
        with pytest.raises(Unavailable, match="islet db upgrade"):
            await journal.writer.accept([a_message(b"x")])
        await journal.close()
        secret = postgres_url.partition("islet:")[2].partition("@")[0]
        journal = PostgresJournal(postgres_url.replace(secret, "CANARY"))
        await journal.open()
        with pytest.raises(Unavailable, match="password") as caught:
            await journal.writer.accept([a_message(b"x")])
        assert "CANARY" not in f"{caught.value!r} {caught.value.detail} {journal!r}"
        await journal.close()
