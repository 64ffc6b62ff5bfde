"""`${site.x}` and `${env:X}`: what the configuration takes from the site's block and from the environment.

Both are put in once, while loading, only into values and always as text. Nothing else is ever substituted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.config.names import hint, there_are
from engine.config.problems import Report
from engine.config.tree import MapNode, Node, ScalarNode, scalars

_REFERENCE: Final = re.compile(r"\$\{([^}]*)\}")
_SITE: Final = re.compile(r"site\.([\w-]+(?:\.[\w-]+)*)")
_ENV: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Given:
    """What may be put in. Without a site, `no_site` says what to do about it; if that is empty, it is known already."""

    env: Mapping[str, str]
    site: str = ""
    block: MapNode | None = None
    no_site: str = "this channel belongs to no site; write `site: NAME` beside `channel:`"


class _Missing(Exception):
    """There is nothing to put in; the text says what to write."""


def substitute(node: Node, given: Given, report: Report, at: str = "") -> frozenset[str]:
    """Put values in, in place; where there is none it is reported and marked. Returns the variables of the
    environment that were asked for."""
    asked: set[str] = set()
    for path, scalar in scalars(node, at):
        if "${" in scalar.text and scalar.written is None and not scalar.unresolved:
            _fill(scalar, path, given, report, asked)
    return frozenset(asked)


def _fill(scalar: ScalarNode, path: str, given: Given, report: Report, asked: set[str]) -> None:
    written = scalar.text
    try:
        scalar.text = _REFERENCE.sub(lambda match: _look_up(match[1], given, asked), written)
        scalar.value, scalar.written = scalar.text, written
    except _Missing as missing:
        scalar.unresolved = True
        if str(missing):
            report.add("E209", scalar.place, path, str(missing))


def _look_up(name: str, given: Given, asked: set[str]) -> str:
    if match := _ENV.fullmatch(name):
        asked.add(match[1])
        if match[1] not in given.env:
            raise _Missing(
                f"the environment has no {match[1]}; set it before the engine starts, or write the value here"
            )
        return given.env[match[1]]
    if match := _SITE.fullmatch(name):
        return _from_site(match[1], given)
    raise _Missing(f"${{{name}}} stands for nothing; only ${{site.KEY}} and ${{env:NAME}} do")


def _from_site(path: str, given: Given) -> str:
    node: Node | None = given.block
    if node is None:
        raise _Missing(given.no_site)
    walked = f"sites.{given.site}"
    for key in path.split("."):
        if not isinstance(node, MapNode):
            raise _Missing(f"{walked} in routes.yaml has no keys of its own, so no `{key}`")
        if key not in node.entries:
            raise _Missing(f"{walked} in routes.yaml has no `{key}`; {hint(key, node.entries)}")
        node, walked = node.entries[key].value, f"{walked}.{key}"
    if isinstance(node, MapNode):
        raise _Missing(f"{walked} in routes.yaml is a block; name one of its keys ({there_are(node.entries)})")
    if not isinstance(node, ScalarNode) or node.value is None:
        raise _Missing(f"{walked} in routes.yaml is no single value, which is all that can be put in")
    if node.unresolved:
        raise _Missing
    return node.text
