"""Folders that are not there (yet): said once, waited for, made where they are Islet's own."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from connectors.files.reader import FileReader, FileReaderSettings
from engine import sdk
from engine.config.plan import Bound
from engine.journal import tables
from engine.plugins.plugin import source
from engine.testing.fakes import ManualClock, MemoryLog, plugin_context
from engine.testing.harness import RunningEngine, an_engine
from engine.testing.parts import HandSource, a_channel
from tests.integration.test_file_reader import CSV, Reading


def said(log: MemoryLog) -> list[str]:
    return [event for _, event, _ in log.events if event.startswith("folder-")]


async def test_a_missing_folder_is_said_once_and_begun_with_when_it_appears(tmp_path: Path) -> None:
    folder = tmp_path / "mount" / "in"
    work = Reading(folder)
    for _ in range(3):
        assert await work.look_again()
    assert said(work.log) == ["folder-missing"]
    folder.mkdir(parents=True)
    (folder / "a.csv").write_bytes(CSV)
    assert (await work.next()).body == CSV
    assert said(work.log) == ["folder-missing", "folder-there"]
    await work.close()


async def test_a_folder_that_goes_away_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    work = Reading(folder)
    assert await work.idle()
    folder.rename(tmp_path / "gone")
    for _ in range(3):
        assert await work.look_again()
    (tmp_path / "gone").rename(folder)
    (folder / "a.csv").write_bytes(CSV)
    assert (await work.next()).body == CSV
    assert said(work.log) == ["folder-missing", "folder-there"]
    await work.close()


async def test_a_source_that_waits_for_its_folder_can_be_closed(tmp_path: Path) -> None:
    work = Reading(tmp_path / "away")
    assert await work.idle()
    await work.close()


async def test_a_relative_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    work = Reading(Path("var/in"))
    assert await work.idle()
    assert (tmp_path / "var" / "in" / "processed").is_dir()
    assert said(work.log) == []
    await work.close()


async def test_a_folder_that_may_not_be_read_is_no_missing_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    reader = FileReader(FileReaderSettings(folder=tmp_path / "in"), plugin_context())
    monkeypatch.setattr(Path, "stat", forbidden)
    with pytest.raises(sdk.Unavailable, match="cannot use folder"):
        await anext(reader.deliveries())


async def because(engine: RunningEngine) -> str | None:
    """What `islet channel list` gives as the reason."""
    rows = await engine.tools.journal.queries.all(select(tables.channel_status.c.text))
    text: str | None = rows[0][0]
    return text


def reads(engine: RunningEngine, wanted: Callable[[str | None], bool]) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return wanted(await because(engine))

    return look


async def test_the_list_of_channels_says_what_a_channel_waits_for(tmp_path: Path) -> None:
    folder = tmp_path / "mount"
    plugin = source("files", FileReader, settings=FileReaderSettings, emits=sdk.Shape.BYTES)
    settings = FileReaderSettings.model_validate({"folder": folder, "every": "1s"})
    plan = replace(a_channel(source_part=HandSource()), source=Bound("files", plugin, settings))
    async with an_engine([plan], tmp_path / "islet.db", clock=ManualClock()) as engine:
        await engine.until(reads(engine, lambda text: "it is not there" in (text or "")), advance_seconds=1)
        folder.mkdir()
        await engine.until(reads(engine, lambda text: text is None), advance_seconds=1)
        assert said(engine.log) == ["folder-missing", "folder-there"]
        assert "part_failed" not in [event for _, event, _ in engine.log.events]
