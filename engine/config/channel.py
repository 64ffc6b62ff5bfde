"""One channel file: from its tree to a draft that the linker joins with the others."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from engine.config.binding import Binder, Noted, Part
from engine.config.conditions import EXAMPLE, Check, Scope, all_hold, compile_condition
from engine.config.documents import NAME_PATTERN, ChannelKeys, ChannelSource, DestinationKeys
from engine.config.examples import keys_of
from engine.config.names import hint, suggest
from engine.config.problems import Place, Report, join
from engine.config.routes import ANY_ZONE, Routes
from engine.config.substitute import Given, substitute
from engine.config.tree import Entry, ListNode, MapNode, Node, ScalarNode
from engine.config.unsaid import as_written, put_in, tell
from engine.config.validate import Surroundings, validate
from engine.model.message import Message, Shape
from engine.model.outcome import KEEP, Drop, Keep
from engine.model.settings import SettingsContext, Table
from engine.plugins.plugin import PluginKind
from engine.plugins.registry import Registry

_CHANNEL: Final = "channel"
_STRUCTURE: Final = frozenset({"source", "filter", "transform", "destinations"})


@dataclass(frozen=True, slots=True)
class DestinationDraft:
    """One destination; either half may be missing, because of problems."""

    keys: DestinationKeys | None
    part: Part | None


@dataclass(slots=True)
class Draft:
    """A channel as far as its own file tells. What could not be read is missing, and its problem is reported."""

    name: str
    file: Path
    place: Place
    keys: ChannelKeys | None = None
    fed: bool = False
    """`source: {type: channel}`"""
    source: Part | None = None
    shape: Shape | None = None
    """What its source gives or its routes bring."""
    filters: list[Part] = field(default_factory=list)
    keep: Check = field(default=lambda _: KEEP)
    steps: list[Part | None] = field(default_factory=list)
    destinations: list[DestinationDraft] = field(default_factory=list)
    has_destinations: bool = False
    site: str | None = None
    tables: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    text: str = ""

    @property
    def enabled(self) -> bool:
        return self.keys is None or self.keys.enabled

    @property
    def parts(self) -> list[Part]:
        """Every plugin that could be found, in the order of the file."""
        sources = [self.source] if self.source else []
        destinations = [one.part for one in self.destinations if one.part]
        return [*sources, *self.filters, *(step for step in self.steps if step), *destinations]


@dataclass(frozen=True, slots=True)
class Surrounding:
    """What a channel file refers to."""

    registry: Registry
    tables: Mapping[str, Table]
    routes: Routes
    env: Mapping[str, str]


def read_channel(file: Path, root: MapNode, world: Surrounding, report: Report) -> Draft:
    """The draft of a file; every problem in it is reported."""
    return _Reader(file, root, world, report).draft()


class _Reader:
    def __init__(self, file: Path, root: MapNode, world: Surrounding, report: Report) -> None:
        self._root, self._world, self._report = root, world, report
        entry = root.entries.get(_CHANNEL)
        self._draft = Draft(file.stem, file, entry.key.place if entry else root.place)
        self._blocks = _structure(root)
        self._tables = Noted(world.tables)

    def draft(self) -> Draft:
        draft = self._draft
        draft.site = self._site()
        draft.variables = substitute(self._root, self._given(draft.site), self._report)
        self._check_name()
        draft.keys = validate(ChannelKeys, self._root, "", self._report, around=Surroundings(elsewhere=self._belongs))
        zone = self._world.routes.timezones.get(draft.site or "", ANY_ZONE) if "site" in self._root.entries else None
        context = SettingsContext(site_timezone=zone, tables=self._tables)
        binder = Binder(self._world.registry, context, self._report, _belongs_to_channel)
        self._read_source(binder)
        self._read_filter(binder)
        self._read_steps(binder)
        self._read_destinations(binder)
        draft.tables = frozenset(self._tables.asked)
        return draft

    def _check_name(self) -> None:
        node, name = self._root.get(_CHANNEL), self._draft.name
        if node is None:
            if not any(suggest(key, [_CHANNEL]) for key in self._root.entries):
                self._report.add("E202", self._root.place, _CHANNEL, f"is missing; begin with `channel: {name}`")
            scalar = ScalarNode(self._root.place, name, name)
            self._root.entries[_CHANNEL] = Entry(scalar, scalar)
        elif isinstance(node, ScalarNode) and re.fullmatch(NAME_PATTERN, node.text) and node.text != name:
            text = f"is `{node.shown}`, but the file is called {self._draft.file.name}; give both the same name"
            self._report.add("E309", node.place, _CHANNEL, text)

    # --- the site and what it gives

    def _site(self) -> str | None:
        node = self._root.get("site")
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
            return None
        names = self._world.routes.site_names
        if names is not None and node.text not in names:
            text = f"routes.yaml has no site `{node.shown}`; {hint(node.text, names)}"
            self._report.add("E310", node.place, "site", text)
        return node.text

    def _given(self, site: str | None) -> Given:
        if "site" not in self._root.entries:
            return Given(self._world.env)
        return Given(self._world.env, site or "", self._world.routes.sites.get(site or ""), no_site="")

    def _belongs(self, key: str) -> str | None:
        """A key at the left margin that belongs into a block."""
        if suggest(key, ["keep_when"]):
            return "`keep_when:` stands under `filter:`"
        source = self._blocks.get("source")
        type_ = source.get("type") if isinstance(source, MapNode) else None
        plugin = self._world.registry.get("source", type_.text) if isinstance(type_, ScalarNode) else None
        if plugin is None or key not in keys_of(plugin.settings):
            return None
        return f"it is a setting of `{plugin.name}`: indent it, so that it stands under `source:`"

    # --- source

    def _read_source(self, binder: Binder) -> None:
        node = self._blocks.get("source")
        if node is None:
            return
        if isinstance(node, MapNode) and _says(node, "type", _CHANNEL):
            self._draft.fed = True
            keys = validate(ChannelSource, node, "source", self._report)
            self._draft.shape = keys.shape if keys else None
            return
        self._draft.source = binder.part("source", node, "source")
        self._draft.shape = self._draft.source.emits if self._draft.source else None

    # --- filter

    def _read_filter(self, binder: Binder) -> None:
        node = self._blocks.get("filter")
        if node is None:
            return
        lines = self._keep_when(node)
        scope = self._scope()
        checks = [self._line(line, f"filter.keep_when[{number}]", scope, binder) for number, line in enumerate(lines)]
        self._draft.keep = all_hold([check for check in checks if check])

    def _keep_when(self, node: Node) -> list[Node]:
        if not isinstance(node, MapNode):
            text = "must be a block; write `keep_when:` under it, and below that one condition a line, each after `- `"
            self._report.add("E203", node.place, "filter", text)
            return []
        for key, entry in node.entries.items():
            if key != "keep_when":
                self._report.add(
                    "E201", entry.key.place, join("filter", key), f"unknown key; {hint(key, ['keep_when'])}"
                )
        lines = node.get("keep_when")
        if isinstance(lines, ListNode) and lines.items:
            return lines.items
        if lines is not None:
            text = f"must be a list of conditions; write each on a line of its own, as `- {EXAMPLE}`"
            self._report.add("E203", lines.place, "filter.keep_when", text)
        elif not node.entries:
            text = f"is missing; write `keep_when: [{EXAMPLE}]`"
            self._report.add("E202", node.place, "filter.keep_when", text)
        return []

    def _scope(self) -> Scope:
        shape = self._draft.shape
        plugin = self._world.registry.fields_of(shape) if shape else None
        reader = plugin.implementation() if plugin else None
        return Scope(shape, reader, self._tables, self._report)

    def _line(self, node: Node, at: str, scope: Scope, binder: Binder) -> Check | None:
        if not isinstance(node, MapNode):
            self._report.add("E401", node.place, at, f"is no condition; write one such as {EXAMPLE}")
            return None
        if "type" not in node.entries:
            return _condition(node, at, scope)
        part = binder.part("filter", node, at)
        if part is None:
            return None
        self._draft.filters.append(part)
        bound = part.bound
        return _applied(bound.plugin.implementation, bound.settings) if bound else None

    # --- transform and destinations

    def _read_steps(self, binder: Binder) -> None:
        for number, node in enumerate(self._list("transform", "a list of steps")):
            part = binder.part("transform", node, join("transform", number)) if node else None
            self._draft.steps.append(part)

    def _read_destinations(self, binder: Binder) -> None:
        names: dict[str, Place] = {}
        for number, node in enumerate(self._list("destinations", "a list")):
            at = join("destinations", number)
            self._draft.has_destinations = True
            if node:
                self._draft.destinations.append(self._destination(node, at, binder, names))

    def _destination(self, node: Node, at: str, binder: Binder, names: dict[str, Place]) -> DestinationDraft:
        block = binder.block("destination", node, at)
        if block is None:
            return DestinationDraft(None, None)
        engine = keys_of(DestinationKeys)
        around = Surroundings(misspelt=_misspelt(block, engine))
        keys = validate(DestinationKeys, block.only(engine), at, self._report, around=around)
        name = block.get("name")
        if keys and isinstance(name, ScalarNode):
            first = names.setdefault(keys.name, name.place)
            if first != name.place:
                text = (
                    f"`{name.shown}` is the name of another destination (line {first.line}); choose a name of its own"
                )
                self._report.add("E204", name.place, join(at, "name"), text)
        part = binder.part("destination", block, at, DestinationKeys, keys.name if keys else "")
        return DestinationDraft(keys, part)

    def _list(self, key: str, what: str) -> list[Node | None]:
        """The entries of a list. What is no list is reported; a single block counts as its one entry, and None stands
        for entries that nobody can know."""
        node = self._blocks.get(key)
        if node is None or (isinstance(node, ScalarNode) and node.value is None):
            return []
        if isinstance(node, ListNode):
            return list(node.items)
        text = f"must be {what}; begin each with `- `, the first line being `- type: ...`"
        self._report.add("E203", node.place, key, text)
        return [node if isinstance(node, MapNode) else None]


def _structure(root: MapNode) -> dict[str, Node]:
    """The four great blocks of a channel. One whose name is misspelt is read all the same, so that all its problems
    are found in one run."""
    found: dict[str, Node] = {}
    for key, entry in root.entries.items():
        meant = key if key in ChannelKeys.model_fields else suggest(key, ChannelKeys.model_fields)
        if meant in _STRUCTURE and (key == meant or meant not in root.entries):
            found.setdefault(meant, entry.value)
    return found


def _misspelt(block: MapNode, known: frozenset[str]) -> frozenset[str]:
    """Which of the known keys that a block lacks somebody has tried to write."""
    meant = {suggest(key, known) for key in block.entries if key not in known}
    return frozenset(key for key in meant if key is not None and key not in block.entries)


def _condition(node: MapNode, at: str, scope: Scope) -> Check | None:
    if not put_in(node):
        return compile_condition(node, at, scope)
    found, again, written = Report(), Report(), as_written(node)
    assert isinstance(written, MapNode)
    check = compile_condition(node, at, replace(scope, report=found))
    compile_condition(written, at, replace(scope, report=again))
    tell(found, again, node, scope.report)
    return check


def _says(node: MapNode, key: str, text: str) -> bool:
    value = node.get(key)
    return isinstance(value, ScalarNode) and value.text == text


def _applied(function: object, settings: object) -> Check:
    assert callable(function)

    def check(message: Message) -> Keep | Drop:
        verdict: Keep | Drop = function(message, settings)
        return verdict

    return check


def _belongs_to_channel(key: str) -> str | None:
    if key in ChannelKeys.model_fields and key not in {_CHANNEL, "description", "owner", "retry"}:
        return f"it belongs to the channel: write `{key}:` at the left margin"
    return None


FILTER_KINDS: Final = frozenset({PluginKind.FILTER})
