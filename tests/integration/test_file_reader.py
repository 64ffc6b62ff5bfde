"""The file reader on a real folder; only its clock stands still."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.files.durable import move
from connectors.files.folder import read_at_rest
from connectors.files.reader import FileReader, FileReaderSettings, source_key
from engine import sdk
from engine.testing.fakes import ManualClock, MemoryLog, plugin_context

CSV = b"time,value\n10:00,182\n10:05,176\n"
ACCEPTED = sdk.Accepted("m1")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - files have no event to wait for
            await asyncio.sleep(0)


class Reading:
    """A reader at work on a folder."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.log = MemoryLog()
        written = {"folder": str(folder), "pattern": "*.csv", "every": "10s", "settled_for": "0s", **settings}
        self.reader = FileReader(
            FileReaderSettings.model_validate(written), plugin_context(clock=self.clock, log=self.log)
        )
        self._deliveries: AsyncGenerator[sdk.Arrival, None] = self.reader.deliveries()
        self._next: asyncio.Task[sdk.Arrival] | None = None

    async def next(self) -> sdk.Arrival:
        """The next arrival, letting time pass as the reader needs it."""
        while await self.idle():
            await self.clock.advance(10)
        assert self._next is not None
        arrival, self._next = await self._next, None
        return arrival

    async def idle(self) -> bool:
        """Look at the folder until there is an arrival (False), or there is nothing and the reader sleeps (True)."""
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._deliveries))
        task = self._next
        await until(lambda: task.done() or self.clock.sleeping > 0)
        return not task.done()

    async def look_again(self) -> bool:
        """One more look after the pause; True if there was nothing to take."""
        await self.idle()
        await self.clock.advance(10)
        return await self.idle()

    async def close(self) -> None:
        await self.reader.close()
        if self._next is not None:
            with pytest.raises(StopAsyncIteration):
                await self._next
        await self._deliveries.aclose()

    def names(self, where: str = "") -> list[str]:
        return sorted(entry.name for entry in (self.folder / where).iterdir() if entry.is_file())

    def events(self, *names: str) -> list[tuple[str, str | None]]:
        return [(event, fields.get("code")) for _, event, fields in self.log.events if event in names]


@asynccontextmanager
async def reading(folder: Path, **settings: Any) -> AsyncIterator[Reading]:
    work = Reading(folder, **settings)
    try:
        yield work
    finally:
        await work.close()


async def test_a_file_becomes_a_message_and_is_moved_only_once_it_was_accepted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    async with reading(tmp_path) as work:
        arrival = await work.next()
        assert (arrival.body, arrival.shape, arrival.meta) == (CSV, sdk.Shape.CSV, {"file_name": "a.csv"})
        assert arrival.source_key == source_key("a.csv", CSV)
        assert await work.look_again()  # in hand: not read a second time
        assert work.names() == ["a.csv"]
        await arrival.settle(ACCEPTED)
        assert (work.names(), work.names("processed")) == ([], ["a.csv"])
        assert (tmp_path / "processed" / "a.csv").read_bytes() == CSV
        assert await work.look_again()


