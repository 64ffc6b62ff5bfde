"""The README's commands do what it says, on a store of their own and from the checkout."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def readme_commands() -> list[str]:
    """Every `islet` line of the README, without its comment."""
    lines = [line for block in _BLOCK.findall((ROOT / "README.md").read_text()) for line in block.splitlines()]
    return [line.split("#")[0].strip() for line in lines if line.startswith("islet ")]


def _islet(command: str, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "ISLET_STORE": str(tmp_path / "store.db")}
    words = [sys.executable, "-m", "engine", *shlex.split(command)[1:]]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_readme_names_the_verbs_of_every_user() -> None:
    verbs = {command.split()[1] for command in readme_commands()}
    assert verbs >= {"check", "test", "try", "messages", "replay", "channel", "audit", "new", "bench"}


@pytest.mark.parametrize("command", readme_commands())
def test_a_command_of_the_readme_runs(command: str, tmp_path: Path) -> None:
    assert _islet("islet db upgrade", tmp_path).returncode == 0
    verb = command.split()[1]
    if verb == "bench":  # measured elsewhere; here: is there such a command
        command += " --help"
    if verb == "new":
        command += f" --folder {tmp_path}"
    done = _islet(command, tmp_path)
    if verb == "channel":  # no engine has run on this store, and that is said
        assert done.returncode == 1
        assert "has run on this store" in done.stderr
    else:
        assert done.returncode == 0, done.stdout + done.stderr
