"""routes.yaml: which channel feeds which, and what each site is and can do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.config.documents import RoutesKeys
from engine.config.plan import Site
from engine.config.problems import Place, Report, join
from engine.config.substitute import Given, substitute
from engine.config.tree import ListNode, MapNode, Node, ScalarNode, plain
from engine.config.validate import validate

ANY_ZONE = "UTC"
_NO_SITE = "${site...} cannot be used in routes.yaml itself; write the value"


@dataclass(frozen=True, slots=True)
class Arrow:
    """One channel feeds another."""

    feeder: str
    fed: str
    place: Place
    path: str


@dataclass(frozen=True, slots=True)
class Routes:
    """What routes.yaml says, as far as it could be read."""

    feeders: Mapping[str, Place] = field(default_factory=dict)
    """The channels on the left side, with where they stand."""
    arrows: tuple[Arrow, ...] = ()
    sites: Mapping[str, MapNode] = field(default_factory=dict)
    timezones: Mapping[str, str] = field(default_factory=dict)

    def site_values(self) -> Mapping[str, Site]:
        return {name: Site(name, self.timezones.get(name), plain(block)) for name, block in self.sites.items()}


def read_routes(root: MapNode, env: Mapping[str, str], report: Report) -> Routes:
    """What the file says; every problem in it is reported."""
    substitute(root, Given(env, no_site=_NO_SITE), report)
    keys = validate(RoutesKeys, root, "", report)
    routes = root.get("routes")
    feeders = {name: entry.key.place for name, entry in routes.entries.items()} if isinstance(routes, MapNode) else {}
    blocks = root.get("sites")
    sites = {}
    if isinstance(blocks, MapNode):
        sites = {name: entry.value for name, entry in blocks.entries.items() if isinstance(entry.value, MapNode)}
    if keys:
        _check_capabilities(keys, sites, report)
    return Routes(feeders, tuple(_arrows(routes, report)), sites, _timezones(keys, sites))


def _timezones(keys: RoutesKeys | None, sites: Mapping[str, MapNode]) -> dict[str, str]:
    """If the file has a problem, any zone will do: nothing runs, and channels must not be blamed for it."""
    return {name: keys.sites[name].timezone if keys else ANY_ZONE for name in sites}


def _arrows(routes: Node | None, report: Report) -> list[Arrow]:
    arrows: list[Arrow] = []
    for feeder, entry in (routes.entries if isinstance(routes, MapNode) else {}).items():
        seen: set[str] = set()
        items = entry.value.items if isinstance(entry.value, ListNode) else []
        for number, item in enumerate(items):
            if not isinstance(item, ScalarNode) or not isinstance(item.value, str) or item.unresolved:
                continue
            path = join(join("routes", feeder), number)
            if item.text in seen:
                report.add("E204", item.place, path, f"`{item.text}` is named twice in this list; keep one")
                continue
            seen.add(item.text)
            arrows.append(Arrow(feeder, item.text, item.place, path))
    return arrows


def _check_capabilities(keys: RoutesKeys, sites: Mapping[str, MapNode], report: Report) -> None:
    for name, site in keys.sites.items():
        can = sites[name].entries.get("can")
        if site.can and can and site.write_back == "read-only":
            text = "nothing can be written back to a read-only site; write `write_back: partial`, or take `can` out"
            report.add("E204", can.key.place, f"sites.{name}.can", text)


def no_routes(file: Path) -> MapNode:
    """What a missing routes.yaml says."""
    return MapNode(Place(file, 1, 1))
