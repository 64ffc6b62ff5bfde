"""`islet explain`: every code has its page, and what the pages show is true."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.config.explanations import CHANNEL, EXPLANATIONS, ROUTES, TABLE
from engine.config.loader import load
from engine.config.problems import CODES
from engine.plugins.registry import Registry, discover
from tests.unit.config.world import write

ENGINE = Path(__file__).parents[3] / "engine"

GOOD = {
    CHANNEL: """\
channel: oru-in
site: stm
source:
  type: mllp_listener
  port: 2575
filter:
  keep_when:
    - {field: OBX-11, in: [F, C]}
transform:
  - type: oru_to_records
    timezone: site
""",
    "channels/reconcile.yaml": "channel: reconcile\nsource: {type: channel, shape: records}\n"
    "destinations: [{name: kept, type: json_lines_writer, folder: out/kept}]\n",
    "channels/letters-in.yaml": "channel: letters-in\nsource: {type: mllp_listener, port: 2600}\n"
    "destinations: [{name: letters, type: file_writer, folder: out/letters}]\n",
    "channels/spare.yaml": "channel: spare\nenabled: false\nsource: {type: channel, shape: records}\n",
    TABLE: "code,name\nGLU,Glucose\n",
    ROUTES: "routes:\n  oru-in: [reconcile]\nsites:\n  stm: {timezone: Europe/Dublin, values: {port: 2575}}\n",
}
CHECKED = sorted(EXPLANATIONS.keys() - {"E101", "E210"})  # of a file's name and of a plugin's code
MAY_COME_ALONG = {"E303": {"W306"}, "W306": {"E303"}, "E207": set(), "W208": set()}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover()


def blocks(text: str) -> dict[str, str]:
    """The blocks of a file by the key at their left margin."""
    found = re.split(r"^(?=\w+:)", text, flags=re.MULTILINE)
    return {block.split(":", 1)[0]: block.rstrip("\n") for block in found if block}


def with_part(name: str, part: str) -> dict[str, str | bytes]:
    """The good files, with these blocks of one file written so; or the whole file, where the part is no block."""
    if name == TABLE or not re.match(r"\w+:", part):
        return {**GOOD, name: part + "\n"}
    return {**GOOD, name: "\n".join({**blocks(GOOD[name]), **blocks(part)}.values()) + "\n"}


def codes_of(root: Path, files: dict[str, str | bytes], registry: Registry) -> set[str]:
    return {problem.code for problem in load(write(root, files), registry, {}).problems}


def test_the_files_that_the_examples_are_put_into_are_good(tmp_path: Path, registry: Registry) -> None:
    assert codes_of(tmp_path, dict(GOOD), registry) == set()


@pytest.mark.parametrize("code", CHECKED)
def test_each_example_has_its_problem_and_no_other(tmp_path: Path, registry: Registry, code: str) -> None:
    about = EXPLANATIONS[code]
    found = codes_of(tmp_path, with_part(about.where, about.wrong), registry)
    assert code in found
    assert found <= {code} | MAY_COME_ALONG.get(code, set())


@pytest.mark.parametrize("code", [code for code in CHECKED if code != "W208"])
def test_each_example_written_right_has_none(
    tmp_path: Path, registry: Registry, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISLET_SECRET_EHR_TOKEN", "x")
    about = EXPLANATIONS[code]
    assert codes_of(tmp_path, with_part(about.where, about.right), registry) == set()


def test_a_secret_is_set_as_the_page_says(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    about = EXPLANATIONS["W208"]
    match = re.match(r"export (\w+)=", about.right)
    assert match
    monkeypatch.setenv(match[1], "x")
    assert codes_of(tmp_path, with_part(about.where, about.wrong), registry) == set()


def test_a_file_is_called_as_the_page_says(tmp_path: Path, registry: Registry) -> None:
    about = EXPLANATIONS["E101"]
    files = {**GOOD, about.wrong: GOOD[about.right]}
    assert codes_of(tmp_path, {**files}, registry) == {"E101"}


def test_every_code_is_explained_and_nothing_else() -> None:
    assert EXPLANATIONS.keys() == CODES.keys()


def test_every_code_that_the_loader_knows_is_a_code_and_every_code_is_one_that_it_can_give() -> None:
    files = [*(ENGINE / "config").glob("*.py"), *(ENGINE / "testing" / "channel_tests").glob("*.py")]
    told_elsewhere = {"problems.py", "explanations.py"}
    sources = [file.read_text(encoding="utf-8") for file in files if file.name not in told_elsewhere]
    assert {code for text in sources for code in re.findall(r'"([EW]\d{3})"', text)} == CODES.keys()


def islet(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["explain", *words])
    return result.exit_code, result.output


def test_a_page_says_what_it_means_and_shows_the_mistake_and_its_remedy() -> None:
    code, said = islet("e203")
    assert code == 0
    assert said.startswith("E203: the wrong kind of value\n\nAnother kind of value belongs here")
    assert "Wrong, in channels/oru-in.yaml:\n    source:\n      type: mllp_listener\n" in said
    assert said.index("      accepts: ORU^R01\n") < said.index("Right:\n") < said.index("      accepts: [ORU^R01]\n")


def test_without_a_code_all_are_listed() -> None:
    code, said = islet()
    assert code == 0
    assert [line[:4] for line in said.splitlines()[:-1]] == list(CODES)


def test_an_unknown_code_names_near_ones() -> None:
    code, said = islet("E311")
    assert code == 2
    assert "there is no code E311; near it are" in said
    assert "E310 (unknown site)" in said
