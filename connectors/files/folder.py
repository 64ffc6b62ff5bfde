"""What lies in a folder, and which of it has come to rest. Only `scan` and `read_at_rest` touch the disk."""

import fnmatch
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

_UNFINISHED: Final = (".tmp", ".part", ".partial", ".filepart", ".crdownload", "~")

OrderBy = Literal["name", "modified"]


@dataclass(frozen=True, slots=True)
class Signature:
    """What changes when a file is written to or replaced."""

    size: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Signature":
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class Found:
    """A file that the pattern matches. Its name may be a patient's: never logged, the label is."""

    name: str
    signature: Signature

    @property
    def label(self) -> str:
        """For logs; `find FOLDER -inum N` tells the name."""
        return f"inode {self.signature.inode}"


def scan(folder: Path, pattern: str, marker: str | None = None) -> list[Found]:
    """The files in `folder` that match `pattern`, in no order; with `marker`, only those that have NAME + marker.

    Letter case makes no difference. Left out: folders, links, hidden files, and those with an unfinished upload's
    ending. A marker without its file is what a crash left, and is removed, or the next upload of that name would
    look finished before it is. Raises OSError.
    """
    matches = re.compile(fnmatch.translate(pattern), re.IGNORECASE).fullmatch
    found, marked = [], set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_file(follow_symlinks=False):
                continue
            if marker and entry.name.endswith(marker):
                marked.add(entry.name.removesuffix(marker))
            elif matches(entry.name) and not _is_unfinished(entry.name):
                found += _look(entry)
    if marker is None:
        return found
    for name in marked:
        if not os.path.lexists(folder / name):
            (folder / (name + marker)).unlink(missing_ok=True)
    return [file for file in found if file.name in marked]


def _is_unfinished(name: str) -> bool:
    return name.startswith((".", "~")) or name.lower().endswith(_UNFINISHED)


def _look(entry: "os.DirEntry[str]") -> list[Found]:
    try:
        return [Found(entry.name, Signature.of(entry.stat(follow_symlinks=False)))]
    except FileNotFoundError:  # taken away since the folder was listed
        return []


def in_order(files: Iterable[Found], by: OrderBy) -> list[Found]:
    """By name, or the least recently modified first."""
    if by == "name":
        return sorted(files, key=lambda file: file.name)
    return sorted(files, key=lambda file: (file.signature.modified_ns, file.name))


class Rest:
    """Remembers since when each file has not changed. Pure: the caller gives the time (monotonic seconds)."""

    def __init__(self, settled_for_seconds: float) -> None:
        self._settled_for = settled_for_seconds
        self._since: dict[Found, float] = {}

    def at_rest(self, files: Sequence[Found], now: float) -> list[Found]:
        """Those that have been as they are for long enough. Files that are gone or have changed are forgotten."""
        self._since = {file: self._since.get(file, now) for file in files}
        return [file for file in files if now - self._since[file] >= self._settled_for]


def read_at_rest(path: Path, expected: Signature) -> bytes | None:
    """The whole file, or None if it changed since it was found or while it was read. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(handle, "rb") as file:
        before = os.fstat(handle)
        if Signature.of(before) != expected or not stat.S_ISREG(before.st_mode):
            return None
        body = file.read(expected.size)
        return body if Signature.of(os.fstat(handle)) == expected and len(body) == expected.size else None
