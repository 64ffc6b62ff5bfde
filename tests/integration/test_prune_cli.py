"""`islet prune` and what the other verbs say of what is gone."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner, Result

from engine.cli.app import app
from engine.journal.migrate import upgrade_sqlite
from engine.journal.sqlite import SqliteJournal
from engine.model.states import DeliveryState
from engine.testing.builders import a_message
from engine.testing.prune_kit import Family, a_family

T = TypeVar("T")
_CHANNELS = ("stm-oru-in", "reconcile")
_PROJECT = Path(__file__).resolve().parents[2]
_DECADE = 3650.0
"""Days before the tests' standing time: old by every machine's clock."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    upgrade_sqlite(tmp_path / "islet.db")
    return tmp_path / "islet.db"


def on(store: Path, work: Callable[[SqliteJournal], Coroutine[Any, Any, T]]) -> T:
    async def go() -> T:
        journal = SqliteJournal(store)
        await journal.open()
        try:
            return await work(journal)
        finally:
            await journal.close()

    return asyncio.run(go())


def islet(store: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--journal", str(store)])


def prune(store: Path, *words: str, project: Path = _PROJECT) -> Result:
    return islet(store, "prune", "--project", str(project), *words)


def test_the_plan_comes_first_and_with_dry_run_it_is_all(store: Path) -> None:
    old = on(store, lambda journal: a_family(journal, _DECADE, channels=_CHANNELS))
    held = on(store, lambda journal: a_family(journal, _DECADE, channels=_CHANNELS, ends=DeliveryState.HELD))
    on(store, lambda journal: a_family(journal, _DECADE, channels=("closed", "closed")))
    on(store, lambda journal: journal.writer.accept([a_message(b"new", channel="stm-oru-in")]))
    shown = prune(store, "--dry-run")
    assert shown.exit_code == 0, shown.output
    lines = [" ".join(line.split()) for line in shown.output.splitlines()]
    assert "stm-oru-in 30d 2 (21 bytes) 400d 2" in lines
    assert "reconcile 30d 2 (21 bytes) 400d 2" in lines
    why = "something of their family is held, deferred, in review or in flight"
    assert f"kept: 2 bodies of reconcile: {why}" in lines
    assert f"kept: 2 rows of stm-oru-in: {why}" in lines
    assert "kept: 2 messages of closed: no channel that runs is called so; they are left alone" in lines
    assert lines[-1] == "Nothing was done (--dry-run)."
    assert "CANARY" not in shown.output
    done = prune(store)
    assert done.output.startswith(shown.output.partition("Nothing was done")[0]), "the same plan, then the deed"
    assert "4 bodies emptied; 2 messages and 2 deliveries removed" in done.output
    assert _is_there(store, held)
    assert not _is_there(store, old)
    assert "nothing to do" in prune(store, "--dry-run").output


def test_what_is_gone_is_told_and_still_counted(store: Path) -> None:
    gone = on(store, lambda journal: a_family(journal, _DECADE, channels=_CHANNELS))
    assert prune(store).exit_code == 0
    shown = islet(store, "messages", "show", gone.message.id)
    assert shown.exit_code == 1
    assert "of its day were pruned" in shown.output + shown.stderr
    balance = islet(store, "audit", "balance")
    assert balance.exit_code == 0, balance.output
    assert "4 rows have been pruned; they are still counted." in balance.output
    assert "1 received + 1 by fan-out = 2 delivered" in balance.output


def test_a_message_without_its_body_says_so_and_is_not_replayed(store: Path, tmp_path: Path) -> None:
    family = on(store, lambda journal: a_family(journal, _DECADE, channels=_CHANNELS))
    pruned = prune(store, project=_with_long_metadata(tmp_path))
    assert pruned.exit_code == 0, pruned.output + pruned.stderr
    shown = islet(store, "messages", "show", family.message.id, "--body")
    assert shown.output.count("its time was up") == 4
    assert "CANARY" not in shown.output
    again = islet(store, "replay", family.message.id, "--project", str(_PROJECT), "--yes")
    assert "1 left alone: has no body any more: it was pruned when its time was up" in again.output
    assert "nothing to do" in again.output


def test_with_problems_in_the_configuration_nothing_is_pruned(store: Path, tmp_path: Path) -> None:
    family = on(store, lambda journal: a_family(journal, _DECADE, channels=_CHANNELS))
    project = _with_long_metadata(tmp_path)
    file = project / "channels" / "reconcile.yaml"
    file.write_text(file.read_text().replace("metadata: 90000d", "metadata: 1d"))
    refused = prune(store, project=project)
    assert refused.exit_code == 1
    assert "keep.metadata: must not be shorter than `bodies`" in refused.output + refused.stderr
    assert _is_there(store, family)


def _with_long_metadata(tmp_path: Path) -> Path:
    """A project in which both channels keep what is known of messages for ever, and bodies for a month."""
    (tmp_path / "project" / "channels").mkdir(parents=True)
    for name in _CHANNELS:
        (tmp_path / "project" / "channels" / f"{name}.yaml").write_text(
            f"channel: {name}\nsource: {{type: http_listener, port: {2600 + len(name)}, shape: json}}\n"
            f"keep: {{bodies: 30d, metadata: 90000d}}\n"
            f"destinations: [{{name: out, type: json_lines_writer, folder: {tmp_path / name}}}]\n"
        )
    (tmp_path / "project" / "routes.yaml").write_text("sites: {}\n")
    return tmp_path / "project"


def _is_there(store: Path, family: Family) -> bool:
    async def look(journal: SqliteJournal) -> bool:
        rows = [await journal.queries.row(table, id_) for table, ids in family.ids.items() for id_ in ids]
        return all(row is not None and row["body"] for row in rows)

    return on(store, look)