async def test_after_a_crash_between_commit_and_move_the_file_comes_again_with_the_same_key_and_is_moved(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    async with reading(tmp_path) as crashed:
        first = await crashed.next()  # committed, say, and never settled
    async with reading(tmp_path) as restarted:
        again = await restarted.next()
        assert (again.source_key, again.body) == (first.source_key, first.body)
        await again.settle(sdk.Accepted("m1", duplicate=True))
        assert restarted.names("processed") == ["a.csv"]


async def test_a_rejected_file_is_kept_apart_with_its_reason_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    async with reading(tmp_path) as work:
        await (await work.next()).settle(sdk.Rejected("wrong-channel", "this channel takes no CSV"))
        assert (work.names(), work.names("refused")) == ([], ["a.csv", "a.csv.reason.txt"])
    assert (tmp_path / "refused" / "a.csv.reason.txt").read_text().splitlines() == [
        "file: a.csv",
        "refused: 2026-11-20T10:15:00Z",
        "code: wrong-channel",
        "reason: this channel takes no CSV",
        f"what to do: have it sent again, or correct it, and put it into {tmp_path}",
    ]


@pytest.mark.parametrize(
    ("name", "body", "lines"),
    [
        ("cut.csv", CSV + b"10:1", ["code: csv-cut", "where: line 4"]),
        ("quote.csv", CSV + b'"10:10,1\n', ["code: csv-quote", "where: line 4"]),
        ("cut.json", b'{"egvs": [\n {"value": 1', ["code: json-broken", "where: line 2, column 13"]),
        ("none.json", b"MSH|^~\\&|", ["code: json-broken", "where: line 1, column 1"]),
        ("empty.csv", b"", ["code: empty", "reason: the file has no content"]),
        ("big.csv", b"x,y\n" * 300, ["code: too-large", "reason: the file has 1200 bytes, and max_size allows 1000"]),
    ],
)
async def test_a_file_that_is_cut_empty_or_too_large_is_refused_before_it_is_a_message(
    tmp_path: Path, name: str, body: bytes, lines: list[str]
) -> None:
    (tmp_path / name).write_bytes(body)
    async with reading(tmp_path, pattern=f"*{Path(name).suffix}", max_size="1 kB") as work:
        assert await work.idle()
        assert (work.names(), work.names("refused")) == ([], [name, f"{name}.reason.txt"])
        assert work.events("file-refused") == [("file-refused", lines[0].removeprefix("code: "))]
    reason = (tmp_path / "refused" / f"{name}.reason.txt").read_text().splitlines()
    assert [line for line in reason if line in lines] == lines
    assert (tmp_path / "refused" / name).read_bytes() == body


async def test_what_looks_cut_is_taken_as_it_is_where_the_settings_say_so(tmp_path: Path) -> None:
    (tmp_path / "cut.csv").write_bytes(CSV + b"10:1")
    async with reading(tmp_path, check_whole=False) as work:
        assert (await work.next()).body == CSV + b"10:1"


async def test_a_deferred_file_stays_and_is_read_again_after_its_time(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    async with reading(tmp_path) as work:
        await (await work.next()).settle(sdk.Deferred(25.0, "the store is full"))
        assert work.names() == ["a.csv"]
        assert [await work.look_again() for _ in range(3)] == [True, True, False]
        await (await work.next()).settle(ACCEPTED)
        assert work.names("processed") == ["a.csv"]


async def test_a_file_is_left_alone_while_it_grows_and_until_it_has_settled(tmp_path: Path) -> None:
    growing = tmp_path / "a.csv"
    growing.write_bytes(CSV[:5])
    async with reading(tmp_path, settled_for="15s") as work:
        assert await work.idle()
        assert await work.look_again()
        growing.write_bytes(CSV)
        assert await work.look_again()  # 20 s after the first sight, but it has changed
        assert await work.look_again()
        assert not await work.look_again()
        assert (await work.next()).body == CSV


async def test_with_a_done_marker_a_file_waits_for_it_and_both_go(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    (tmp_path / "b.csv.done").write_bytes(b"")  # left by a crash: its file is gone
    async with reading(tmp_path, done_marker=".done", settled_for="1h") as work:
        assert await work.idle()
        assert work.names() == ["a.csv"]
        (tmp_path / "a.csv.done").write_bytes(b"")
        await (await work.next()).settle(ACCEPTED)
        assert (work.names(), work.names("processed")) == ([], ["a.csv"])


async def test_hidden_unfinished_and_other_files_links_and_folders_are_left_alone(tmp_path: Path) -> None:
    others = [".a.csv", "~a.csv", "a.csv.part", "a.csv.tmp", "a.csv.filepart", "a.txt"]
    for name in others:
        (tmp_path / name).write_bytes(CSV)
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.txt")
    async with reading(tmp_path) as work:
        assert await work.idle()
        (tmp_path / "REAL.CSV").write_bytes(CSV)
        assert (await work.next()).meta["file_name"] == "REAL.CSV"
    async with reading(tmp_path, pattern="*") as work:
        taken = [await work.next(), await work.next()]
        assert [arrival.meta["file_name"] for arrival in taken] == ["REAL.CSV", "a.txt"]
        assert await work.idle()


@pytest.mark.parametrize(
    ("by", "names"), [("name", ["a.csv", "b.csv", "c.csv"]), ("modified", ["c.csv", "a.csv", "b.csv"])]
)
async def test_files_come_in_order(tmp_path: Path, by: str, names: list[str]) -> None:
    for modified, name in enumerate(["c.csv", "a.csv", "b.csv"]):
        (tmp_path / name).write_bytes(CSV)
        os.utime(tmp_path / name, ns=(0, modified * 10**9))
    async with reading(tmp_path, order_by=by) as work:
        assert [(await work.next()).meta["file_name"] for _ in names] == names


async def test_names_that_are_taken_get_a_number(tmp_path: Path) -> None:
    async with reading(tmp_path) as work:
        for number in range(3):
            (tmp_path / "a.csv").write_bytes(CSV + b"%d,0\n" % number)
            await (await work.next()).settle(ACCEPTED)
        assert work.names("processed") == ["a.2.csv", "a.3.csv", "a.csv"]
        for _ in range(2):
            (tmp_path / "b.csv").write_bytes(b"")
            await work.look_again()
        assert work.names("refused") == ["b.2.csv", "b.2.csv.reason.txt", "b.csv", "b.csv.reason.txt"]


async def test_a_file_replaced_while_its_predecessor_was_in_hand_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    async with reading(tmp_path) as work:
        first = await work.next()
        (tmp_path / "new").write_bytes(CSV + b"10:10,170\n")
        (tmp_path / "new").rename(tmp_path / "a.csv")
        await first.settle(ACCEPTED)
        assert (work.names(), work.names("processed")) == (["a.csv"], [])
        second = await work.next()
        assert second.body == CSV + b"10:10,170\n"
        await second.settle(ACCEPTED)
        assert work.names("processed") == ["a.csv"]


async def test_no_more_files_are_read_than_may_be_in_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        (tmp_path / f"{number}.csv").write_bytes(CSV)
    read: list[str] = []

    def counting(path: Path, expected: Any) -> bytes | None:
        read.append(path.name)
        return read_at_rest(path, expected)

    monkeypatch.setattr("connectors.files.reader.read_at_rest", counting)
    async with reading(tmp_path, at_once=2) as work:
        in_hand = [await work.next(), await work.next()]
        waiting = asyncio.ensure_future(work.next())
        for _ in range(50):
            await asyncio.sleep(0)
        assert read == ["0.csv", "1.csv"]
        await in_hand[0].settle(ACCEPTED)
        assert (await waiting).meta["file_name"] == "2.csv"
        assert read == ["0.csv", "1.csv", "2.csv"]


async def test_a_file_that_may_not_be_read_is_logged_left_and_does_not_hold_up_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Zweistein.csv").write_bytes(CSV)
    (tmp_path / "z.csv").write_bytes(CSV)

    def guarded(path: Path, expected: Any) -> bytes | None:
        if path.name == "Zweistein.csv":
            raise PermissionError(13, "Permission denied", str(path))  # as the system does to all but root
        return read_at_rest(path, expected)

    monkeypatch.setattr("connectors.files.reader.read_at_rest", guarded)
    async with reading(tmp_path) as work:
        await (await work.next()).settle(ACCEPTED)
        assert await work.look_again()
        assert (work.names(), work.names("processed")) == (["Zweistein.csv"], ["z.csv"])
        assert work.events("file-unreadable") == [("file-unreadable", "no-permission")]  # once, not at every look
        inode = (tmp_path / "Zweistein.csv").stat().st_ino
        assert [fields["file"] for _, event, fields in work.log.events if event == "file-unreadable"] == [
            f"inode {inode}"
        ]
        monkeypatch.setattr("connectors.files.reader.read_at_rest", read_at_rest)
        assert (await work.next()).meta["file_name"] == "Zweistein.csv"
    assert "Zweistein" not in repr(work.log.events)


@pytest.mark.skipif(os.geteuid() == 0, reason="LOUD: root may read every file; the test above stands in")
async def test_the_system_itself_forbids_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    (tmp_path / "a.csv").chmod(0)
    async with reading(tmp_path) as work:
        assert await work.idle()
        assert work.events("file-unreadable") == [("file-unreadable", "no-permission")]


async def test_a_move_that_fails_leaves_the_file_to_be_recognised_and_moved_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_source: Path, _folder: Path, _name: str) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "a.csv").write_bytes(CSV)
    async with reading(tmp_path) as work:
        first = await work.next()
        monkeypatch.setattr("connectors.files.reader.move", full)
        await first.settle(ACCEPTED)
        assert work.events("file-not-moved") == [("file-not-moved", "disk-full")]
        monkeypatch.setattr("connectors.files.reader.move", move)
        assert [await work.look_again() for _ in range(5)] == [True] * 5
        again = await work.next()
        assert again.source_key == first.source_key
        await again.settle(sdk.Accepted("m1", duplicate=True))
        assert work.names("processed") == ["a.csv"]


async def test_a_file_that_is_taken_away_by_somebody_else_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    async with reading(tmp_path) as work:
        arrival = await work.next()
        (tmp_path / "a.csv").unlink()
        await arrival.settle(ACCEPTED)
        assert await work.look_again()
        assert work.events("file-gone") == [("file-gone", None)]


async def test_a_name_that_is_no_text_is_still_taken(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    (tmp_path / name).write_bytes(CSV)
    async with reading(tmp_path) as work:
        arrival = await work.next()
        assert arrival.meta["file_name"] == "caf\ufffd.csv"
        await arrival.settle(sdk.Rejected("no", "no"))
        assert name in work.names("refused")


async def test_close_is_safe_twice_and_without_open_and_what_is_in_hand_is_still_settled(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    work = Reading(tmp_path)
    arrival = await work.next()
    await work.close()
    await work.close()
    await arrival.settle(ACCEPTED)
    assert work.names("processed") == ["a.csv"]
    unopened = FileReader(FileReaderSettings(folder=tmp_path), plugin_context())
    await unopened.close()
    with pytest.raises(StopAsyncIteration):
        await anext(unopened.deliveries())


async def test_a_big_file_is_one_message(tmp_path: Path) -> None:
    body = b"time,value\n" + b"10:00,182\n" * 500_000
    (tmp_path / "big.csv").write_bytes(body)
    async with reading(tmp_path) as work:
        arrival = await work.next()
        assert arrival.body == body
        await arrival.settle(ACCEPTED)
        assert work.names("processed") == ["big.csv"]


async def test_no_name_reaches_a_log_or_a_repr(tmp_path: Path) -> None:
    for name in ("Zweistein Franziska.csv", "Zweistein cut.csv"):
        (tmp_path / name).write_bytes(CSV if "cut" not in name else CSV + b"4711")
    async with reading(tmp_path) as work:
        arrival = await work.next()
        await arrival.settle(sdk.Rejected("no", "no"))
        assert await work.look_again()
    assert "Zweistein" not in repr(work.log.events) + repr(arrival)
    assert len(work.events("file-refused")) == 2
