"""Test files: read, checked, and turned into cases. Every mistake is a problem with its line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import orjson
from pydantic import BaseModel

from engine.config.names import hint
from engine.config.plan import ChannelPlan
from engine.config.problems import Place, Report, join
from engine.config.tree import ListNode, MapNode, Node, ScalarNode, parse, read_text
from engine.config.validate import Surroundings, validate
from engine.model.ids import new_id
from engine.model.message import Message, Shape
from engine.model.settings import Settings
from engine.plugins.registry import Registry
from engine.testing.channel_tests.keys import (
    CaseKeys,
    DestinationExpected,
    Expected,
    FileKeys,
    Given,
    Messages,
    PatientLink,
    When,
)
from engine.testing.channel_tests.vocabulary import Vocabulary

ENDING: Final = ".test.yaml"
_CHANGEABLE: Final = frozenset({Shape.HL7V2, Shape.JSON, Shape.FHIR})

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class HandIn:
    """A body that is handed in, after some time has passed."""

    body: bytes = field(repr=False)
    meta: Mapping[str, str] = field(default_factory=dict, repr=False)
    after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Expectations:
    """`fed`: channel → messages that it must have got."""

    expected: Expected
    destinations: Mapping[str, DestinationExpected]
    fed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Case:
    """One test, ready to run."""

    name: str
    channel: str
    place: Place
    at: datetime
    patients: Sequence[PatientLink]
    ledger: bytes | None
    """Readings that the ledger has before anything is handed in, as the body of a `records` message."""
    hand_in: Sequence[HandIn]
    answers: Mapping[str, Sequence[str]]
    expectations: Expectations


@dataclass(frozen=True, slots=True)
class World:
    """What test files refer to."""

    folder: Path
    plans: Mapping[str, ChannelPlan]
    registry: Registry
    vocabulary: Vocabulary
    report: Report


def read_cases(file: Path, world: World) -> list[Case]:
    """The cases of one file; problems are in the world's report."""
    text = read_text(file, world.report)
    root = None if text is None else parse(text, file, world.report)
    if root is None:
        return []
    if not isinstance(root, MapNode):
        world.report.add("E108", root.place, "", f"must begin with `test_channel: {file.name.removesuffix(ENDING)}`")
        return []
    keys = validate(FileKeys, root, "", world.report)
    plan = _plan(file, root, world)
    tests = _items(root.get("tests"), "tests", world.report)
    if keys is None or plan is None:
        return []
    found = [_Reader(world, plan, keys, join("tests", number), node).case() for number, node in enumerate(tests)]
    return [case for case in found if case is not None]


def _plan(file: Path, root: MapNode, world: World) -> ChannelPlan | None:
    node = root.get("test_channel")
    if not isinstance(node, ScalarNode):
        return None
    if node.text != file.name.removesuffix(ENDING):
        text = f"is `{node.shown}`, but the file is called {file.name}; give both the same name"
        world.report.add("E309", node.place, "test_channel", text)
        return None
    plan = world.plans.get(node.text)
    if plan is None:
        text = f"there is no channel `{node.shown}` that runs; {hint(node.text, world.plans)}"
        world.report.add("E301", node.place, "test_channel", text)
    return plan


def _items(node: Node | None, at: str, report: Report) -> list[MapNode]:
    if node is None:
        return []
    items = node.items if isinstance(node, ListNode) else [node]
    if not items:
        report.add("E204", node.place, at, "is empty: nothing would be tested")
    for number, item in enumerate(items):
        if not isinstance(item, MapNode):
            report.add("E203", item.place, join(at, number), "must be a block of keys")
    return [item for item in items if isinstance(item, MapNode)]


