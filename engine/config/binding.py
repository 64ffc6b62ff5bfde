"""From `type:` and the keys beside it to a plugin with its settings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from engine.config.examples import keys_of
from engine.config.names import hint, suggest, there_are
from engine.config.plan import Bound
from engine.config.problems import Place, Report, join
from engine.config.tree import ListNode, MapNode, Node, ScalarNode
from engine.config.unsaid import put_in
from engine.config.validate import Surroundings, validate
from engine.model.message import Shape
from engine.model.settings import Secret, Settings, SettingsContext, Table
from engine.plugins.plugin import Plugin
from engine.plugins.registry import Registry

_TYPE = frozenset({"type"})


class Noted(Mapping[str, Table]):
    """Tables that remember which of them were asked for, so that a channel's version covers them."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Table:
        table = self._tables[name]
        self.asked.add(name)
        return table

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


@dataclass(frozen=True, slots=True)
class Part:
    """One plugin in a channel: what it is and where it is written. `bound` is None if its settings have problems.

    `emits`: the shape it gives; None: the one it was given, or not known. `claims`: what it wants for itself alone.
    `put_in`: the texts of its block that have something put in, as written.
    """

    plugin: Plugin[Any]
    bound: Bound | None
    place: Place
    path: str
    emits: Shape | None
    claims: Sequence[str] = ()
    put_in: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Binder:
    """Finds plugins and checks their settings, for one channel."""

    registry: Registry
    context: SettingsContext
    report: Report
    elsewhere: Callable[[str], str | None] = field(default=lambda _: None)
    """What to say of a key that belongs to the channel and not to a plugin; None if it does not."""

    def part(
        self, place: str, node: Node, at: str, around: type[BaseModel] | None = None, name: str = ""
    ) -> Part | None:
        """The plugin that a block names. `place` as in the registry; the keys of `around` are not the plugin's."""
        block = self.block(place, node, at)
        plugin = self.plugin(place, block, at) if block else None
        if block is None or plugin is None:
            return None
        taken = (keys_of(around) if around else frozenset()) | _TYPE
        clash = min(taken & keys_of(plugin.settings), default=None)
        if clash is not None:
            text = f"the plugin has a setting `{clash}`, which is the engine's own key here; its author must rename it"
            self.report.add("E210", block.place, at, text)
            return None
        surroundings = Surroundings(also=taken, elsewhere=self.elsewhere)
        own = block.only(taken, without=True)
        settings = validate(plugin.settings, own, at, self.report, self.context, surroundings)
        written = block.entries["type"].value.place
        if settings is None:
            return Part(plugin, None, written, at, plugin.emits)
        self._warn_of_secrets(settings, own, at)
        bound = Bound(name or plugin.name, plugin, settings)
        emits, claims = self._emits(bound, block, at), self._claims(bound, block, at)
        return Part(plugin, bound, written, at, emits, claims, put_in(own))

    def _emits(self, bound: Bound, block: MapNode, at: str) -> Shape | None:
        """A settings class may say by `emitted_shape()` which shape it gives, where that depends on the settings."""
        told: Shape | None = self._asked(bound, "emitted_shape", block, at)
        return told or bound.plugin.emits

    def _claims(self, bound: Bound, block: MapNode, at: str) -> Sequence[str]:
        """A settings class may say by `claims()` what no other plugin may use, such as `tcp port 2575`."""
        return tuple(self._asked(bound, "claims", block, at) or ())

    def _asked(self, bound: Bound, method: str, block: MapNode, at: str) -> Any:
        ask = getattr(bound.settings, method, None)
        try:
            return ask() if ask else None
        except Exception as error:  # noqa: BLE001 - a plugin's own code: its fault must not hide other problems
            text = f"{bound.plugin.name} fails when asked for its {method}, a mistake in {bound.plugin.module}"
            self.report.add("E210", block.place, at, f"{text} ({type(error).__name__})")
            return None

    def block(self, place: str, node: Node, at: str) -> MapNode | None:
        """The block itself, if it is one."""
        if isinstance(node, MapNode):
            return node
        if isinstance(node, ScalarNode) and node.value is not None:
            text = f"must be a block that begins with a type; write `type: {node.shown}` on a line of its own"
        else:
            text = f"must be a block that begins with `type: ...`; {there_are(self._known(place))}"
        self.report.add("E203", node.place, at, text)
        return None

    def plugin(self, place: str, block: MapNode, at: str) -> Plugin[Any] | None:
        """The plugin that the block's `type` names."""
        known = self._known(place)
        type_ = block.get("type")
        if type_ is None:
            typo = next((entry.key for key, entry in block.entries.items() if suggest(key, ["type"])), None)
            if typo is not None:
                self.report.add("E201", typo.place, join(at, typo.text), "unknown key; did you mean `type`?")
            else:
                self.report.add(
                    "E202", block.place, join(at, "type"), f"is missing; write `type: ...`; {there_are(known)}"
                )
            return None
        if isinstance(type_, ScalarNode) and type_.unresolved:
            return None
        word, shown = (type_.text, type_.shown) if isinstance(type_, ScalarNode) else ("", "")
        found = self.registry.get(place, word)
        if found is None:
            text = f"there is no {place} type `{shown}`; {hint(shown, known)}"
            self.report.add("E206", type_.place, join(at, "type"), text + self._other_place(place, shown))
        return found

    def _known(self, place: str) -> list[str]:
        names = self.registry.names(place)
        return [*names, "channel"] if place == "source" else names

    def _other_place(self, place: str, word: str) -> str:
        if place == "destination" and word == "channel":
            return "; which channels a channel feeds stands in routes.yaml"
        others = [other for other in ("source", "filter", "transform", "destination") if other != place]
        found = [other for other in others if self.registry.get(other, word)]
        return f" (`{word}` is a {found[0]} type)" if found else ""

    def _warn_of_secrets(self, settings: Settings, node: MapNode, at: str) -> None:
        for secret, named, path in _secrets(settings, node, at):
            if not secret.known():
                text = f"secret `{secret.secret}` has no value here; set {secret.where()} where the engine runs"
                if written := put_in(named):
                    text = f"the secret that `{written[0]}` names has no value here; set one where the engine runs"
                self.report.add("W208", named.place, path, text)


def _secrets(value: object, node: Node | None, at: str) -> Iterator[tuple[Secret, Node, str]]:
    """Every secret that the settings name in this part of the YAML, with where."""
    if node is None:
        return
    if isinstance(value, Secret):
        yield value, node, at
    elif isinstance(node, ListNode) and isinstance(value, Sequence):
        for number, (inner, item) in enumerate(zip(value, node.items, strict=False)):
            yield from _secrets(inner, item, join(at, number))
    elif isinstance(node, MapNode):
        for key, inner in _by_key(value).items():
            yield from _secrets(inner, node.get(key), join(at, key))


def _by_key(value: object) -> Mapping[str, object]:
    if isinstance(value, BaseModel):
        return {info.alias or name: getattr(value, name) for name, info in type(value).model_fields.items()}
    return {str(key): inner for key, inner in value.items()} if isinstance(value, Mapping) else {}
