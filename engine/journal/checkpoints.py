"""Checkpoints of SQLite's write-ahead log beside the writer.

Left to itself SQLite copies a long log into the database within the commit that finds it long enough, and all who wait
for that commit wait for thousands of pages and two syncs of the disk. Here a connection of its own copies while the
writer goes on; what has come meanwhile is little, and the writer copies it between two transactions, so that the log
begins anew (https://www.sqlite.org/wal.html, sections 2.3 and 6).
"""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

_PAGES: Final = 10_000
"""In the log when it is copied: more often costs more than a longer log."""
LATEST_PAGES: Final = 4 * _PAGES
"""When SQLite does it within a commit all the same: nobody has come to it, or somebody reads what is old."""
_FIRST_GUESS: Final = 20.0


class Checkpoints:
    """For one writer, on its event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._commits = 0
        self._pages_each = _FIRST_GUESS
        self._copying: asyncio.Task[None] | None = None
        self.to_finish = False
        """All but little has been copied: the writer is asked to copy the rest, and to call `finished`."""

    def committed(self) -> None:
        """One more commit is in the log."""
        self._commits += 1
        if self._copying is None and not self.to_finish and self._commits * self._pages_each >= _PAGES:
            self._copying = asyncio.create_task(self._copy(), name="journal-checkpoint")

    def finished(self) -> None:
        self.to_finish = False

    async def close(self) -> None:
        """Returns when nothing is being copied."""
        if self._copying is not None:
            await self._copying

    async def _copy(self) -> None:
        commits, self._commits = self._commits, 0
        try:
            pages = await asyncio.to_thread(_copied, self._path)
        except Exception:  # noqa: BLE001 - whatever it was, the log is longer until the next time, and nothing else
            pages = 0
        self._copying = None
        if pages:
            self._pages_each = pages / commits
            self.to_finish = True


def _copied(path: Path) -> int:
    """Copies what it can; how many pages the log had. Makes no file where there is none."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as connection:
        row = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return max(0, int(row[1]))
