"""The file writers on a real folder: whole files, whole lines, and nothing twice."""

import asyncio
import errno
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from connectors.files.lines import JsonLinesWriter, JsonLinesWriterSettings
from connectors.files.reader import FileReader, FileReaderSettings
from connectors.files.writer import FileWriter, FileWriterSettings
from engine import sdk
from engine.testing.builders import a_delivery
from engine.testing.fakes import plugin_context

BODY = b'{"value": 5.10,\n "id": 12345678901234567890123}'


def a_writer(folder: Path, **settings: Any) -> FileWriter:
    return FileWriter(FileWriterSettings.model_validate({"folder": str(folder), **settings}), plugin_context())


def a_line_writer(folder: Path, **settings: Any) -> JsonLinesWriter:
    written = {"folder": str(folder), "file_name": "out", **settings}
    return JsonLinesWriter(JsonLinesWriterSettings.model_validate(written), plugin_context())


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


async def test_a_delivery_becomes_a_file_that_is_named_by_its_id(tmp_path: Path) -> None:
    delivery = a_delivery(BODY, sdk.Shape.FHIR)
    answer = await a_writer(tmp_path).send(delivery)
    assert answer == sdk.Answer("written", location=f"{delivery.id}.json")
    assert names(tmp_path) == [f"{delivery.id}.json"]
    assert (tmp_path / f"{delivery.id}.json").read_bytes() == BODY
    assert (tmp_path / f"{delivery.id}.json").stat().st_mode & 0o007 == 0  # patients' data is not for everybody


async def test_the_same_delivery_again_writes_nothing(tmp_path: Path) -> None:
    delivery = a_delivery(BODY, sdk.Shape.JSON)
    await a_writer(tmp_path).send(delivery)
    before = (tmp_path / f"{delivery.id}.json").stat()
    answer = await a_writer(tmp_path).send(replace(delivery, attempt=2))
    assert answer == sdk.Answer("existing", location=f"{delivery.id}.json", existing=True)
    after = (tmp_path / f"{delivery.id}.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    ("shape", "ending"),
    [(sdk.Shape.HL7V2, ".hl7"), (sdk.Shape.CSV, ".csv"), (sdk.Shape.XML, ".xml"), (sdk.Shape.BYTES, ".bin")],
)
async def test_the_ending_is_the_shapes_unless_it_is_set(tmp_path: Path, shape: sdk.Shape, ending: str) -> None:
    delivery = a_delivery(b"x", shape)
    await a_writer(tmp_path).send(delivery)
    await a_writer(tmp_path, ending=".out").send(delivery)
    assert names(tmp_path) == sorted([delivery.id + ending, delivery.id + ".out"])


async def test_the_name_follows_the_template(tmp_path: Path) -> None:
    delivery = a_delivery(b"x", sdk.Shape.CSV)
    await a_writer(tmp_path, file_name="{channel}_{received:%Y}_{id}").send(delivery)
    year = datetime.fromtimestamp(int(delivery.origin_id[:8] + delivery.origin_id[9:13], 16) / 1000, UTC).year
    assert names(tmp_path) == [f"test_{year}_{delivery.id}.csv"]


async def test_what_a_crash_left_is_written_over(tmp_path: Path) -> None:
    delivery = a_delivery(BODY, sdk.Shape.JSON)
    (tmp_path / f".{delivery.id}.json.tmp").write_bytes(b"half a fi" * 100)
    assert not (await a_writer(tmp_path).send(delivery)).existing
    assert names(tmp_path) == [f"{delivery.id}.json"]
    assert (tmp_path / f"{delivery.id}.json").read_bytes() == BODY


def failing(number: int) -> Any:
    def fsync(_handle: int) -> None:
        raise OSError(number, os.strerror(number))

    return fsync


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (errno.ENOSPC, "disk-full", "free some space"),
        (errno.EDQUOT, "disk-full", "quota"),
        (errno.EROFS, "no-permission", "read-only"),
        (errno.EIO, "file-system", os.strerror(errno.EIO)),
    ],
)
async def test_a_full_or_broken_disk_is_unavailable_leaves_nothing_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str, says: str
) -> None:
    delivery = a_delivery(BODY, sdk.Shape.JSON)
    for writer in (a_writer(tmp_path), a_line_writer(tmp_path)):
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", failing(number))
            with pytest.raises(sdk.Unavailable, match=says) as caught:
                await writer.send(delivery)
        assert (caught.value.code, delivery.id in str(caught.value)) == (code, False)
        assert [name for name in names(tmp_path) if (tmp_path / name).stat().st_size] == []
        assert not (await writer.send(delivery)).existing
        for name in names(tmp_path):
            (tmp_path / name).unlink()


async def test_a_line_that_did_not_reach_the_disk_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = a_line_writer(tmp_path)
    await writer.send(a_delivery(b"[1]", sdk.Shape.JSON))
    before = lines(tmp_path)
    second = a_delivery(b"[2]", sdk.Shape.JSON)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", failing(errno.ENOSPC))
        with pytest.raises(sdk.Unavailable):
            await writer.send(second)
    assert lines(tmp_path) == before
    assert not (await writer.send(second)).existing
    assert [orjson.loads(line)["body"] for line in lines(tmp_path)] == [[1], [2]]


