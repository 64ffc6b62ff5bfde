"""routes.yaml: which channel feeds which, and what each site is and can do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.config.documents import RoutesKeys
from engine.config.names import suggest
from engine.config.plan import Site
from engine.config.problems import Place, Report, join
from engine.config.substitute import Given, substitute
from engine.config.tree import Entry, ListNode, MapNode, Node, ScalarNode, plain
from engine.config.validate import validate

ANY_ZONE = "UTC"
_KEYS = ("routes", "sites")
_NO_SITE = "${site...} cannot be used in routes.yaml itself; write the value"


@dataclass(frozen=True, slots=True)
class Arrow:
    """One channel feeds another. `shown`: the fed one's name as it is written."""

    feeder: str
    fed: str
    place: Place
    path: str
    shown: str


@dataclass(frozen=True, slots=True)
class Routes:
    """What routes.yaml says, as far as it could be read."""

    feeders: Mapping[str, Place] = field(default_factory=dict)
    """The channels on the left side, with where they stand."""
    open_ended: frozenset[str] = frozenset()
    """Those whose right side has a problem, which is reported."""
    arrows: tuple[Arrow, ...] = ()
    routes_known: bool = True
    """Could the routes be read? If not, no channel is blamed for what they may have said."""
    sites: Mapping[str, MapNode] = field(default_factory=dict)
    timezones: Mapping[str, str] = field(default_factory=dict)
    site_names: frozenset[str] | None = frozenset()
    """None if the sites could not be read."""

    def site_values(self) -> Mapping[str, Site]:
        return {name: Site(name, self.timezones.get(name), plain(block)) for name, block in self.sites.items()}


def read_routes(root: MapNode, env: Mapping[str, str], report: Report) -> Routes:
    """What the file says; every problem in it is reported."""
    substitute(root, Given(env, no_site=_NO_SITE), report)
    keys = validate(RoutesKeys, root, "", report)
    routes, blocks = _block(root, "routes"), _block(root, "sites")
    written = routes.entries if routes else {}
    sites = {name: entry.value for name, entry in (blocks.entries if blocks else {}).items()}
    usable = {name: value for name, value in sites.items() if isinstance(value, MapNode)}
    if keys:
        _check_capabilities(keys, usable, report)
    return Routes(
        feeders={name: entry.key.place for name, entry in written.items()},
        open_ended=frozenset(name for name, entry in written.items() if not _is_list_of_text(entry.value)),
        arrows=tuple(_arrows(written, report)),
        routes_known=routes is not None,
        sites=usable,
        timezones=_timezones(keys, usable),
        site_names=None if blocks is None else frozenset(sites),
    )


def _block(root: MapNode, key: str) -> MapNode | None:
    """One of the file's two blocks, also where its name is misspelt; empty if it is not there, None if unreadable."""
    typo = next((name for name in root.entries if name not in _KEYS and suggest(name, _KEYS) == key), None)
    node = root.get(key if typo is None else typo)
    return MapNode(root.place) if node is None else node if isinstance(node, MapNode) else None


def _is_list_of_text(node: Node) -> bool:
    items = node.items if isinstance(node, ListNode) else [node]
    return all(isinstance(item, ScalarNode) and isinstance(item.value, str) for item in items)


def _timezones(keys: RoutesKeys | None, sites: Mapping[str, MapNode]) -> dict[str, str]:
    """If the file has a problem, any zone will do: nothing runs, and channels must not be blamed for it."""
    return {name: keys.sites[name].timezone if keys else ANY_ZONE for name in sites}


def _arrows(written: Mapping[str, Entry], report: Report) -> list[Arrow]:
    arrows: list[Arrow] = []
    for feeder, entry in written.items():
        seen: set[str] = set()
        items = entry.value.items if isinstance(entry.value, ListNode) else [entry.value]
        for number, item in enumerate(items):
            if not isinstance(item, ScalarNode) or not isinstance(item.value, str) or item.unresolved:
                continue
            path = join(join("routes", feeder), number)
            if item.text in seen:
                report.add("E204", item.place, path, f"`{item.shown}` is named twice in this list; keep one")
                continue
            seen.add(item.text)
            arrows.append(Arrow(feeder, item.text, item.place, path, item.shown))
    return arrows


def _check_capabilities(keys: RoutesKeys, sites: Mapping[str, MapNode], report: Report) -> None:
    for name, site in keys.sites.items():
        can = sites[name].entries.get("can")
        if site.can and can and site.write_back == "read-only":
            text = "nothing can be written back to a read-only site; write `write_back: partial`, or take `can` out"
            report.add("E204", can.key.place, f"sites.{name}.can", text)


UNREADABLE = Routes(routes_known=False, site_names=None)
"""What a file says that is no YAML."""
