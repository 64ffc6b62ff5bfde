"""Runs the test files of a project."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.config.loader import CHANNELS
from engine.config.plan import Configuration
from engine.config.problems import Place, Problem, Report
from engine.journal.migrate import upgrade_sqlite
from engine.plugins.registry import Registry
from engine.testing.channel_tests.compare import mismatches
from engine.testing.channel_tests.facts import Stage, Stuck, run_case
from engine.testing.channel_tests.files import ENDING, Case, World, read_cases
from engine.testing.channel_tests.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Result:
    """One test that was run. `failures` in words, each beginning with its path in the test."""

    channel: str
    name: str
    place: Place
    failures: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """The cases of test files, and the problems in them. `without`: channels that have no test file."""

    cases: Sequence[Case]
    problems: Sequence[Problem]
    without: Sequence[str] = field(default=())


def read_tests(
    configuration: Configuration, registry: Registry, vocabulary: Vocabulary, channels: Sequence[str] = ()
) -> Read:
    """The cases of all channels, or of those named."""
    folder, report = configuration.root / CHANNELS, Report()
    world = World(folder, configuration.channels, registry, vocabulary, report)
    wanted = set(channels)
    found = {file.name.removesuffix(ENDING): file for file in sorted(folder.glob(f"*{ENDING}"))}
    cases = [case for name, file in found.items() if not wanted or name in wanted for case in read_cases(file, world)]
    known = channels or list(configuration.channels)
    return Read(cases, report.sorted(), [name for name in known if name not in found])


def run_all(
    cases: Sequence[Case],
    configuration: Configuration,
    registry: Registry,
    vocabulary: Vocabulary,
    tell: Callable[[Result], None] = lambda _result: None,
) -> list[Result]:
    """Run the cases one after the other; `tell` hears of each as it ends."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="islet-test-") as name:
        store = Path(name, "empty.db")
        upgrade_sqlite(store)
        stage = Stage(configuration.channels, registry, vocabulary, store)
        for case in cases:
            result = _run(case, stage)
            results.append(result)
            tell(result)
    return results


def _run(case: Case, stage: Stage) -> Result:
    with tempfile.TemporaryDirectory(prefix="islet-test-") as folder:
        try:
            facts = asyncio.run(run_case(case, stage, Path(folder)))
        except Stuck as error:
            return Result(case.channel, case.name, case.place, [str(error)])
    failures = [*facts.trouble, *(f"expect.{one}" for one in mismatches(case.expectations, facts))]
    return Result(case.channel, case.name, case.place, failures)
