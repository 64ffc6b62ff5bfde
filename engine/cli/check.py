"""`islet check`: every problem of every file, before anything runs."""

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import orjson

from engine.config.loader import Loaded, load
from engine.config.problems import Problem, Severity
from engine.model.errors import ConfigError
from engine.plugins.registry import Registry, discover


def check(
    root: Path, as_json: bool = False, registry: Registry | None = None, env: Mapping[str, str] | None = None
) -> int:
    """Print the problems below `root`, one line that sums up, and one that leads on.

    0 if the engine would start, else 1.
    """
    try:
        loaded = load(root, registry or discover(), os.environ if env is None else env)
    except ConfigError as error:
        sys.stdout.write(f"{error.text}\n")
        return 1
    write = _as_json if as_json else as_text
    sys.stdout.write(write(loaded))
    return 0 if loaded.configuration else 1


def as_text(loaded: Loaded) -> str:
    """The problems, one a line, the line that sums up, and where there is more about them."""
    lines = [str(replace(problem, file=shown(problem.file))) for problem in loaded.problems]
    codes = [problem.code for problem in sorted(loaded.problems, key=lambda problem: problem.severity)]
    more = [f"islet explain {codes[0]}: what that code means, with an example"] if codes else []
    return "".join(f"{line}\n" for line in [*lines, summary(loaded), *more])


def _as_json(loaded: Loaded) -> str:
    problems = [
        {**asdict(problem), "file": str(shown(problem.file)), "severity": problem.severity.value}
        for problem in loaded.problems
    ]
    document = {"ok": loaded.configuration is not None, "files": loaded.files, "problems": problems}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def summary(loaded: Loaded) -> str:
    """One line: how many files, what was found, whether the engine would start."""
    warnings = _count(loaded.problems, Severity.WARNING, "warning")
    files = f"{loaded.files} channel file{'' if loaded.files == 1 else 's'}"
    if loaded.configuration is None:
        errors = _count(loaded.problems, Severity.ERROR, "problem")
        return f"{files}: {errors}{f' and {warnings}' if warnings else ''}; nothing runs until they are solved"
    running = len(loaded.configuration.channels)
    return f"{files}: no problems{f', {warnings}' if warnings else ''}; {running} would run"


def _count(problems: tuple[Problem, ...], severity: Severity, word: str) -> str:
    count = sum(problem.severity is severity for problem in problems)
    return f"{count} {word}{'' if count == 1 else 's'}" if count else ""


def shown(file: Path) -> Path:
    """Relative to where one stands, if the file lies below it."""
    absolute, here = file.absolute(), Path.cwd()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else file
