"""The start-up guard: a foreign package under one of our general names is told before it is imported."""

import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from engine.shadow import PACKAGES, Shadow, check_packages, shadows

ROOT = Path(__file__).parents[2]
GUARD = "from engine.shadow import check_packages; check_packages(); import transformers; print('started')"


def start(cwd: Path, *path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(
        [sys.executable, "-c", GUARD], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60
    )


def test_our_own_packages_pass_from_any_folder(tmp_path: Path) -> None:
    assert shadows(ROOT) == []
    check_packages()
    done = start(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")


@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.parametrize("as_module", [False, True])
def test_a_foreign_package_stops_the_start_with_who_where_and_what_to_do(
    tmp_path: Path, name: str, as_module: bool
) -> None:
    foreign = tmp_path / "elsewhere" / (f"{name}.py" if as_module else f"{name}/__init__.py")
    foreign.parent.mkdir(parents=True)
    foreign.write_text("print('imported!')")
    (tmp_path / "cwd").mkdir()
    done = start(tmp_path / "cwd", tmp_path / "elsewhere")
    found = foreign if as_module else foreign.parent
    assert done.returncode == 1
    assert done.stdout == ""  # nothing of it ran
    assert done.stderr.splitlines()[:2] == [
        "islet cannot start:",
        f"  the package `{name}` is not Islet's: Python finds {found}, not {ROOT / name}",
    ]
    assert f"take {tmp_path / 'elsewhere'} off PYTHONPATH" in done.stderr


def test_a_missing_package_is_told_too() -> None:
    def find(name: str) -> ModuleSpec | None:
        if name == "ledger":
            return None
        return ModuleSpec(name, None, origin=str(ROOT / name / "__init__.py"), is_package=True)

    found = shadows(ROOT, ["ledger"], find)
    assert found == [Shadow("ledger", ROOT / "ledger", None)]
    assert str(found[0]) == f"the package `ledger` is missing; it should be at {ROOT / 'ledger'}"