class _Reader:
    """Reads one case."""

    def __init__(self, world: World, plan: ChannelPlan, keys: FileKeys, at: str, node: MapNode) -> None:
        self._world, self._plan, self._keys, self._at, self._node = world, plan, keys, at, node
        self._report = world.report

    def case(self) -> Case | None:
        keys = validate(CaseKeys, self._node, self._at, self._report)
        before = len(self._report.sorted())
        hand_in = [one for number, node in self._blocks("given") for one in self._given(number, node)]
        ledger = self._ledger(keys) if keys is not None and keys.ledger else None
        answers = self._answers()
        expectations = self._expectations()
        if keys is None or expectations is None or len(self._report.sorted()) > before:
            return None
        return Case(
            name=keys.name,
            channel=self._plan.name,
            place=self._node.place,
            at=self._keys.at,
            patients=[*self._keys.patients, *keys.patients],
            ledger=ledger,
            hand_in=hand_in,
            answers=answers,
            expectations=expectations,
        )

    def _blocks(self, key: str) -> list[tuple[str, MapNode]]:
        """A block, or a list of blocks, each with its path."""
        node, at = self._node.get(key), join(self._at, key)
        blocks = _items(node, at, self._report)
        return [(join(at, number) if isinstance(node, ListNode) else at, block) for number, block in enumerate(blocks)]

    def _ledger(self, keys: CaseKeys) -> bytes | None:
        try:
            return self._world.vocabulary.compose(keys.ledger, self._keys.at)
        except ValueError as error:
            self._report.add("E204", _place(self._node, "ledger"), join(self._at, "ledger"), str(error))
            return None

    # --- given

    def _given(self, at: str, node: MapNode) -> list[HandIn]:
        given = validate(Given, node, at, self._report)
        if given is None:
            return []
        found = self._body(given, at, node)
        if found is None:
            return []
        body, meta = found
        body = self._changed(body, node, at)
        once = HandIn(body, {**meta, **given.meta}, given.after)
        return [once] + [HandIn(body, once.meta)] * (given.times - 1)

    def _body(self, given: Given, at: str, node: MapNode) -> tuple[bytes, dict[str, str]] | None:
        if given.file is not None:
            return self._file(given.file, join(at, "file"), node)
        if given.text is not None:
            return given.text.encode(), {}
        if given.hl7 is not None:
            lines = given.hl7.splitlines() if isinstance(given.hl7, str) else given.hl7
            return "".join(f"{line.strip()}\r" for line in lines if line.strip()).encode(), {}
        if given.records is not None:
            try:
                return self._world.vocabulary.compose(given.records, self._keys.at), {}
            except ValueError as error:
                self._report.add("E204", _place(node, "records"), join(at, "records"), str(error))
                return None
        return orjson.dumps(given.json_), {}

    def _file(self, name: str, at: str, node: MapNode) -> tuple[bytes, dict[str, str]] | None:
        path = self._world.folder / name
        try:
            return path.read_bytes(), {"file_name": path.name}
        except OSError as error:
            text = f"cannot be opened: {error.strerror}; it is looked for in {self._world.folder}"
            self._report.add("E101", _place(node, "file"), at, text)
            return None

    def _changed(self, body: bytes, node: MapNode, at: str) -> bytes:
        """With the fields of `change` set, by the step that analysts know from channels."""
        change = node.entries.get("change")
        if change is None:
            return body
        at, shape = join(at, "change"), self._plan.shape
        plugin = self._world.registry.get("transform", "set_fields")
        if plugin is None or shape not in _CHANGEABLE:
            self._report.add("E406", change.key.place, at, f"fields of {shape} messages cannot be changed here")
            return body
        whole = MapNode(change.key.place, {"set": change})
        settings: Settings | None = validate(plugin.settings, whole, at, self._report)
        if settings is None:
            return body
        id_ = new_id()
        message = Message(id=id_, origin_id=id_, channel="test", shape=shape, body=body, received_at=self._keys.at)
        try:
            changed: Message = plugin(message, settings)
        except Exception as error:  # noqa: BLE001 - a step's own words, about a test's own data
            self._report.add("E204", change.key.place, at, str(error))
            return body
        return changed.body

    # --- when

    def _answers(self) -> dict[str, Sequence[str]]:
        node, at = self._node.get("when"), join(self._at, "when")
        if node is None:
            return {}
        if not isinstance(node, MapNode):
            self._report.add("E203", node.place, at, "must be a block that names destinations")
            return {}
        found: dict[str, Sequence[str]] = {}
        names = [destination.name for destination in self._plan.destinations]
        for name, entry in node.entries.items():
            if name not in names:
                text = f"the channel has no such destination; {hint(name, names)}"
                self._report.add("E201", entry.key.place, join(at, name), text)
            when = self._block(When, entry.value, join(at, name))
            if when is not None:
                found[name] = [str(answer) for answer in when.answers]
        return found

    # --- expect

    def _expectations(self) -> Expectations | None:
        at = join(self._at, "expect")
        node = self._node.get("expect")
        if not isinstance(node, MapNode):
            if node is not None:
                self._report.add("E203", node.place, at, "must be a block of what is expected")
            return None
        if not node.entries:
            self._report.add(
                "E204", node.place, at, "expects nothing, so this test could not fail; write what comes of it"
            )
        names = {destination.name for destination in self._plan.destinations}
        feeds = {f"to-{name}": name for name in self._plan.feeds}
        other = frozenset(names | feeds.keys()) & node.entries.keys()
        around = Surroundings(also=[*names, *feeds])
        expected = validate(Expected, node.only(other, without=True), at, self._report, around=around)
        destinations = {
            name: self._block(DestinationExpected, entry.value, join(at, name))
            for name, entry in node.entries.items()
            if name in names
        }
        fed = {
            feeds[name]: self._messages(entry.value, join(at, name))
            for name, entry in node.entries.items()
            if name in feeds
        }
        if expected is None:
            return None
        told = {name: one for name, one in destinations.items() if one is not None}
        return Expectations(expected, told, fed)

    def _messages(self, node: Node, at: str) -> int:
        class Count(BaseModel):
            messages: Messages

        text = node.value if isinstance(node, ScalarNode) else None
        try:
            return Count.model_validate({"messages": text}).messages
        except ValueError:
            self._report.add("E204", node.place, at, "must be a number of messages; write `1 message` or 0")
            return 0

    def _block(self, model: type[M], node: Node, at: str) -> M | None:
        if isinstance(node, MapNode):
            return validate(model, node, at, self._report)
        self._report.add("E203", node.place, at, "must be a block of keys")
        return None


def _place(node: MapNode, key: str) -> Place:
    entry = node.entries.get(key)
    return entry.value.place if entry else node.place
