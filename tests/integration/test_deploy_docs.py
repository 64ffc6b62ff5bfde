"""docs/deploy.md, compose.yaml and the files in deploy/ name what there is."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def commands() -> list[str]:
    written = [line for block in _BLOCK.findall(DEPLOY) for line in block.splitlines() if line.startswith("islet ")]
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["islet"]["command"]
    unit = re.search(r"^ExecStart=\S+/(islet .*)$", (ROOT / "deploy" / "islet.service").read_text(), re.MULTILINE)
    assert unit is not None
    return [*written, "islet " + shlex.join(compose), unit[1]]


@pytest.mark.parametrize("command", commands())
def test_a_command_has_the_verb_and_every_option_that_is_written(command: str) -> None:
    words = shlex.split(command)[1:]
    verb = [word for word in words[:2] if not word.startswith("-")]
    done = subprocess.run(
        [sys.executable, "-m", "engine", *verb, "--help"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    for option in (word for word in words if word.startswith("--")):
        assert option in done.stdout


def test_every_variable_that_the_page_names_is_read_somewhere() -> None:
    source = "".join(file.read_text() for file in (ROOT / "engine" / "cli").rglob("*.py"))
    for variable in set(re.findall(r"ISLET_[A-Z_]+", DEPLOY)):
        assert variable in source


def test_the_image_is_built_from_files_that_are_there() -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["islet"]
    dockerfile = ROOT / service["build"]["dockerfile"]
    for name in re.findall(r"^COPY (?!--from)(\S+) ", dockerfile.read_text(), re.MULTILINE):
        assert (ROOT / name).exists()


def test_the_unit_leaves_the_journal_to_whoever_writes_its_environment() -> None:
    """An option would win over the file in which an operator names a shared journal."""
    unit = (ROOT / "deploy" / "islet.service").read_text()
    assert not re.search(r"^ExecStart=.*--(store|journal|broker)", unit, re.MULTILINE)
    assert unit.index("Environment=ISLET_JOURNAL=") < unit.index("EnvironmentFile="), "the later one counts"
