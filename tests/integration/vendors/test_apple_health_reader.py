"""`apple_health_reader` on a real folder: many messages of one file, settled before it is moved."""

import asyncio
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clinical.vendors.apple_health import read_apple_health
from connectors.apple_health.parts import bodies
from connectors.apple_health.reader import AppleHealthReader, AppleHealthReaderSettings, plugin
from connectors.files.folder import Signature
from engine import sdk
from engine.plugins.plugin import PluginKind
from engine.testing.fakes import ManualClock, MemoryLog, plugin_context
from tests.unit.vendors.apple_files import a_sample, an_export
from tests.unit.vendors.mutations import CANARY, WHOSE

ACCEPTED = sdk.Accepted("m1")


def an_export_of(count: int) -> bytes:
    samples = (
        a_sample(
            "HeartRate",
            str(60 + n % 40),
            "count/min",
            start=f"2026-03-{1 + n // 1440:02d} {n // 60 % 24:02d}:{n % 60:02d}:00 +0200",
        )
        for n in range(count)
    )
    return an_export(*samples)


class Reading:
    """A reader at work, with what it gives settled by `verdict`."""

    def __init__(self, folder: Path, verdict: Callable[[int], sdk.Verdict | None], **settings: Any) -> None:
        self.log = MemoryLog()
        self.clock = ManualClock()
        written = {"folder": str(folder), "pattern": "*", "settled_for": "0s", "batch": 10, **settings}
        self.reader = AppleHealthReader(
            AppleHealthReaderSettings.model_validate(written), plugin_context(clock=self.clock, log=self.log)
        )
        self.arrivals: list[sdk.Arrival] = []
        self._verdict = verdict
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async for arrival in self.reader.deliveries():
            self.arrivals.append(arrival)
            verdict = self._verdict(len(self.arrivals))
            if verdict is not None:
                await arrival.settle(verdict)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0)
                if self.task.done():
                    await self.task

    async def close(self) -> None:
        await self.reader.close()
        async with asyncio.timeout(20):
            await self.task


def test_the_source_is_a_plugin() -> None:
    assert (plugin.kind, plugin.name, plugin.emits) == (PluginKind.SOURCE, "apple_health_reader", sdk.Shape.XML)


async def test_an_export_becomes_messages_and_is_moved_when_all_are_stored(tmp_path: Path) -> None:
    (tmp_path / f"{CANARY}_export.xml").write_bytes(an_export_of(25))
    reading = Reading(tmp_path, lambda _: ACCEPTED)
    await reading.until(lambda: (tmp_path / "processed" / f"{CANARY}_export.xml").exists())
    await reading.close()
    assert [len(read_apple_health(one.body, WHOSE).records) for one in reading.arrivals] == [10, 10, 5]
    assert len({one.source_key for one in reading.arrivals}) == 3
    assert CANARY not in str(reading.log.events)


async def test_the_zip_needs_no_unpacking(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("apple_health_export/export_cda.xml", "<ClinicalDocument/>")
        packed.writestr("apple_health_export/export.xml", an_export_of(12))
    reading = Reading(tmp_path, lambda _: ACCEPTED)
    await reading.until(lambda: (tmp_path / "processed" / "export.zip").exists())
    await reading.close()
    assert len(reading.arrivals) == 2


async def test_no_more_than_at_once_are_unsettled(tmp_path: Path) -> None:
    (tmp_path / "export.xml").write_bytes(an_export_of(100))
    reading = Reading(tmp_path, lambda _: None, at_once=2)
    await reading.until(lambda: len(reading.arrivals) == 2)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(reading.arrivals) == 2
    await reading.arrivals[0].settle(ACCEPTED)
    await reading.until(lambda: len(reading.arrivals) == 3)
    await reading.close()
    assert (tmp_path / "export.xml").exists()  # not all is settled: it will be read again


async def test_a_broken_export_is_refused_with_the_line_and_what_was_stored(tmp_path: Path) -> None:
    (tmp_path / "export.xml").write_bytes(an_export_of(25)[:-400])
    reading = Reading(tmp_path, lambda _: ACCEPTED)
    reason = tmp_path / "refused" / "export.xml.reason.txt"
    await reading.until(lambda: (tmp_path / "refused" / "export.xml").exists())
    await reading.close()
    assert len(reading.arrivals) == 2
    assert "xml-cut" in reason.read_text()
    assert "line 30" in reason.read_text()
    assert "2 messages from before it are stored" in reason.read_text()


async def test_a_file_that_is_no_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "export.zip").write_bytes(b"PK\x05\x06" + b"\x00" * 18)
    reading = Reading(tmp_path, lambda _: ACCEPTED)
    await reading.until(lambda: (tmp_path / "refused" / "export.zip").exists())
    await reading.close()
    assert "not-apple-health" in (tmp_path / "refused" / "export.zip.reason.txt").read_text()


async def test_a_deferred_part_leaves_the_file_to_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "export.xml").write_bytes(an_export_of(25))
    deferring: list[sdk.Verdict] = [sdk.Deferred(5.0, "the journal is away")]
    reading = Reading(tmp_path, lambda _: deferring.pop() if deferring else ACCEPTED, at_once=1)
    await reading.until(lambda: reading.clock.sleeping > 0)
    assert (tmp_path / "export.xml").exists()
    await reading.clock.advance(10)
    await reading.until(lambda: (tmp_path / "processed" / "export.xml").exists())
    await reading.close()
    assert len(reading.arrivals) == 4


async def test_a_rejected_part_refuses_the_file(tmp_path: Path) -> None:
    (tmp_path / "export.xml").write_bytes(an_export_of(25))
    reading = Reading(tmp_path, lambda _: sdk.Rejected("too-large", "too large"), at_once=1)
    await reading.until(lambda: (tmp_path / "refused" / "export.xml").exists())
    await reading.close()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for count in (8_000, 32_000):  # 4 and 15 MB
        file = tmp_path / f"{count}.xml"
        file.write_bytes(an_export_of(count))
        tracemalloc.start()
        parts = sum(1 for _ in bodies(file, Signature.of(os.lstat(file)), 500, 10**9))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert parts == count // 500
    assert peaks[1] < peaks[0] * 1.3
    assert peaks[1] < 12_000_000
