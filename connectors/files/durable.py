"""File operations that are whole or not at all, and still there after a power cut. Blocking: call them in a thread."""

import errno
import os
from pathlib import Path
from typing import Final

from engine import sdk


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable: new, renamed and removed names."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(target: Path, body: bytes) -> None:
    """Put `body` at `target` in one step: a reader of the folder sees all of it or nothing.

    What an interrupted call leaves is hidden (`.NAME.tmp`) and is written over by the next.
    """
    draft = target.with_name(f".{target.name}.tmp")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640)
    try:
        try:
            write_all(handle, body)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(draft, target)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def write_all(handle: int, body: bytes) -> None:
    """Write every byte; the operating system may take fewer at a time than it is given."""
    rest = memoryview(body)
    while rest:
        rest = rest[os.write(handle, rest) :]


def move(source: Path, folder: Path, name: str) -> None:
    """Rename a file into a folder of the same file system, under a name that is free there (see `free_name`)."""
    os.rename(source, folder / name)
    sync_folder(folder)
    sync_folder(source.parent)


def free_name(folder: Path, name: str) -> str:
    """`name`, or if it is taken `STEM.2.ENDING`, `STEM.3.ENDING` and so on."""
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    number = 1
    while os.path.lexists(folder / name):
        number += 1
        name = f"{stem}.{number}{dot}{ending}"
    return name


_WORDS = {
    errno.ENOSPC: ("disk-full", "there is no room left; free some space"),
    errno.EDQUOT: ("disk-full", "the quota is used up; free some space or have it raised"),
    errno.EACCES: ("no-permission", "this user may not; grant it the right"),
    errno.EPERM: ("no-permission", "this user may not; grant it the right"),
    errno.EROFS: ("no-permission", "the file system is read-only; mount it writable"),
    errno.ENOENT: ("no-folder", "it is not there; make the folder, or mount what holds it"),
    errno.ENOTDIR: ("no-folder", "it is not a folder; name another, or make room for it"),
}


def in_words(error: OSError, doing: str, folder: Path) -> sdk.Unavailable:
    """What the operating system says, for an operator. Names the folder only: a file may bear a patient's name."""
    code, advice = _WORDS.get(error.errno or 0, ("file-system", f"{error.strerror or type(error).__name__}"))
    return sdk.Unavailable(f"cannot {doing} {folder}: {advice}", code=code)


_TROUBLES: Final = {"disk_full": errno.ENOSPC, "no_permission": errno.EACCES, "no_folder": errno.ENOENT}


def rehearsed(word: str, folder: Path) -> sdk.Unavailable:
    """The error that `disk_full`, `no_permission` or `no_folder` stands for in a channel test. Raises ValueError for
    any other word."""
    number = _TROUBLES.get(word.replace("-", "_"))
    if number is None:
        raise ValueError("is nothing that happens to a file; write disk_full, no_permission or no_folder")
    return in_words(OSError(number, os.strerror(number)), "write into", folder)
