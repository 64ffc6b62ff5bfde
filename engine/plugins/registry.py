"""The registry: which plugins there are. An instance, filled by discovery; never a global."""

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from rapidfuzz import process

from engine.model.errors import ConfigError
from engine.model.message import Shape
from engine.plugins.plugin import Plugin, PluginKind

ENTRY_POINT_GROUP = "islet.plugins"
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

# One namespace for `type:` in each place of a channel: both kinds of step stand under `transform`.
_PLACES = {
    PluginKind.SOURCE: "source",
    PluginKind.FILTER: "filter",
    PluginKind.TRANSFORMER: "transform",
    PluginKind.STATEFUL: "transform",
    PluginKind.DESTINATION: "destination",
    PluginKind.FIELDS: "fields",
}


class Registry:
    """Plugins by place (`source`, `filter`, `transform`, `destination`) and name."""

    def __init__(self, plugins: Iterable[Plugin[Any]] = ()) -> None:
        self._plugins: dict[tuple[str, str], Plugin[Any]] = {}
        for plugin in plugins:
            self.add(plugin)

    def add(self, plugin: Plugin[Any]) -> None:
        """Raises ConfigError if the name is taken (naming both modules) or not snake_case."""
        if not _NAME.fullmatch(plugin.name):
            raise ConfigError([f"{plugin.where}: plugin name {plugin.name!r} must be snake_case"])
        key = (_PLACES[plugin.kind], plugin.name)
        other = self._plugins.get(key)
        if other is not None and other is not plugin:
            raise ConfigError([f"{plugin.kind} {plugin.name!r} is declared twice: {other.where} and {plugin.where}"])
        self._plugins[key] = plugin

    def get(self, place: str, name: str) -> Plugin[Any] | None:
        return self._plugins.get((place, name))

    def fields_of(self, shape: Shape) -> Plugin[Any] | None:
        """The field reader for bodies of this shape."""
        return next((p for p in self if p.kind is PluginKind.FIELDS and shape in p.accepts), None)

    def names(self, place: str) -> list[str]:
        return sorted(name for where, name in self._plugins if where == place)

    def near(self, place: str, name: str) -> list[str]:
        """Up to three names like this one, best first."""
        return [match[0] for match in process.extract(name, self.names(place), limit=3, score_cutoff=60)]

    def __iter__(self) -> Iterator[Plugin[Any]]:
        return iter(self._plugins.values())


def discover() -> Registry:
    """Load every plugin that an installed package names in the entry point group `islet.plugins`.

    An entry point names a module or a package; packages are walked. Raises ConfigError that names the entry
    point if it cannot be imported.
    """
    registry = Registry()
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        for plugin in _load(entry):
            registry.add(plugin)
    return registry


def _load(entry: EntryPoint) -> Iterator[Plugin[Any]]:
    try:
        root = importlib.import_module(entry.value)
        modules = [root, *_walk(root)]
    except Exception as error:
        owner = entry.dist.name if entry.dist else "unknown distribution"
        raise ConfigError([f"plugins of {owner} ({entry.value}) cannot be imported: {error!r}"]) from error
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Plugin) and value.module == module.__name__:
                yield value


def _walk(root: ModuleType) -> Iterator[ModuleType]:
    if hasattr(root, "__path__"):
        for info in pkgutil.walk_packages(root.__path__, root.__name__ + "."):
            yield importlib.import_module(info.name)
