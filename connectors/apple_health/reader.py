"""`apple_health_reader`: each export in a folder becomes many messages; the file is moved when all are stored."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import Any, Final

from pydantic import Field

from clinical.vendors.apple_health_xml import Splitter
from clinical.vendors.parsing import Unreadable
from connectors.apple_health.parts import bodies
from connectors.files.completeness import Flaw
from connectors.files.durable import in_words
from connectors.files.folder import Found
from connectors.files.reader import FileReader, FileReaderSettings
from engine import sdk

_END: Final = object()
_Settle = Callable[[sdk.Verdict], Awaitable[None]]


class AppleHealthReaderSettings(FileReaderSettings):
    """The settings of `file_reader`; `pattern` takes `export.xml` and zips. `batch`: samples in one message."""

    pattern: str = Field("*.zip", pattern=r"^[^/]+$", description="Names to take; the zip needs no unpacking")
    max_size: sdk.Size = Field(8_000_000_000, description="Longest export, unpacked")
    batch: int = Field(2000, ge=1, le=20_000, description="Samples in one message")
    at_once: int = Field(4, ge=1, le=64, description="Messages stored but not yet settled")

    def emitted_shape(self) -> sdk.Shape:
        """Parts of an export are exports."""
        return sdk.Shape.XML


class _Parts:
    """One export under way: how many of its messages are not settled yet, and what was wrong."""

    def __init__(self, at_once: int) -> None:
        self.room = asyncio.Semaphore(at_once)
        self.given = 0
        self.settled = 0
        self.trouble: Flaw | None = None
        self.wait_seconds: float | None = None
        self.done = asyncio.Event()


class AppleHealthReader(FileReader):
    """Source: one export is as many messages as it has batches of samples that can become records.

    A file of a gigabyte is never in memory. It is moved to `processed` when all its messages are stored, to `refused`
    with the line where it is broken: what stood before that is stored. After a crash it is read again from its
    beginning, and what is known is recognised by its bytes.
    """

    def __init__(self, settings: AppleHealthReaderSettings, context: sdk.PluginContext) -> None:
        super().__init__(settings, context)
        self._apple = settings

    async def deliveries(self) -> AsyncGenerator[sdk.Arrival, None]:
        """As `file_reader`'s."""
        while await self._ready():
            for found in await self._finished():
                async for arrival in self._export(found):
                    yield arrival
                if self._closed.is_set():
                    return
            await self._pause()

    async def _export(self, found: Found) -> AsyncGenerator[sdk.Arrival, None]:
        settings, parts = self._apple, _Parts(self._apple.at_once)
        path = settings.folder / found.name
        source = bodies(path, found.signature, settings.batch, settings.max_size)
        while not parts.trouble and parts.wait_seconds is None:
            body = await self._next(source, found, parts)
            if body is None:
                break
            if not await self._unless_closed(parts.room.acquire()):
                return
            parts.given += 1
            yield self._part(found, body, parts)
        while parts.settled < parts.given:
            parts.done.clear()
            if not await self._unless_closed(parts.done.wait()):
                return
        await self._conclude(found, parts)

    async def _next(self, source: Iterator[bytes], found: Found, parts: _Parts) -> bytes | None:
        try:
            body = await asyncio.to_thread(next, source, _END)
        except Unreadable as wrong:
            before = f" ({parts.given} messages from before it are stored)" if parts.given else ""
            parts.trouble = Flaw(wrong.code, f"{f'{wrong.path}: ' if wrong.path else ''}{wrong.text}{before}")
            return None
        except OSError as error:
            self._leave(found, "file-unreadable", in_words(error, "read", self._apple.folder).code)
            parts.wait_seconds = 0.0
            return None
        return body if isinstance(body, bytes) else None

    def _part(self, found: Found, body: bytes, parts: _Parts) -> sdk.Arrival:
        async def settle(verdict: sdk.Verdict) -> None:
            if isinstance(verdict, sdk.Rejected):
                parts.trouble = parts.trouble or Flaw(verdict.code, verdict.text)
            elif isinstance(verdict, sdk.Deferred):
                parts.wait_seconds = verdict.after_seconds
            parts.settled += 1
            parts.room.release()
            parts.done.set()

        return self._arrival_of(found.name, body, settle)

    def _arrival_of(self, name: str, body: bytes, settle: _Settle) -> sdk.Arrival:
        key = f"{name}:{hashlib.sha256(body).hexdigest()}"
        return sdk.Arrival(body, sdk.Shape.XML, settle, meta={"file_name": name}, source_key=key)

    async def _conclude(self, found: Found, parts: _Parts) -> None:
        if parts.trouble is not None:
            await self._refuse(found, parts.trouble)
        elif parts.wait_seconds is None:
            await self._put_away(found, None)
        elif parts.wait_seconds > 0:
            self._leave_until[found] = self._clock.monotonic() + parts.wait_seconds

    async def _unless_closed(self, work: Coroutine[Any, Any, Any]) -> bool:
        """Wait for `work`; False if the source was closed first."""
        task = asyncio.ensure_future(work)
        closing = asyncio.ensure_future(self._closed.wait())
        await asyncio.wait({task, closing}, return_when=asyncio.FIRST_COMPLETED)
        for one in (task, closing):
            if not one.done():
                one.cancel()
        return task.done() and not task.cancelled()

    def rehearse(self, body: bytes, meta: Mapping[str, str]) -> sdk.Arrival:
        """The first message that an export with this content would be. Raises Refused if it would be refused."""
        splitter = Splitter(self._apple.batch)
        try:
            found = [*splitter.feed(body), *splitter.finish()]
        except Unreadable as wrong:
            raise sdk.Refused(wrong.text, code=wrong.code, path=wrong.path) from None

        async def settle(_verdict: sdk.Verdict) -> None:
            """There is no file to be moved."""

        part = found[0] if found else b"<HealthData>\n</HealthData>\n"
        return self._arrival_of(meta.get("file_name", "rehearsal"), part, settle)


plugin = sdk.source("apple_health_reader", AppleHealthReader, settings=AppleHealthReaderSettings, emits=sdk.Shape.XML)
