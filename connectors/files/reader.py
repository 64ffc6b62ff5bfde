"""`file_reader`: each file of a folder becomes a message, and is moved away once the journal has it."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path, PurePath
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from connectors.files.completeness import Flaw, flaw
from connectors.files.durable import free_name, in_words, move, write_whole
from connectors.files.folder import Found, OrderBy, Rest, Signature, in_order, read_at_rest, scan
from engine import sdk

BodyShape = Literal["json", "fhir", "hl7v2", "csv", "xml", "bytes"]

_BY_ENDING: Final[Mapping[str, sdk.Shape]] = {
    ".csv": sdk.Shape.CSV,
    ".json": sdk.Shape.JSON,
    ".xml": sdk.Shape.XML,
    ".hl7": sdk.Shape.HL7V2,
}
_LEAVE_SECONDS: Final = 60.0


class FileReaderSettings(sdk.Settings):
    """Which files to take, when they count as finished, and where they go afterwards."""

    folder: Path = Field(description="Where the files arrive; its subfolders are not read")
    pattern: str = Field("*", pattern=r"^[^/]+$", description="Names to take, such as *.csv; letter case is the same")
    shape: BodyShape | None = Field(None, description="What the files are; by default from the pattern's ending")
    every: sdk.Duration = Field(10.0, gt=0, description="How often to look")
    settled_for: sdk.Duration = Field(5.0, description="A file is finished when it has not changed for so long")
    done_marker: str | None = Field(
        None, pattern=r"^\.[^/]+$", description="A file is finished when NAME with this ending is there, such as .done"
    )
    processed: Path = Field(Path("processed"), description="Folder for files that were taken; relative to `folder`")
    refused: Path = Field(Path("refused"), description="Folder for files that were not; relative to `folder`")
    order_by: OrderBy = Field("name", description="Which file comes first")
    max_size: sdk.Size = Field(64_000_000, description="Longest file")
    at_once: int = Field(16, ge=1, description="Files read but not yet settled")
    check_whole: bool = Field(True, description="Refuse empty files, JSON that is none and CSV that was cut")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        places = {os.path.normpath(path) for path in (self.folder, self.processed_folder, self.refused_folder)}
        if len(places) < 3:
            raise ValueError("folder, processed and refused must be three different folders")
        return self

    @property
    def processed_folder(self) -> Path:
        return self.folder / self.processed

    @property
    def refused_folder(self) -> Path:
        return self.folder / self.refused

    def emitted_shape(self) -> sdk.Shape:
        """The shape of the messages, for type checks along the channel."""
        if self.shape is not None:
            return sdk.Shape(self.shape)
        return _BY_ENDING.get(PurePath(self.pattern).suffix.lower(), sdk.Shape.BYTES)

    def claims(self) -> list[str]:
        """What no other channel may use at the same time."""
        return [f"files {self.folder.absolute()}/{self.pattern}"]


def source_key(name: str, body: bytes) -> str:
    """Equal for the same content under the same name: what a crash between commit and move brings again."""
    return f"{name}:{hashlib.sha256(body).hexdigest()}"


class FileReader:
    """Source: one file is one message. See FileReaderSettings.

    Bodies are read one by one as the engine asks for them, `at_once` at most in hand. Accepted files are renamed
    into `processed`, rejected ones into `refused` with `NAME.reason.txt` beside them; both renames are durable.
    Logs name a file by its inode (`find FOLDER -inum N`), since file names may hold patients' names.
    """

    def __init__(self, settings: FileReaderSettings, context: sdk.PluginContext) -> None:
        self._settings = settings
        self._clock = context.clock
        self._log = context.log
        self._shape = settings.emitted_shape()
        self._rest = Rest(0.0 if settings.done_marker else settings.settled_for)
        self._in_hand: set[str] = set()
        self._leave_until: dict[Found, float] = {}
        self._prepared = False
        self._channel = context.channel
        self._waits_for = context.waits_for
        self._moving = asyncio.Lock()
        self._room = asyncio.Event()
        self._closed = asyncio.Event()

    async def deliveries(self) -> AsyncGenerator[sdk.Arrival, None]:
        """Waits for a folder that is not there. Raises Unavailable if one cannot be used, ConfigError if files cannot
        be renamed from one to another."""
        while await self._ready():
            for found in await self._finished():
                await self._wait_for_room()
                if self._closed.is_set():
                    return
                arrival = await self._take(found)
                if arrival is not None:
                    yield arrival
            await self._pause()

    async def close(self) -> None:
        """Look no more. Files in hand are still moved when they are settled."""
        self._closed.set()
        self._room.set()

    async def _ready(self) -> bool:
        """Wait until the folder is there; False when the source is closed. What is waited for is said once."""
        waits = False
        while not self._prepared and not self._closed.is_set():
            try:
                await asyncio.to_thread(self._prepare)
            except sdk.Unavailable as error:
                if error.code != "no-folder":
                    raise
                if not waits:
                    self._log.warning("folder-missing", channel=self._channel, code=error.code)
                    self._waits_for(error.text)
                waits = True
                await self._pause()
            else:
                self._prepared = True
        if waits and self._prepared:
            self._log.info("folder-there", channel=self._channel)
            self._waits_for(None)
        return not self._closed.is_set()

    def _prepare(self) -> None:
        """A relative folder is Islet's own, and is made. Any other may be a mount that is not there yet, and making it
        would hide that."""
        settings = self._settings
        folder = settings.folder
        try:
            if not folder.is_absolute():
                folder.mkdir(parents=True, exist_ok=True)
            device = folder.stat().st_dev
            for folder in (settings.processed_folder, settings.refused_folder):
                folder.mkdir(exist_ok=True)
                if folder.stat().st_dev != device:
                    text = f"{folder} is on another file system than {settings.folder}; put it on the same"
                    raise sdk.ConfigError([f"{text}, because only there a file is moved in one step"])
        except OSError as error:
            raise in_words(error, "use folder", folder) from error

    async def _finished(self) -> list[Found]:
        settings = self._settings
        try:
            files = await asyncio.to_thread(scan, settings.folder, settings.pattern, settings.done_marker)
        except OSError as error:
            gone = in_words(error, "read folder", settings.folder)
            if gone.code != "no-folder":
                raise gone from error
            self._prepared = False
            return []
        now = self._clock.monotonic()
        self._leave_until = {file: self._leave_until[file] for file in files if file in self._leave_until}
        ready = [
            file
            for file in self._rest.at_rest(files, now)
            if file.name not in self._in_hand and self._leave_until.get(file, now) <= now
        ]
        return in_order(ready, settings.order_by)

    async def _wait_for_room(self) -> None:
        while len(self._in_hand) >= self._settings.at_once and not self._closed.is_set():
            self._room.clear()
            await self._room.wait()

    async def _pause(self) -> None:
        waits = [asyncio.ensure_future(self._clock.sleep(self._settings.every))]
        waits.append(asyncio.ensure_future(self._wait_closed()))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _wait_closed(self) -> None:
        await self._closed.wait()

    async def _take(self, found: Found) -> sdk.Arrival | None:
        """The file as an arrival; None if it cannot be taken (now), after what that asks for was done."""
        if found.signature.size > self._settings.max_size:
            text = f"the file has {found.signature.size} bytes, and max_size allows {self._settings.max_size}"
            await self._refuse(found, Flaw("too-large", text))
            return None
        try:
            body = await asyncio.to_thread(read_at_rest, self._settings.folder / found.name, found.signature)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._leave(found, "file-unreadable", in_words(error, "read", self._settings.folder).code)
            return None
        if body is None:
            return None
        wrong = await asyncio.to_thread(flaw, body, self._shape) if self._settings.check_whole else None
        if wrong is not None:
            await self._refuse(found, wrong)
            return None
        return self._arrival(found, body)

    def _arrival(self, found: Found, body: bytes) -> sdk.Arrival:
        self._in_hand.add(found.name)

        async def settle(verdict: sdk.Verdict) -> None:
            try:
                await self._settle(found, verdict)
            finally:
                self._in_hand.discard(found.name)
                self._room.set()

        name = _as_text(found.name)
        return sdk.Arrival(body, self._shape, settle, meta={"file_name": name}, source_key=source_key(name, body))

    def rehearse(self, body: bytes, meta: Mapping[str, str]) -> sdk.Arrival:
        """What a file with this content would be, for channel tests; meta `file_name` is its name. Raises Refused if
        it would be moved to `refused`."""

        async def settle(_verdict: sdk.Verdict) -> None:
            """There is no file to be moved."""

        wrong = flaw(body, self._shape) if self._settings.check_whole else None
        if wrong is not None:
            raise sdk.Refused(wrong.reason, code=wrong.code, path=wrong.place or None)
        name = meta.get("file_name", "rehearsal")
        return sdk.Arrival(body, self._shape, settle, meta={"file_name": name}, source_key=source_key(name, body))

    def rehearse_reply(self, verdict: sdk.Verdict | None) -> str:
        """Where the file would go: `processed`, `refused`, or nowhere: `left`."""
        if isinstance(verdict, sdk.Accepted):
            return "processed"
        return "left" if isinstance(verdict, sdk.Deferred) else "refused"

    async def _settle(self, found: Found, verdict: sdk.Verdict) -> None:
        match verdict:
            case sdk.Accepted():
                await self._put_away(found, None)
            case sdk.Rejected(code, text):
                await self._refuse(found, Flaw(code, text))
            case sdk.Deferred(after_seconds):
                self._leave_until[found] = self._clock.monotonic() + after_seconds

    async def _refuse(self, found: Found, wrong: Flaw) -> None:
        self._log.warning("file-refused", code=wrong.code, file=found.label)
        await self._put_away(found, wrong)

    async def _put_away(self, found: Found, wrong: Flaw | None) -> None:
        try:
            async with self._moving:  # a free name is free for one at a time
                moved = await asyncio.to_thread(self._move, found, wrong)
        except FileNotFoundError:
            self._log.warning("file-gone", file=found.label)
        except OSError as error:
            # The journal has it: when it is read again it is recognised, and this is tried again.
            self._leave(found, "file-not-moved", in_words(error, "move files of", self._settings.folder).code)
        else:
            if not moved:
                self._log.warning("file-replaced", file=found.label)

    def _move(self, found: Found, wrong: Flaw | None) -> bool:
        """Out of the way; False if another file has taken its name, which stays to be read."""
        path = self._settings.folder / found.name
        if Signature.of(path.lstat()) != found.signature:
            return False
        folder = self._settings.processed_folder if wrong is None else self._settings.refused_folder
        name = free_name(folder, found.name)
        if wrong is not None:
            # First the reason: a crash may leave it alone, but never a refused file without it.
            write_whole(folder / f"{name}.reason.txt", self._reason(found, wrong).encode())
        move(path, folder, name)
        if self._settings.done_marker:
            path.with_name(path.name + self._settings.done_marker).unlink(missing_ok=True)
        return True

    def _reason(self, found: Found, wrong: Flaw) -> str:
        lines = [
            f"file: {_as_text(found.name)}",
            f"refused: {self._clock.now():%Y-%m-%dT%H:%M:%SZ}",
            f"code: {wrong.code}",
            *([f"where: {wrong.place}"] if wrong.place else []),
            f"reason: {wrong.reason}",
            f"what to do: have it sent again, or correct it, and put it into {self._settings.folder}",
        ]
        return "\n".join(lines) + "\n"

    def _leave(self, found: Found, event: str, code: str) -> None:
        """Say what is wrong, and look at the file again in a while."""
        self._log.error(event, code=code, file=found.label)
        self._leave_until[found] = self._clock.monotonic() + _LEAVE_SECONDS


def _as_text(name: str) -> str:
    """A file name as text that can be stored: the file system may hold bytes that are no UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


plugin = sdk.source("file_reader", FileReader, settings=FileReaderSettings, emits=sdk.Shape.BYTES)
