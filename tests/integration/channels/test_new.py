"""`islet new transformer`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.new import new_transformer
from tests.integration.channels.shipped import ROOT


def test_what_is_written_passes_its_test_and_the_linter_at_once(tmp_path: Path) -> None:
    assert new_transformer("trim_spaces", tmp_path) == 0
    (tmp_path / "transformers" / "__init__.py").touch()
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/transformers/test_trim_spaces.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr
    first_party = ["--config", 'lint.isort.known-first-party=["engine", "transformers"]']
    linted = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--config",
            str(ROOT / "pyproject.toml"),
            "--no-cache",
            *first_party,
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("name", ["Trim", "trim-spaces", "1st", "class", "", "../x", "trim_"])
def test_a_name_that_cannot_be_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new_transformer(name, tmp_path) == 1
    assert "write small letters and digits with _ between words" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new_transformer("reconcile", tmp_path) == 1
    assert "transformers.reconcile" in capsys.readouterr().out


@pytest.mark.parametrize("there", ["transformers/trim_spaces.py", "tests/unit/transformers/test_trim_spaces.py"])
def test_nothing_is_overwritten(there: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / there
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    assert new_transformer("trim_spaces", tmp_path) == 1
    assert "is there already; nothing was written" in capsys.readouterr().out
    assert list(tmp_path.rglob("*.py")) == [file]
    assert file.read_text() == "mine"