async def test_a_missing_folder_is_unavailable_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for writer in (a_writer(tmp_path / "away"), a_line_writer(tmp_path / "away")):
        await writer.open()
        with pytest.raises(sdk.Unavailable, match="make the folder, or mount"):
            await writer.send(a_delivery(BODY, sdk.Shape.JSON))
    with pytest.raises(sdk.Unavailable, match="not a folder"):
        await a_writer(tmp_path / "file").send(a_delivery(BODY))


async def test_deliveries_at_once_each_make_their_file(tmp_path: Path) -> None:
    writer = a_writer(tmp_path)
    deliveries = [a_delivery(b"%d" % number) for number in range(50)]
    await asyncio.gather(*(writer.send(delivery) for delivery in deliveries))
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == {
        f"{delivery.id}.bin": delivery.body for delivery in deliveries
    }


async def test_what_the_writer_writes_the_reader_takes(tmp_path: Path) -> None:
    delivery = a_delivery(BODY, sdk.Shape.JSON)
    await a_writer(tmp_path).send(delivery)
    settings = FileReaderSettings.model_validate({"folder": str(tmp_path), "pattern": "*.json", "settled_for": "0s"})
    reader = FileReader(settings, plugin_context())
    deliveries = reader.deliveries()
    assert (await anext(deliveries)).body == BODY
    await reader.close()
    await deliveries.aclose()


def lines(folder: Path) -> list[bytes]:
    return (folder / "out.jsonl").read_bytes().splitlines(keepends=True)


async def test_deliveries_become_lines_that_keep_every_digit(tmp_path: Path) -> None:
    writer = a_line_writer(tmp_path)
    first, second = a_delivery(BODY, sdk.Shape.JSON), a_delivery(b"[1]\r\n", sdk.Shape.FHIR)
    assert await writer.send(first) == sdk.Answer("written", location="out.jsonl")
    await writer.send(second)
    assert lines(tmp_path) == [
        b'{"id":"%s","body":{"value": 5.10,  "id": 12345678901234567890123}}\n' % first.id.encode(),
        b'{"id":"%s","body":[1]  }\n' % second.id.encode(),
    ]


@pytest.mark.parametrize("restart", [False, True])
async def test_the_same_delivery_again_adds_no_line(tmp_path: Path, restart: bool) -> None:
    writer = a_line_writer(tmp_path)
    deliveries = [a_delivery(BODY, sdk.Shape.JSON) for _ in range(3)]
    for delivery in deliveries:
        await writer.send(delivery)
    again = a_line_writer(tmp_path) if restart else writer
    assert [(await again.send(delivery)).existing for delivery in deliveries] == [True] * 3
    assert [orjson.loads(line)["id"] for line in lines(tmp_path)] == [delivery.id for delivery in deliveries]


async def test_a_line_that_a_crash_cut_anywhere_is_cut_away_and_written_whole(tmp_path: Path) -> None:
    first, second = a_delivery(b"[1]", sdk.Shape.JSON), a_delivery(b"[2]", sdk.Shape.JSON)
    writer = a_line_writer(tmp_path)
    await writer.send(first)
    await writer.send(second)
    whole = (tmp_path / "out.jsonl").read_bytes()
    for cut in range(len(lines(tmp_path)[0]), len(whole)):
        (tmp_path / "out.jsonl").write_bytes(whole[:cut])
        restarted = a_line_writer(tmp_path)
        assert [(await restarted.send(delivery)).existing for delivery in (first, second)] == [True, False]
        assert (tmp_path / "out.jsonl").read_bytes() == whole


async def test_a_file_that_was_taken_away_is_begun_anew(tmp_path: Path) -> None:
    writer = a_line_writer(tmp_path)
    await writer.send(a_delivery(b"[1]", sdk.Shape.JSON))
    (tmp_path / "out.jsonl").rename(tmp_path / "fetched.jsonl")
    await writer.send(a_delivery(b"[2]", sdk.Shape.JSON))
    assert [orjson.loads(line)["body"] for line in lines(tmp_path)] == [[2]]


async def test_half_a_line_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_bytes(b"somebody's notes")
    with pytest.raises(sdk.NeedsOperator, match="not ours"):
        await a_line_writer(tmp_path).send(a_delivery(b"[1]", sdk.Shape.JSON))
    assert (tmp_path / "out.jsonl").read_bytes() == b"somebody's notes"


async def test_a_body_that_is_no_json_makes_no_line(tmp_path: Path) -> None:
    with pytest.raises(sdk.InvalidMessage) as caught:
        await a_line_writer(tmp_path).send(a_delivery(b'{"a":\n Zweistein', sdk.Shape.JSON))
    assert (caught.value.path, names(tmp_path)) == ("line 2, column 2", [])
    assert "Zweistein" not in str(caught.value)


async def test_lines_sent_at_once_do_not_mix(tmp_path: Path) -> None:
    writer = a_line_writer(tmp_path)
    deliveries = [a_delivery(b'["%s"]' % (b"x" * 5000), sdk.Shape.JSON) for _ in range(20)]
    await asyncio.gather(*(writer.send(delivery) for delivery in deliveries))
    assert sorted(orjson.loads(line)["id"] for line in lines(tmp_path)) == sorted(d.id for d in deliveries)
