"""Partitions on PostgreSQL: made ahead, looked at only where the ids can be, and dropped with nothing lost."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import func, select, text

from engine.contracts.journal import DeliveryOutcome, ProcessOutcome
from engine.journal import tables
from engine.journal.migrate import upgrade_postgres
from engine.journal.postgres import PostgresJournal, statements
from engine.journal.postgres.partitions import TABLES
from engine.journal.postgres.statements import Connection
from engine.journal.weeks import Week
from engine.model.errors import Unavailable
from engine.model.outcome import Answer
from engine.model.states import DeliveryState, MessageState
from engine.runtime.audit import books
from engine.runtime.prune import Pruned
from engine.testing.builders import STANDS_AT, a_message, an_id
from engine.testing.prune_kit import KEPT, a_family, planned, prune, rows_of

_LONG_AGO = STANDS_AT - timedelta(weeks=80)
"""Older than anything is kept."""


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


async def names(journal: PostgresJournal, table: str = "message") -> set[str]:
    rows = await journal.queries.all(
        text(f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{table}'::regclass")
    )
    return {row[0] for row in rows}


async def partition_of(journal: PostgresJournal, table: str, id_: str) -> str:
    key = TABLES[table]
    rows = await journal.queries.all(text(f"SELECT tableoid::regclass::text FROM {table} WHERE {key} = '{id_}'"))
    return str(rows[0][0])


def days_before(moment: datetime) -> float:
    return (STANDS_AT - moment) / timedelta(days=1)


class TestMaking:
    async def test_a_new_database_has_this_week_the_next_and_a_default(self, journal: PostgresJournal) -> None:
        for table in TABLES:
            assert len(await names(journal, table)) == 3
            assert f"{table}_default" in await names(journal, table)
        (message,) = [a_message(b"x")]
        await journal.writer.accept([message])
        assert await partition_of(journal, "message", message.id) == f"message_p{Week.of(datetime.now(UTC)).name}"

    async def test_what_is_there_is_not_made_again(self, journal: PostgresJournal) -> None:
        later = STANDS_AT + timedelta(weeks=200)
        made = await journal.partitions.make_ahead(later, weeks=1)
        week, following = Week.of(later).and_next(1)
        assert sorted(made) == sorted(f"{table}_p{one.name}" for table in TABLES for one in (week, following))
        assert await journal.partitions.make_ahead(later, weeks=1) == []
        assert [one for one in await journal.partitions.stretches() if one >= week.ids] == [week.ids, following.ids]

    async def test_a_new_partition_takes_over_what_lies_in_the_default_one(self, journal: PostgresJournal) -> None:
        family = await a_family(journal, days_before(_LONG_AGO))
        assert await partition_of(journal, "message", family.message.id) == "message_default"
        await journal.partitions.make_ahead(_LONG_AGO, weeks=0)
        week = Week.of(_LONG_AGO).name
        assert await partition_of(journal, "message", family.message.id) == f"message_p{week}"
        assert await partition_of(journal, "delivery", family.second.id) == f"delivery_p{week}"
        assert await partition_of(journal, "attempt", family.second.id) == f"attempt_p{week}"
        assert len(await rows_of(journal, family)) == 4

    async def test_partitions_that_it_makes_have_all_indexes(self, journal: PostgresJournal) -> None:
        await journal.partitions.make_ahead(_LONG_AGO, weeks=0)
        for table in ("message", "delivery", "attempt"):
            counted = select(func.count()).select_from(text("pg_indexes"))
            (whole,) = (await journal.queries.all(counted.where(text(f"tablename = '{table}'"))))[0]
            name = f"{table}_p{Week.of(_LONG_AGO).name}"
            assert (await journal.queries.all(counted.where(text(f"tablename = '{name}'"))))[0][0] == whole

    async def test_an_open_engine_makes_them_by_itself(self, url: str, journal: PostgresJournal) -> None:
        week = Week.of(datetime.now(UTC)).name
        for table in TABLES:
            await _sql(url, f"DROP TABLE {table}_p{week}")
        engine = PostgresJournal(url, makes_partitions=True)
        await engine.open()
        async with asyncio.timeout(20):
            # The last of them; the database does not tell.
            while f"attempt_p{week}" not in await names(journal, "attempt"):  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert f"message_p{week}" in await names(journal)
        await engine.close()

    async def test_several_engines_at_once_and_writers_beside_them_do_no_harm(
        self, url: str, journal: PostgresJournal
    ) -> None:
        others = [PostgresJournal(url) for _ in range(3)]
        for other in others:
            await other.open()
        making = [other.partitions.make_ahead(_LONG_AGO, weeks=3) for other in others]
        messages = [a_message(b"x", id_=an_id(_LONG_AGO + timedelta(days=day))) for day in range(28)]
        writing = [asyncio.ensure_future(journal.writer.accept([message])) for message in messages]
        made = await asyncio.gather(*making)
        await asyncio.gather(*writing)
        assert sum(map(len, made)) == 12
        assert len(await journal.queries.in_flight("test", "", 100)) == 28
        for other in others:
            await other.close()


class TestLooking:
    @pytest.fixture
    async def connection(self, url: str) -> AsyncIterator[Connection]:
        made = await asyncpg.connect(url)
        yield made
        await made.close()

    @pytest.fixture
    async def old_weeks(self, journal: PostgresJournal) -> Sequence[Week]:
        weeks = list(Week.of(_LONG_AGO).and_next(19))
        await journal.partitions.make_ahead(_LONG_AGO, weeks=19)
        return weeks

    async def test_a_statement_looks_only_at_the_partitions_of_its_ids(
        self, connection: Connection, old_weeks: Sequence[Week]
    ) -> None:
        """Twenty cost no more than one. Broken on purpose once: without the bounds all of them are looked at."""
        week = old_weeks[7]
        ids = [an_id(week.begins + timedelta(days=day)) for day in range(3)]
        for number, (table, sql) in enumerate(
            (
                ("message", statements._LOCK_MESSAGES),
                ("message", statements._FINISH_MESSAGES),
                ("delivery", statements._FINISH_DELIVERIES),
                ("message", statements._RELEASE_MESSAGES),
            )
        ):
            await connection.execute(f"PREPARE asked{number} AS {sql}")
            for mode in ("force_custom_plan", "force_generic_plan"):
                await connection.execute(f"SET plan_cache_mode = {mode}")
                rows = await connection.fetch(f"EXPLAIN (ANALYZE) EXECUTE asked{number} ({_parameters(sql, ids)})")
                plan = "\n".join(row[0] for row in rows)
                scanned = set(re.findall(rf"Scan (?:using \S+ )?on ({table}_\w+)", plan))
                assert scanned == {f"{table}_p{week.name}"}, plan
                if mode == "force_custom_plan":  # the other kind names all that an UPDATE could change
                    assert set(re.findall(rf"{table}_(?:p(\d+)|default)", plan)) == {week.name}, plan

    async def test_a_plan_that_was_made_when_all_was_empty_stays_right_when_it_is_not(
        self, journal: PostgresJournal
    ) -> None:
        """It is kept until the next ANALYZE. Broken on purpose once: an accept read all source keys, and finishing all
        that was in flight."""
        connection = await journal._connect()
        ids = [an_id(_LONG_AGO)]
        nothing = "ARRAY[]::new_message[], ARRAY[]::new_source_key[]"
        asked = {
            statements._ACCEPT_NEW: nothing,
            statements._FIND_KEYS: "ARRAY['c'], ARRAY['k']",
            **{
                sql: _parameters(sql, ids)
                for sql in (
                    statements._LOCK_MESSAGES,
                    statements._FINISH_MESSAGES,
                    statements._FINISH_DELIVERIES,
                    statements._RELEASE_MESSAGES,
                    statements._RELEASE_DELIVERIES,
                )
            },
        }
        for number, (sql, parameters) in enumerate(asked.items()):
            await connection.execute(f"PREPARE empty{number} AS {sql}")
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE empty{number} ({parameters})"))
            assert not re.search(r"Seq Scan on (message|delivery|source_key)", plan), plan
            assert "lane_id_idx" not in plan, plan
        await connection.close()

    async def test_what_is_in_flight_is_found_in_every_partition_by_index(
        self, url: str, journal: PostgresJournal, old_weeks: Sequence[Week]
    ) -> None:
        old = [a_message(b"x", id_=an_id(week.begins)) for week in old_weeks]
        new = a_message(b"x")
        await journal.writer.accept([*old, new])
        assert list(await journal.queries.in_flight("test", "", 100)) == [*(m.id for m in old), new.id]


class TestDropping:
    async def test_a_week_that_is_old_for_every_channel_goes_at_once(self, journal: PostgresJournal) -> None:
        await journal.partitions.make_ahead(_LONG_AGO, weeks=2)
        week, following, _ = Week.of(_LONG_AGO).and_next(2)
        middle = days_before(week.begins + timedelta(days=3))
        gone = [await a_family(journal, middle) for _ in range(3)]
        young = await a_family(journal, 1)
        before = await books(journal.queries)
        plan = await planned(journal)
        assert week.ids in plan.stretches
        done = await prune(journal)
        assert (done.messages, done.deliveries, done.partitions, done.moved) == (6, 6, 3, 0)
        assert f"message_p{week.name}" not in await names(journal)
        assert f"attempt_p{following.name}" not in await names(journal, "attempt")
        assert [await rows_of(journal, family) for family in gone] == [[], [], []]
        assert len(await rows_of(journal, young)) == 4
        keys = await journal.queries.all(select(tables.source_key.c.message_id))
        assert [row[0] for row in keys] == [young.message.id]
        after = await books(journal.queries)
        assert after.balance
        assert (after.copies, after.channels, after.pruned) == (before.copies, before.channels, 12)

    async def test_what_must_stay_is_moved_first_and_goes_by_itself_when_handled(
        self, journal: PostgresJournal
    ) -> None:
        """Broken on purpose once: dropping without moving. Then the held family is gone, and the books show it."""
        await journal.partitions.make_ahead(_LONG_AGO, weeks=1)
        week = Week.of(_LONG_AGO)
        middle = days_before(week.begins + timedelta(days=3))
        held = await a_family(journal, middle, ends=DeliveryState.HELD)
        retried = await a_family(journal, middle, ends=DeliveryState.RETRY)
        across = await a_family(journal, middle, child_days_old=days_before(week.begins + timedelta(days=8)))
        with_a_late_child = await a_family(journal, middle, child_days_old=3)
        of_no_channel = await a_family(journal, middle, channels=("test", "gone"))
        through = await a_family(journal, middle)
        done = await prune(journal)
        assert f"message_p{week.name}" not in await names(journal)
        assert [len(await rows_of(journal, one)) for one in (held, retried, with_a_late_child, of_no_channel)] == [
            4
        ] * 4
        assert [await rows_of(journal, one) for one in (across, through)] == [[], []]
        assert (done.messages, done.deliveries, done.partitions) == (4, 4, 2)
        assert await partition_of(journal, "delivery", held.second.id) == "delivery_default"
        assert await partition_of(journal, "attempt", held.second.id) == "attempt_default"
        message, *_ = await rows_of(journal, held)
        assert bytes(message["body"]) == b"CANARY body"
        assert (await books(journal.queries)).balance
        await journal.writer.release([], [held.second.id])
        await journal.writer.commit_deliveries([_sent(held.second.id), _sent(retried.second.id)])
        again = await prune(journal)
        assert (again.messages, again.deliveries, again.partitions) == (4, 4, 0)
        assert (await books(journal.queries)).balance

    async def test_a_week_of_which_too_much_stays_is_left_and_the_rest_is_deleted(
        self, journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("engine.journal.postgres.partitions._MOST_MOVED", 2)
        await journal.partitions.make_ahead(_LONG_AGO, weeks=0)
        week = Week.of(_LONG_AGO)
        middle = days_before(week.begins + timedelta(days=3))
        waiting = [await a_family(journal, middle, ends=DeliveryState.HELD) for _ in range(3)]
        through = await a_family(journal, middle)
        assert await prune(journal) == Pruned(bodies=4, messages=2, deliveries=2)
        assert f"message_p{week.name}" in await names(journal)
        assert [len(await rows_of(journal, one)) for one in [*waiting, through]] == [4, 4, 4, 0]
        assert (await books(journal.queries)).balance

    async def test_nothing_goes_of_a_week_whose_bodies_are_still_there(self, journal: PostgresJournal) -> None:
        """A copy with its body could be replayed at this moment; one without cannot, and so nothing changes it."""
        await journal.partitions.make_ahead(_LONG_AGO, weeks=0)
        week = Week.of(_LONG_AGO)
        family = await a_family(journal, days_before(week.begins + timedelta(days=3)))
        dropped = await journal.partitions.drop(week.ids, list(KEPT))
        assert dropped is not None
        assert (dropped.messages, dropped.moved) == (0, 5)
        assert len(await rows_of(journal, family)) == 4

    async def test_while_somebody_is_in_the_way_it_waits_and_gives_up_with_a_word(
        self, url: str, journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("engine.journal.postgres.partitions._TRIES", 1)
        await journal.partitions.make_ahead(_LONG_AGO, weeks=0)
        reader = await asyncpg.connect(url)
        async with reader.transaction():
            await reader.fetch("SELECT count(*) FROM message")
            with pytest.raises(Unavailable, match="journal-busy"):
                await prune(journal)
        await reader.close()
        assert (await prune(journal)).partitions == 1

    async def test_engines_go_on_while_weeks_are_dropped(self, journal: PostgresJournal) -> None:
        await journal.partitions.make_ahead(_LONG_AGO, weeks=5)
        for week in Week.of(_LONG_AGO).and_next(5):
            await a_family(journal, days_before(week.begins + timedelta(days=3)))
        pruning = asyncio.create_task(prune(journal))
        accepted = 0
        while not pruning.done():
            message = a_message(b"x")
            await journal.writer.accept([message])
            done = await journal.writer.commit_outcomes([ProcessOutcome(message.id, MessageState.FILTERED)])
            assert done == [message.id]
            accepted += 1
        assert (await pruning).partitions == 6
        result = await books(journal.queries)
        assert result.balance
        assert result.copies["filtered"] == accepted > 0


def _sent(id_: str) -> DeliveryOutcome:
    return DeliveryOutcome(id_, DeliveryState.SENT, 3, Answer("AA"))


def _parameters(sql: str, ids: Sequence[str]) -> str:
    """Literals for a statement of the journal's: ids, the least and the greatest, perhaps rows with these ids and
    nothing else."""
    kinds = dict(re.findall(r"\$(\d+)::(\w+)\[\]", sql))
    array = f"ARRAY{list(ids)!r}::text[]"
    rows = ", ".join(f"""jsonb_populate_record(NULL::{kinds.get("4")}, '{{"id": "{id_}"}}')""" for id_ in ids)
    given = {1: array, 2: repr(ids[0]), 3: repr(ids[-1]), 4: f"ARRAY[{rows}]" if "4" in kinds else "0"}
    most = max(int(number) for number in re.findall(r"\$(\d+)", sql))
    nothing = (f"ARRAY[]::{kinds.get(str(number))}[]" for number in range(5, most + 1))
    return ", ".join([*(given[number] for number in range(1, min(most, 4) + 1)), *nothing])


async def _sql(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()
