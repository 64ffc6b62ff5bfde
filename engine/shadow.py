"""The start-up guard: are the packages that Python finds under Islet's general names really Islet's?

Imports nothing but the standard library, and none of the packages it looks for: it runs before all of them.
"""

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

PACKAGES = ("connectors", "transformers", "clinical", "ledger", "simulators")

FindSpec = Callable[[str], ModuleSpec | None]


@dataclass(frozen=True, slots=True)
class Shadow:
    """A package that is not where it should be. `found` is None if there is none of that name."""

    name: str
    expected: Path
    found: Path | None

    def __str__(self) -> str:
        if self.found is None:
            return f"the package `{self.name}` is missing; it should be at {self.expected}"
        return f"the package `{self.name}` is not Islet's: Python finds {self.found}, not {self.expected}"


def location(spec: ModuleSpec) -> Path | None:
    """The folder of a package, or the file of a plain module."""
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return Path(spec.origin).resolve() if spec.origin else None


def shadows(root: Path, names: Iterable[str] = PACKAGES, find: FindSpec = importlib.util.find_spec) -> list[Shadow]:
    """Every package of `names` that Python does not find as a folder of `root`."""
    result = []
    for name in names:
        spec = find(name)
        found = location(spec) if spec else None
        if found != root / name:
            result.append(Shadow(name, root / name, found))
    return result


def check_packages() -> None:
    """Exit with a message for the person at the terminal if a foreign package stands in for one of ours."""
    problems = shadows(Path(__file__).resolve().parent.parent)
    if not problems:
        return
    lines = [f"  {problem}" for problem in problems]
    places = sorted({str(problem.found.parent) for problem in problems if problem.found})
    if places:
        lines.append(f"What to do: take {' and '.join(places)} off PYTHONPATH, or uninstall the package there.")
        lines.append("Islet is meant to be alone in its virtual environment (python -m venv).")
    else:
        lines.append("What to do: install Islet again (pip install --force-reinstall islet-engine).")
    raise SystemExit("\n".join(["islet cannot start:", *lines]))
