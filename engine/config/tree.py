"""YAML as a tree that knows where each value stands.

Scalars follow the core schema of YAML 1.2 (section 10.3), but for numbers with leading zeros, which stay text as
identifiers need: `NO`, `on`, `0123`, `22:30` and dates are text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from engine.config import syntax
from engine.config.problems import Place, Report, join

MAX_CHARACTERS: Final = 1_000_000
MAX_NODES: Final = 20_000
"""Values of one file, with each alias counted as all that it stands for."""
MAX_DEPTH: Final = 40

Value = str | int | float | bool | None

_LOADER: Final[type[Any]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: Final[dict[str, Value]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(
    r"[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[1-9][0-9]*[eE][-+]?[0-9]+)"
)


@dataclass(slots=True, eq=False)
class ScalarNode:
    """A single value. `text` is as written, `value` what it means; `quoted` if it stands in quotes or a block.

    `written`: how it read before something was put in for its `${...}`. `unresolved`: nothing could be put in. That
    is reported already, so nobody else complains about it.
    """

    place: Place
    text: str
    value: Value
    quoted: bool = False
    written: str | None = None
    unresolved: bool = False
    weight: int = 1

    @property
    def shown(self) -> str:
        """The text as it may be shown: as written, so that no value of the environment gets into a message."""
        return self.text if self.written is None else self.written


@dataclass(slots=True)
class Entry:
    """One `key: value` of a block."""

    key: ScalarNode
    value: "Node"


@dataclass(slots=True, eq=False)
class MapNode:
    """A block of keys, in the order of writing; keys are always text."""

    place: Place
    entries: dict[str, Entry] = field(default_factory=dict)
    weight: int = 1

    def get(self, key: str) -> "Node | None":
        entry = self.entries.get(key)
        return entry.value if entry else None

    def only(self, keys: frozenset[str], *, without: bool = False) -> "MapNode":
        """The same block with just these keys, or without them."""
        kept = {key: entry for key, entry in self.entries.items() if (key in keys) is not without}
        return MapNode(self.place, kept)


@dataclass(slots=True, eq=False)
class ListNode:
    """A list."""

    place: Place
    items: "list[Node]" = field(default_factory=list)
    weight: int = 1


Node = ScalarNode | MapNode | ListNode


def resolve(text: str) -> Value:
    """What a scalar without quotes means."""
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if not (first.isdigit() or first in "+-."):
        return text
    if _DECIMAL.fullmatch(text):
        return int(text) if len(text) < 20 else text
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def plain(node: Node) -> Any:
    """The values alone: dict, list, str, int, float, bool, None."""
    match node:
        case ScalarNode():
            return node.value
        case ListNode():
            return [plain(item) for item in node.items]
        case MapNode():
            return {key: plain(entry.value) for key, entry in node.entries.items()}


def scalars(node: Node, path: str = "") -> Iterator[tuple[str, ScalarNode]]:
    """Every single value with its path; what aliases share comes once for each place."""
    match node:
        case ScalarNode():
            yield path, node
        case ListNode():
            for number, item in enumerate(node.items):
                yield from scalars(item, join(path, number))
        case MapNode():
            for key, entry in node.entries.items():
                yield from scalars(entry.value, join(path, key))


def read_text(file: Path, report: Report) -> str | None:
    """The text of a file; None, with the problem reported, if there is none."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        report.add("E101", Place(file, 1, 1), "", f"cannot be opened: {error.strerror}")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        column = error.start - error.object.rfind(b"\n", 0, error.start)
        report.add("E101", Place(file, line, column), "", "is not UTF-8 from here on; save the file as UTF-8")
    return None


def parse(text: str, file: Path, report: Report) -> Node | None:
    """The tree of a file's text; None, with the problem reported, if it has none. An empty file is an empty block."""
    if len(text) > MAX_CHARACTERS:
        report.add("E101", Place(file, 1, 1), "", f"has more than {MAX_CHARACTERS} characters; split it")
        return None
    try:
        return _Composer(text, file, report).document()
    except yaml.YAMLError as error:
        found = syntax.explain(error, text)
        report.add(found.code, Place(file, found.line, found.column), "", found.text)
    except _Stop as stop:
        report.add(stop.code, stop.place, "", stop.text)
    return None


