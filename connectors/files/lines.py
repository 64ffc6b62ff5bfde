"""`json_lines_writer`: deliveries as lines of JSON, appended to a file for each day, or however it is named.

A line is `{"id": DELIVERY, "body": MESSAGE}`; the id makes a repeat recognisable, for us and for who reads the file.
"""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import orjson
from pydantic import AfterValidator, Field

from connectors.files.durable import in_words, rehearsed, sync_folder, write_all
from connectors.files.naming import check_template, file_name
from connectors.files.writer import Ending
from engine import sdk

_HEAD: Final = b'{"id":"'
_ID_LENGTH: Final = 36
_FILES_IN_USE: Final = 4


class JsonLinesWriterSettings(sdk.Settings):
    """Where lines go and what the files are called."""

    folder: Path = Field(description="An existing folder")
    file_name: Annotated[str, AfterValidator(lambda value: check_template(value, may=["channel", "received"]))] = Field(
        "{channel}-{received:%Y-%m-%d}", description="From {channel} and {received:%Y%m%d} (UTC)"
    )
    ending: Ending = ".jsonl"

    def claims(self) -> list[str]:
        """What no other channel may use at the same time."""
        return [f"lines {self.folder.absolute()}/{self.file_name}{self.ending}"]


@dataclass(slots=True)
class _Known:
    """What we know of a file that we write to; `size` and `inode` tell whether it is still as we left it."""

    size: int
    inode: int
    ids: set[bytes] = field(default_factory=set)


class JsonLinesWriter:
    """Destination: a line for each delivery. See JsonLinesWriterSettings.

    Each line is on the disk when `send` returns. A line that a crash cut is cut away before the next is written; the
    ids of the files in use are kept in memory (some 80 bytes a line), so that a repeat writes nothing.
    """

    def __init__(self, settings: JsonLinesWriterSettings, context: sdk.PluginContext) -> None:
        self._settings = settings
        self._context = context
        self._turn = asyncio.Lock()
        self._known: dict[str, _Known] = {}

    async def open(self) -> None:
        """Nothing to do: a folder that is away is for `send` to find out."""

    async def send(self, delivery: sdk.Delivery) -> sdk.Answer:
        """Raises InvalidMessage if the body is not JSON, Unavailable if it cannot be written."""
        line = _line(delivery)
        path = self._settings.folder / (file_name(self._settings.file_name, delivery) + self._settings.ending)
        try:
            async with self._turn:
                existing = await asyncio.to_thread(self._append, path, delivery.id.encode("ascii"), line)
        except OSError as error:
            raise in_words(error, "write into", self._settings.folder) from error
        return sdk.Answer("existing" if existing else "written", location=path.name, existing=existing)

    def rehearse(self, delivery: sdk.Delivery, word: str) -> sdk.Answer:  # noqa: ARG002
        """See `connectors.files.durable.rehearsed`: for channel tests."""
        raise rehearsed(word, self._settings.folder)

    def rehearse_in(self, folder: Path) -> "JsonLinesWriter":
        """One like this that writes into another folder: for channel tests."""
        return JsonLinesWriter(self._settings.model_copy(update={"folder": folder}), self._context)

    async def close(self) -> None:
        """Nothing stays open."""
        self._known.clear()

    def _append(self, path: Path, id_: bytes, line: bytes) -> bool:
        """Was the line there before?"""
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o640)
        try:
            known = self._knowledge_of(path, handle)
            if id_ in known.ids:
                return True
            try:
                write_all(handle, line)
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, known.size)
                raise
            known.size += len(line)
            known.ids.add(id_)
        finally:
            os.close(handle)
        return False

    def _knowledge_of(self, path: Path, handle: int) -> _Known:
        status = os.fstat(handle)
        known = self._known.get(path.name)
        if known is None or (known.size, known.inode) != (status.st_size, status.st_ino):
            size, ids = _read_ids(path)
            os.ftruncate(handle, size)
            os.fsync(handle)  # lines of a process that died are promises too, and so is a new file's name
            sync_folder(path.parent)
            known = self._known[path.name] = _Known(size, status.st_ino, ids)
            if len(self._known) > _FILES_IN_USE:
                del self._known[next(iter(self._known))]
        return known


def _line(delivery: sdk.Delivery) -> bytes:
    try:
        orjson.loads(delivery.body)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise sdk.InvalidMessage("the body is not JSON", code="json-broken", path=where) from error
    # In JSON a bare line end is white space only, so the body keeps every digit as it was written.
    body = delivery.body.replace(b"\r", b" ").replace(b"\n", b" ")
    return b'%s%s","body":%s}\n' % (_HEAD, delivery.id.encode("ascii"), body)


def _read_ids(path: Path) -> tuple[int, set[bytes]]:
    """The length of the file's whole lines, and the ids in them."""
    size, ids = 0, set()
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                _check_ours(line, path)
                break  # cut by a crash: never acknowledged, so it comes again
            size += len(line)
            if line.startswith(_HEAD):
                ids.add(line[len(_HEAD) : len(_HEAD) + _ID_LENGTH])
    return size, ids


def _check_ours(cut_line: bytes, path: Path) -> None:
    if not (cut_line.startswith(_HEAD) or _HEAD.startswith(cut_line)):
        text = f"{path} ends in half a line that is not ours; end or remove that line, or name another file"
        raise sdk.NeedsOperator(text, code="foreign-file")


plugin = sdk.destination(
    "json_lines_writer",
    JsonLinesWriter,
    settings=JsonLinesWriterSettings,
    accepts={sdk.Shape.JSON, sdk.Shape.FHIR, sdk.Shape.RECORDS},
)
