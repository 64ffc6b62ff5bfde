"""Plugins of others: an installed distribution is found by its entry point, and mistakes in it are told by name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "plugins" / "sample_plugin"

DISCOVER = """
from engine import sdk
from engine.plugins.registry import discover
from engine.testing.builders import a_message
try:
    registry = discover()
except sdk.ConfigError as error:
    raise SystemExit(f"{type(error).__name__}: {error}")
plugin = registry.get("transform", "drop_notes")
out = plugin(a_message(b"MSH|x\\rNTE|1||note\\rOBX|1", sdk.Shape.HL7V2), plugin.settings())
print(plugin.module, plugin.summary, out.body, sep=" / ")
"""


def run_python(code: str, *path: Path) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, elsewhere, with these folders on its path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=path[0], env=environment, capture_output=True, text=True, timeout=60
    )


def installed(site: Path, name: str, source: str) -> Path:
    """What an installer leaves of a distribution that has one module and names it as a plugin."""
    site.mkdir(exist_ok=True)
    module = name.replace("-", "_")
    (site / f"{module}.py").write_text(source)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[islet.plugins]\nany = {module}\n")
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample distribution, built and installed by pip into a folder of its own, without a network."""
    target = tmp_path_factory.mktemp("site")
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--isolated", "--quiet", "--target"]
    command = [sys.executable, "-m", "pip", "install", *options, str(target), str(SAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return target


def test_an_installed_plugin_is_found_and_works(site: Path) -> None:
    found = run_python(DISCOVER, site)
    assert found.stderr == ""
    assert found.stdout.split(" / ") == [
        "islet_sample_plugin",
        "Leave out segments that hold free text.",
        "b'MSH|x\\rOBX|1'\n",
    ]


def test_without_it_there_is_no_such_transformer(tmp_path: Path) -> None:
    done = run_python("from engine.plugins.registry import discover; print(discover().names('transform'))", tmp_path)
    assert done.stderr == ""
    assert "drop_notes" not in done.stdout


def test_the_sample_knows_the_engine_only_through_its_sdk() -> None:
    imports = [line for line in (SAMPLE / "islet_sample_plugin.py").read_text().splitlines() if "import" in line]
    assert imports == ["from engine import sdk"]


def test_two_plugins_of_one_name_are_an_error_that_names_both_modules(site: Path, tmp_path: Path) -> None:
    twin = (SAMPLE / "islet_sample_plugin.py").read_text()
    done = run_python(DISCOVER, site, installed(tmp_path / "other", "islet-twin", twin))
    assert done.returncode == 1
    assert "ConfigError: " in done.stderr
    assert "'drop_notes' is declared twice" in done.stderr
    assert "islet_sample_plugin:" in done.stderr
    assert "islet_twin:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import a_library_that_is_not_there", "a_library_that_is_not_there"),
        ("def broken(:", "SyntaxError"),
        ("raise RuntimeError('no licence file')", "no licence file"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_an_error_that_names_its_distribution(
    tmp_path: Path, source: str, says: str
) -> None:
    done = run_python(DISCOVER, installed(tmp_path / "site", "islet-broken", source))
    assert done.returncode == 1
    assert "plugins of islet-broken (islet_broken) cannot be imported" in done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