class _Stop(Exception):
    """The rest of the file cannot be understood."""

    def __init__(self, code: str, place: Place, text: str) -> None:
        super().__init__(code)
        self.code, self.place, self.text = code, place, text


class _Composer:
    """Builds the tree from the parser's events."""

    def __init__(self, text: str, file: Path, report: Report) -> None:
        self._lines = text.split("\n")
        self._events = yaml.parse(text, Loader=_LOADER)
        self._file = file
        self._report = report
        self._anchors: dict[str, Node | None] = {}

    def document(self) -> Node:
        self._next()  # the stream starts
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            return MapNode(Place(self._file, 1, 1))
        node = self._node(self._next(), depth=0)
        self._next()  # the document ends
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            text = "a second document begins here; write each channel into a file of its own, without `---`"
            raise _Stop("E106", self._place(after), text)
        return node

    def _next(self) -> Any:
        return next(self._events)

    def _place(self, event: Any) -> Place:
        return Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, depth: int) -> Node:
        place = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(str(event.anchor), place)
        if depth > MAX_DEPTH:
            raise _Stop("E106", place, f"nested more than {MAX_DEPTH} levels deep")
        if event.tag is not None:
            self._report.add(
                "E106", place, "", f"`{event.tag}`: tags are not used here; put text that begins with ! in quotes"
            )
        if event.anchor:
            self._anchors[event.anchor] = None
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, place)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._list(place, depth)
        else:
            node = self._map(place, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _aliased(self, anchor: str, place: Place) -> Node:
        if anchor not in self._anchors:
            text = f'`*{anchor}` stands for nothing above; put text that begins with * in quotes: "*{anchor}"'
            raise _Stop("E107", place, text)
        node = self._anchors[anchor]
        if node is None:
            raise _Stop("E107", place, f"`*{anchor}` stands inside what it stands for")
        return node

    def _scalar(self, event: Any, place: Place) -> ScalarNode:
        text: str = event.value
        if event.style:
            return ScalarNode(place, text, text, quoted=True)
        first, last = event.start_mark.line, event.end_mark.line
        for number in range(first + 1, min(last, len(self._lines) - 1) + 1):
            line = self._lines[number]
            if number < last or event.end_mark.column > len(line) - len(line.lstrip()):
                self._check_continuation(number, line)
        return ScalarNode(place, text, resolve(text))

    def _check_continuation(self, number: int, line: str) -> None:
        if line.lstrip().startswith("- "):
            place = Place(self._file, number + 1, len(line) - len(line.lstrip()) + 1)
            text = "this list item is read as part of the text above it; end the line above at its `:`"
            raise _Stop("E104", place, text)

    def _list(self, place: Place, depth: int) -> ListNode:
        node = ListNode(place)
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            item = self._node(event, depth + 1)
            node.items.append(item)
            node.weight = self._weigh(node.weight + item.weight, place)
        return node

    def _map(self, place: Place, depth: int) -> MapNode:
        node = MapNode(place)
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event)
            value = self._node(self._next(), depth + 1)
            node.weight = self._weigh(node.weight + value.weight, place)
            self._enter(node, key, value)
        return node

    def _weigh(self, weight: int, place: Place) -> int:
        if weight > MAX_NODES:
            raise _Stop("E107", place, f"stands for more than {MAX_NODES} values; use fewer aliases")
        return weight

    def _key(self, event: Any) -> ScalarNode:
        if isinstance(event, yaml.ScalarEvent) and not event.anchor and event.tag is None:
            return ScalarNode(self._place(event), event.value, event.value)
        raise _Stop(
            "E106", self._place(event), "a key must be plain text; put a value that begins with { or [ in quotes"
        )

    def _enter(self, node: MapNode, key: ScalarNode, value: Node) -> None:
        first = node.entries.get(key.text)
        if key.text == "<<":
            text = "merge keys are not used here; write the keys out, or give the whole block an alias"
            self._report.add("E106", key.place, "<<", text)
        elif first is not None:
            text = f"is written twice in this block (first on line {first.key.place.line}); keep one"
            self._report.add("E105", key.place, key.text, text)
        else:
            node.entries[key.text] = Entry(key, value)
