"""How long `islet messages find` takes: on PostgreSQL in a year of weekly partitions, or on SQLite.

    python benchmarks/find_messages.py [rows] [sqlite]

Fills a store of its own (a minute and a half for a million), and prints the median of each search in ms.
"""

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from engine.contracts.journal import Journal
from engine.journal.migrate import upgrade_postgres, upgrade_sqlite
from engine.journal.postgres import PostgresJournal
from engine.journal.sqlite import SqliteJournal
from engine.journal.weeks import id_at
from engine.runtime.find import Search, find
from engine.testing.filled import fill, fill_sqlite
from engine.testing.services import PrivatePostgres

_WEEKS = 52
_TURNS = 15


def searches(rows: int, now: datetime) -> dict[str, Search]:
    return {
        "control id": Search(control_id=f"M{rows // 2}"),
        "patient (MRN)": Search(patients=("4711",)),
        "patient, linked": Search(patients=("4711", "01890000-aaaa-7000-8000-000000000000", "STM|4711")),
        "channel": Search(channel="channel-3"),
        "state: held": Search(state="held"),
        "state: filtered": Search(state="filtered"),
        "state: sent": Search(state="sent"),
        "channel and state": Search(channel="channel-3", state="held"),
        "code": Search(code="code-3"),
        "fingerprint": Search(fingerprint="fingerprint-33"),
        "since yesterday": Search(since=now - timedelta(days=1), from_id=id_at(now - timedelta(days=2))),
    }


async def on_postgres(url: str, rows: int) -> None:
    now = datetime.now(UTC)
    start = now - timedelta(weeks=_WEEKS)
    journal = PostgresJournal(url)
    await journal.open()
    await journal.partitions.make_ahead(start, _WEEKS)
    await fill(url, rows, start, now - start)
    print(f"{rows:,} messages in {len(await journal.partitions.stretches())} partitions; median of {_TURNS}, ms")
    await measure(journal, rows, now)


async def on_sqlite(path: Path, rows: int) -> None:
    now = datetime.now(UTC)
    start = now - timedelta(weeks=_WEEKS)
    fill_sqlite(path, rows, start, now - start)
    journal = SqliteJournal(path)
    await journal.open()
    print(f"{rows:,} messages in SQLite; median of {_TURNS}, ms")
    await measure(journal, rows, now)


async def measure(journal: Journal, rows: int, now: datetime) -> None:
    for name, search in searches(rows, now).items():
        taken = []
        for _ in range(_TURNS):
            begun = time.perf_counter()
            found = await find(journal.queries, search)
            taken.append((time.perf_counter() - begun) * 1000)
        print(f"  {name:20} {median(taken):8.1f}   ({len(found)} found)")
    await journal.close()


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        if sys.argv[2:] == ["sqlite"]:
            upgrade_sqlite(Path(folder, "islet.db"))
            asyncio.run(on_sqlite(Path(folder, "islet.db"), rows))
            return
        with PrivatePostgres(Path(folder, "server")) as server:
            url = server.new_database()
            asyncio.run(upgrade_postgres(url))
            asyncio.run(on_postgres(url, rows))


if __name__ == "__main__":
    main()
