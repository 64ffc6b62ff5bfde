"""`islet test`: the NAME.test.yaml of all channels, or of those named."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.cli.check import as_text, shown
from engine.cli.readings import GlucoseWords
from engine.config.loader import load
from engine.config.names import hint
from engine.config.plan import Configuration
from engine.model.errors import ConfigError
from engine.plugins.registry import Registry, discover
from engine.testing.channel_tests.runner import Read, Result, read_tests, run_all


def run_tests(root: Path, channels: Sequence[str] = (), registry: Registry | None = None) -> int:
    """Run and print them. 0 if all passed; 1 if one failed, a file has problems, or a named channel has no tests."""
    try:
        registry = registry or discover()
        loaded = load(root, registry, os.environ)
    except ConfigError as error:
        return _say(error.text, 1)
    if loaded.configuration is None:
        return _say(as_text(loaded).rstrip(), 1)
    configuration, words = loaded.configuration, GlucoseWords()
    unknown = [name for name in channels if name not in configuration.channels]
    if unknown:
        return _say(f"there is no channel `{unknown[0]}`; {hint(unknown[0], configuration.channels)}", 1)
    read = read_tests(configuration, registry, words, channels)
    if read.problems:
        lines = [str(replace(problem, file=shown(problem.file))) for problem in read.problems]
        return _say("\n".join([*lines, "nothing was run: the test files have problems"]), 1)
    return _run(read, configuration, registry, words, named=bool(channels))


def _run(read: Read, configuration: Configuration, registry: Registry, words: GlucoseWords, *, named: bool) -> int:
    last = ""

    def tell(result: Result) -> None:
        nonlocal last
        if result.channel != last:
            _say(str(shown(result.place.file)))
            last = result.channel
        _say(told(result))

    results = run_all(read.cases, configuration, registry, words, tell)
    for name in read.without:
        _say(f"{name} has no tests; write channels/{name}.test.yaml")
    failed = sum(bool(result.failures) for result in results)
    _say(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed or (named and read.without) else 0


def told(result: Result) -> str:
    """One test, with its failures below it."""
    if not result.failures:
        return f"  ok    {result.name}"
    return "\n".join(
        [f"  FAIL  {result.name} (line {result.place.line})", *(f"        {text}" for text in result.failures)]
    )


def _say(text: str, code: int = 0) -> int:
    sys.stdout.write(f"{text}\n")
    return code
