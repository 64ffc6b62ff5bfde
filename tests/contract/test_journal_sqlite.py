"""The journal on SQLite keeps the contract, and says so when its file cannot be written."""

import asyncio
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from engine.contracts.journal import ProcessOutcome
from engine.journal import checkpoints
from engine.journal.migrate import upgrade_sqlite
from engine.journal.sqlite import SqliteJournal
from engine.model.errors import Unavailable
from engine.model.states import MessageState
from engine.runtime.prune import Pruned
from engine.testing.builders import STANDS_AT, a_message, an_id
from engine.testing.journal_kit import JournalContract, accepted
from engine.testing.prune_kit import PruneContract, prune


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    upgrade_sqlite(tmp_path / "islet.db")
    made = SqliteJournal(tmp_path / "islet.db")
    await made.open()
    yield made
    await made.close()


class TestSqliteJournal(JournalContract):
    async def test_what_was_accepted_survives_the_process(self, journal: SqliteJournal, tmp_path: Path) -> None:
        (message,) = await accepted(journal, b"x")
        await journal.close()
        later = SqliteJournal(tmp_path / "islet.db")
        await later.open()
        assert list(await later.queries.pending([message.id])) == [message]
        await later.close()

    async def test_the_file_is_for_its_owner_only(self, journal: SqliteJournal) -> None:
        assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600

    async def test_closed_is_unavailable(self, journal: SqliteJournal) -> None:
        await journal.close()
        await journal.close()
        with pytest.raises(Unavailable, match="journal-closed"):
            await journal.writer.accept([a_message(b"x")])

    async def test_a_full_disk_is_unavailable_stores_nothing_and_passes(self, journal: SqliteJournal) -> None:
        await accepted(journal, b"before")
        # A page limit on the writer's own connection is how SQLite meets a full disk ("database or disk is full").
        await _pragma_in_the_writer(journal, "max_page_count = 1")
        with pytest.raises(Unavailable, match="journal-full") as caught:
            await journal.writer.accept([a_message(b"CANARY" * 100_000)])
        assert "CANARY" not in f"{caught.value!r} {caught.value.detail}"
        # The writer opens a new connection after a failure; the limit went with the old one.
        after = a_message(b"after")
        await journal.writer.accept([after])
        assert len(await journal.queries.in_flight("test", "", 10)) == 2

    async def test_calls_wait_for_a_transaction_and_then_go_on(self, journal: SqliteJournal) -> None:
        async with journal.writer.transaction():
            waiting = asyncio.ensure_future(journal.writer.put_cursor("c", "n", "1"))
            assert await journal.queries.cursor("c", "n") is None
            assert not waiting.done()
        await waiting
        assert await journal.queries.cursor("c", "n") == "1"

    async def test_a_locked_file_is_unavailable_until_the_lock_is_gone(self, tmp_path: Path) -> None:
        upgrade_sqlite(tmp_path / "locked.db")
        journal = SqliteJournal(tmp_path / "locked.db", lock_wait_seconds=0.0)
        await journal.open()
        other = sqlite3.connect(tmp_path / "locked.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable, match="journal-locked"):
            await journal.writer.accept([a_message(b"x")])
        with pytest.raises(Unavailable, match="journal-locked"):
            async with journal.writer.transaction():
                raise AssertionError("there is no transaction to be in")
        other.execute("ROLLBACK")
        other.close()
        await journal.writer.accept([a_message(b"y")])
        assert len(await journal.queries.in_flight("test", "", 10)) == 1
        await journal.close()


class TestCheckpoints:
    """Broken on purpose once: without the writer's own share the log holds every page that was ever written."""

    @pytest.fixture(autouse=True)
    def meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
        """A copy of the log has ended when this is released."""
        meanwhile, copied = threading.Semaphore(0), checkpoints._copied

        def copied_and_held(path: Path) -> int:
            pages = copied(path)
            assert meanwhile.acquire(timeout=30)
            return pages

        monkeypatch.setattr(checkpoints, "_PAGES", 100)
        monkeypatch.setattr(checkpoints, "_copied", copied_and_held)
        return meanwhile

    async def test_the_log_begins_anew_while_the_writer_goes_on(
        self, journal: SqliteJournal, meanwhile: threading.Semaphore
    ) -> None:
        await _write_megabytes(journal, 2, meanwhile)
        assert _log_bytes(journal) < 1_000_000

    async def test_it_grows_while_somebody_reads_what_is_old_and_begins_anew_after(
        self, journal: SqliteJournal, meanwhile: threading.Semaphore
    ) -> None:
        reader = sqlite3.connect(journal.path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM message").fetchone()
        await _write_megabytes(journal, 1, meanwhile)
        assert (held := _log_bytes(journal)) > 1_000_000
        reader.execute("COMMIT")
        reader.close()
        await _write_megabytes(journal, 2, meanwhile)
        assert _log_bytes(journal) < held + 1_000_000

    async def test_it_ends_with_the_journal(self, journal: SqliteJournal, meanwhile: threading.Semaphore) -> None:
        await _write_megabytes(journal, 1, meanwhile)
        await journal.close()
        assert not journal.path.with_name("islet.db-wal").exists()


async def _write_megabytes(journal: SqliteJournal, megabytes: int, meanwhile: threading.Semaphore) -> None:
    """With something committed while each copy of the log is under way."""
    copies = journal._commits._checkpoints
    for _ in range(50 * megabytes):
        await journal.writer.accept([a_message(b"x" * 20_000)])
        if copies._copying is not None:
            await journal.writer.accept([a_message(b"x" * 20_000)])
            meanwhile.release()
            await copies.close()


def _log_bytes(journal: SqliteJournal) -> int:
    return journal.path.with_name("islet.db-wal").stat().st_size


class TestSqlitePruning(PruneContract):
    async def test_it_goes_on_beside_an_engine_that_writes(self, journal: SqliteJournal) -> None:
        """Each piece is a short transaction: what arrives meanwhile is committed in between."""
        made = STANDS_AT - timedelta(days=401)
        old = [a_message(b"x", id_=an_id(made), received_at=made) for _ in range(1100)]
        await journal.writer.accept(old)
        await journal.writer.commit_outcomes([ProcessOutcome(one.id, MessageState.FILTERED) for one in old])
        pruning = asyncio.create_task(prune(journal))
        during = 0
        while not pruning.done():
            await journal.writer.accept([a_message(b"new")])
            during += 1
        assert await pruning == Pruned(bodies=1100, messages=1100)
        assert during >= 14, "one for each piece at least: 3 of bodies, 11 of families"
        assert len(await journal.queries.in_flight("test", "", 10_000)) == during


async def _pragma_in_the_writer(journal: SqliteJournal, pragma: str) -> None:
    await journal._commits.call(lambda connection: connection.exec_driver_sql(f"PRAGMA {pragma}") and None)
