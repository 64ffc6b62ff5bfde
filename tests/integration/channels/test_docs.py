"""The YAML in docs/channels.md is what Islet takes."""

import re
from pathlib import Path

import pytest

from engine.cli.test import run_tests
from engine.config.documents import ChannelKeys
from engine.config.problems import Report
from engine.config.tree import MapNode, parse, plain
from engine.testing.channel_tests.keys import DestinationExpected, Expected, Given
from tests.integration.channels.shipped import ROOT
from tests.integration.channels.test_runner import Project

PAGE = (ROOT / "docs" / "channels.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def block(beginning: str) -> str:
    (found,) = [text for text in BLOCKS if text.lstrip().startswith(beginning)]
    return str(found)


def test_the_channel_on_the_page_is_a_channel() -> None:
    tree = parse(block("channel:"), Path("page"), Report())
    assert isinstance(tree, MapNode)
    assert ChannelKeys.model_validate(plain(tree)).channel == "stm-oru-in"


def test_the_tests_on_the_page_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path)
    (tmp_path / "channels" / "stm-oru-in.test.yaml").write_text(block("test_channel:"))
    assert run_tests(project.root, ["stm-oru-in"]) == 0
    assert capsys.readouterr().out.endswith("2 passed, 0 failed\n")


def test_the_page_names_every_key() -> None:
    keys = [
        *Expected.model_fields,
        *DestinationExpected.model_fields,
        *(f.alias or n for n, f in Given.model_fields.items()),
    ]
    assert [key for key in keys if f"`{key}" not in PAGE] == []
