"""One engine owns a SQLite store: its embedded broker hands tickets over in memory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StoreInUse(Exception):
    """Another engine runs on this store."""


@contextmanager
def own_store(path: Path) -> Iterator[None]:
    """Hold the store's lock file; the system lets go of it when the process dies. Raises StoreInUse."""
    lock = path.with_name(path.name + ".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise StoreInUse(
                f"another engine (process {file.read().strip() or 'unknown'}) runs on {path}; "
                "stop it first, or give this one a store of its own with --store"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
