"""`islet accounts` as people use it: a browser, a cloud, a journal; no token is ever shown, or kept in the clear."""

import asyncio
import re
from pathlib import Path
from typing import Any
from urllib.request import HTTPRedirectHandler, build_opener

import pytest
import typer
from typer.testing import CliRunner

from engine.cli.app import app
from engine.journal.migrate import upgrade_sqlite
from simulators.dexcom import DexcomCloud

CHANNEL = """\
channel: cgm-in
source:
  type: dexcom
  base_url: {base}
  client_id: {{secret: client-id}}
  client_secret: {{secret: client-secret}}
  accounts: [{{name: anna, patient: {{system: stm, value: CANARY}}}}]
destinations: [{{name: kept, type: json_lines_writer, folder: {folder}}}]
"""
FILES = "channel: files-in\nsource: {type: file_reader, folder: x, shape: json}\n"
FILES += "destinations: [{name: kept, type: json_lines_writer, folder: y}]\n"


class _Stay(HTTPRedirectHandler):
    """A browser that shows where it is sent instead of going there."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        raise _Sent(newurl)


class _Sent(Exception):
    pass


def browse(url: str) -> str:
    try:
        build_opener(_Stay).open(url, timeout=20)
    except _Sent as sent:
        return str(sent)
    raise AssertionError("the page sent the browser nowhere")


class Desk:
    """Where an operator sits: a project, a journal, and a terminal."""

    def __init__(self, folder: Path, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.store = folder, folder / "islet.db"
        self.said: list[str] = []
        (folder / "channels").mkdir()
        (folder / "channels" / "cgm-in.yaml").write_text(CHANNEL.format(base=base, folder=folder))
        (folder / "channels" / "files-in.yaml").write_text(FILES)
        (folder / "routes.yaml").write_text("routes: {cgm-in: [], files-in: []}\n")
        for name, value in (("CLIENT_ID", "islet-client"), ("CLIENT_SECRET", "islet-secret")):
            monkeypatch.setenv(f"ISLET_SECRET_{name}", value)
        echo = typer.echo

        def heard(message: Any = None, **more: Any) -> None:
            self.said.append(str(message))
            echo(message, **more)

        monkeypatch.setattr(typer, "echo", heard)
        monkeypatch.setattr(typer, "prompt", lambda _text, hide_input: browse(self._address()) if hide_input else "")

    def _address(self) -> str:
        (found,) = [line.strip() for line in self.said if "/login?" in line]
        return found

    async def run(self, *words: str) -> tuple[int, str]:
        if not self.store.exists():
            await asyncio.to_thread(upgrade_sqlite, self.store)
        command = ["accounts", *words, "-p", str(self.folder), "-s", str(self.store)]
        result = await asyncio.to_thread(CliRunner().invoke, app, command)
        return result.exit_code, result.output


async def test_an_account_is_connected_listed_and_taken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with DexcomCloud() as cloud:
        cloud.add_account("anna")
        cloud.who_logs_in = "anna"
        desk = Desk(tmp_path, cloud.base_url, monkeypatch)
        code, said = await desk.run("connect", "cgm-in", "anna", "--paste")
        assert (code, [seen.status for seen in cloud.requests]) == (0, [200]), said
        assert "anna is connected" in said
        assert "islet channel start cgm-in" in said
        assert not re.search(r"(refresh|access|code)-[0-9a-f]{8}", said)
        assert "asked" in (await desk.run("list", "cgm-in"))[1]
        assert (await desk.run("disconnect", "cgm-in", "anna"))[0] == 0
        assert "taken off" in (await desk.run("list", "cgm-in"))[1]
    assert b"refresh-" not in desk.store.read_bytes()


async def test_a_person_who_says_no_connects_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with DexcomCloud() as cloud:
        desk = Desk(tmp_path, cloud.base_url, monkeypatch)
        code, said = await desk.run("connect", "cgm-in", "anna", "--redirect", "https://islet.example/back")
    assert (code, cloud.requests) == (1, [])
    assert "did not agree" in said


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("connect", "cgm-in", "carl"), "no account 'carl'"),
        (("list", "other"), "there is no channel 'other'"),
        (("list", "files-in"), "asks no cloud"),
    ],
)
async def test_what_is_wrong_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], text: str
) -> None:
    code, said = await Desk(tmp_path, "http://127.0.0.1:9", monkeypatch).run(*words)
    assert (code, text in said) == (1, True), said
