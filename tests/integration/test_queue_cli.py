"""`islet queue` shows each channel's queues, one for each lane, and fills each from the journal."""

import asyncio
import secrets
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.journal.migrate import upgrade_postgres
from engine.journal.postgres import PostgresJournal
from engine.model.lane import LANE, Lane
from engine.testing.builders import a_message

NAME = f"history-{secrets.token_hex(3)}"
"""The queues of another run may still be there."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "channels").mkdir()
    (tmp_path / "channels" / f"{NAME}.yaml").write_text(
        f"channel: {NAME}\ndescription: A year of readings from files\nlane: batch\n"
        f"source: {{type: file_reader, folder: {tmp_path}/in, shape: json}}\n"
        f"destinations: [{{name: files, type: file_writer, folder: {tmp_path}/out}}]\n"
    )
    (tmp_path / "routes.yaml").write_text("routes: {}\n")
    return tmp_path


async def fill(url: str) -> None:
    await upgrade_postgres(url)
    journal = PostgresJournal(url)
    await journal.open()
    batch = [a_message(b"{}", channel=NAME, meta={LANE: Lane.BATCH}) for _ in range(150)]
    await journal.writer.accept([*batch, a_message(b"{}", channel=NAME)])
    await journal.close()


def test_each_lane_has_its_queue_and_gets_its_own_tickets(project: Path, postgres_url: str, amqp_url: str) -> None:
    asyncio.run(fill(postgres_url))
    where = ["--project", str(project), "--store", postgres_url, "--broker", amqp_url, "--partitions", "1"]
    runner = CliRunner(env={"COLUMNS": "160"})
    filled = runner.invoke(app, ["queue", "rebuild", *where])
    assert filled.exit_code == 0, filled.output
    assert "151 messages and deliveries in flight have tickets, in 4 queues" in filled.output
    shown = runner.invoke(app, ["queue", "list", *where])
    rows = [[word for word in line.replace("│", " ").split() if word] for line in shown.output.splitlines()]
    assert [f"islet.{NAME}", "live", "1", "1"] in rows
    assert [f"islet.{NAME}.batch", "batch", "2", "150"] in rows
    assert [f"islet.{NAME}.to.files.batch", "batch", "0", "0"] in rows
