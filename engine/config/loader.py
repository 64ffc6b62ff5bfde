"""Loads a whole configuration: every file, every problem, and the plan if there is none that refuses it."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.config.channel import Draft, Surrounding, read_channel
from engine.config.linker import link, plans
from engine.config.plan import Configuration
from engine.config.problems import Place, Problem, Report, refuses
from engine.config.routes import UNREADABLE, Routes, read_routes
from engine.config.tables import read_tables
from engine.config.tree import MapNode, parse, plain, read_text
from engine.model.settings import Table
from engine.plugins.registry import Registry

CHANNELS: Final = "channels"
ROUTES: Final = "routes.yaml"
_TEST_ENDING: Final = ".test.yaml"


@dataclass(frozen=True, slots=True)
class Loaded:
    """`configuration` is None if a problem refuses it. `files`: how many channel files were read."""

    configuration: Configuration | None
    problems: tuple[Problem, ...]
    files: int = 0


def load(root: Path, registry: Registry, env: Mapping[str, str]) -> Loaded:
    """Read `channels/*.yaml`, `channels/tables/*.csv` and `routes.yaml` below `root`. Never raises for what they
    say: all of it comes back as problems, sorted by file and line."""
    report = Report()
    folder = root / CHANNELS
    if not folder.is_dir():
        text = f"there is no folder {CHANNELS} here; start in the folder that holds it, or name that folder"
        report.add("E101", Place(root, 1, 1), "", text)
        return Loaded(None, report.sorted())
    tables = read_tables(folder / "tables", report)
    routes = _routes(root / ROUTES, env, report)
    files = channel_files(folder)
    world = Surrounding(registry, tables, routes, env)
    drafts, broken = _read_channels(folder, files, world, report)
    linked = link(drafts, broken, routes, report)
    problems = report.sorted()
    if refuses(problems):
        return Loaded(None, problems, len(files))
    versions = {name: _version(draft, world, routes) for name, draft in drafts.items()}
    configuration = Configuration(root, plans(linked, versions), routes.site_values(), tables)
    return Loaded(configuration, problems, len(files))


def channel_files(folder: Path) -> list[Path]:
    """The channel files of a folder; `NAME.test.yaml` are tests and not channels."""
    return sorted(file for file in folder.glob("*.yaml") if not file.name.endswith(_TEST_ENDING))


def _routes(file: Path, env: Mapping[str, str], report: Report) -> Routes:
    """Without the file there are no routes and no sites, which some configurations can do without."""
    if not file.exists():
        return Routes()
    tree = _block(read_text(file, report), file, report)
    return UNREADABLE if tree is None else read_routes(tree, env, report)


def _read_channels(
    folder: Path, files: Collection[Path], world: Surrounding, report: Report
) -> tuple[dict[str, Draft], set[str]]:
    """Drafts by name, and the names of those that could not be read at all."""
    drafts: dict[str, Draft] = {}
    broken: set[str] = set()
    for file in files:
        text = read_text(file, report)
        tree = _block(text, file, report)
        if tree is None:
            broken.add(file.stem)
        elif not tree.entries:
            broken.add(file.stem)
            report.add("E108", Place(file, 1, 1), "", f"is empty; begin it with `channel: {file.stem}`")
        else:
            drafts[file.stem] = read_channel(file, tree, world, report)
            drafts[file.stem].text = text or ""
    for file in sorted(folder.glob("*.yml")):
        report.add("E101", Place(file, 1, 1), "", f"is not read; call it {file.stem}.yaml")
    return drafts, broken


def _block(text: str | None, file: Path, report: Report) -> MapNode | None:
    tree = None if text is None else parse(text, file, report)
    if tree is None or isinstance(tree, MapNode):
        return tree
    report.add("E108", tree.place, "", "must be a block of keys, one `key: value` on a line")
    return None


def _version(draft: Draft, world: Surrounding, routes: Routes) -> str:
    """Twelve hex digits over the channel's text and all that it takes from elsewhere."""
    site = routes.sites.get(draft.site or "")
    tables: dict[str, Table] = {name: world.tables[name] for name in sorted(draft.tables)}
    parts = [
        draft.text,
        json.dumps(tables, sort_keys=True),
        json.dumps(plain(site) if site else None, sort_keys=True),
        json.dumps({name: world.env.get(name) for name in sorted(draft.variables)}),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
