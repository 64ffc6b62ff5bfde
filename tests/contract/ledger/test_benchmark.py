"""The benchmark of reconciliation runs, and measures what it says."""

from pathlib import Path

from engine.cli.bench.reconcile import run


def test_a_small_run_gives_every_figure(tmp_path: Path) -> None:
    figures = run(rows=3_000, batch=20, batches=2, folder=tmp_path)
    assert (figures["rows"], figures["readings"]) == (3_000, 40)
    speeds = {name: value for name, value in figures.items() if name.endswith("_per_second")}
    assert len(speeds) == 6
    assert all(value > 0 for value in speeds.values())
    assert list(tmp_path.iterdir()) == []
