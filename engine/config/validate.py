"""Blocks of YAML against pydantic models: each mistake once, at its own line, with what to write."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from engine.config.examples import SchemaAt
from engine.config.names import hint, suggest
from engine.config.problems import Place, Report, join
from engine.config.tree import ListNode, MapNode, Node, ScalarNode, plain
from engine.config.unsaid import as_written, put_in, told
from engine.config.words import is_of_others, is_wrong_kind, kind_wanted, sentence

M = TypeVar("M", bound=BaseModel)
Steps = tuple[str | int, ...]

_KEY: Final = "[key]"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a block's model does not know: keys that others take out of the same block, keys that are there but
    misspelt, and what to say of a key that belongs elsewhere."""

    also: Collection[str] = ()
    misspelt: Collection[str] = ()
    elsewhere: Callable[[str], str | None] = field(default=lambda _: None)


@dataclass(frozen=True, slots=True)
class _Finding:
    """One of pydantic's errors with the node it is about. `union`: the place of the outermost alternative that it
    belongs to, and which of the alternatives."""

    kind: str
    steps: Steps
    node: Node
    place: Place
    context: Mapping[str, Any]
    said: str
    name: str | None = None
    union: tuple[Steps, str] | None = None


def validate(
    model: type[M],
    node: MapNode,
    at: str,
    report: Report,
    context: object = None,
    around: Surroundings = Surroundings(),
) -> M | None:
    """The block as a model; None if it has problems, which are reported with paths below `at`."""
    try:
        return model.model_validate(plain(node), context=context)
    except ValidationError as error:
        findings = _choose([_locate(node, one) for one in _tellable(_raw(error), model, node, context)])
        for finding in _fold(findings, model, around):
            _report(finding, model, at, report, around)
    except Exception as error:  # noqa: BLE001 - a plugin's own code: its fault must not hide the other problems
        text = f"its settings cannot be checked, because of a mistake in {model.__module__} ({type(error).__name__})"
        report.add("E210", node.place, at, text)
    return None


# --- what pydantic says


_Raw = Mapping[str, Any]


def _raw(error: ValidationError) -> Sequence[_Raw]:
    return error.errors(include_url=False, include_input=False)


def _tellable(errors: Sequence[_Raw], model: type[BaseModel], node: MapNode, context: object) -> Sequence[_Raw]:
    """The same errors; what others say in them quotes nothing that was put in for a `${...}`."""
    if not any(is_of_others(one["type"]) for one in errors) or not put_in(node):
        return errors
    again: dict[object, str] = {}
    try:
        model.model_validate(plain(as_written(node)), context=context)
    except ValidationError as error:
        again = {(one["type"], one["loc"]): _said(one) for one in _raw(error)}
    return [
        {**one, "said": told(_said(one), again.get((one["type"], one["loc"])), node)}
        if is_of_others(one["type"])
        else one
        for one in errors
    ]


def _said(raw: _Raw) -> str:
    """In its author's words, or in pydantic's."""
    if raw["type"] in ("value_error", "assertion_error"):
        return str(raw["ctx"]["error"])
    message: str = raw["msg"]
    return message[:1].lower() + message[1:]


# --- from pydantic's location to the node


def _locate(root: Node, raw: Mapping[str, Any]) -> _Finding:
    node, place = root, root.place
    steps: list[str | int] = []
    union: tuple[Steps, str] | None = None
    name: str | None = None
    parts = raw["loc"]
    for number, part in enumerate(parts):
        inner = _step(node, part)
        if inner is not None:
            place, node = inner
            steps.append(part)
        elif part == _KEY:
            continue
        elif number == len(parts) - 1 and raw["type"] == "missing":
            name = str(part)
        elif union is None:
            union = tuple(steps), str(part)
    if raw["type"] == "union_tag_invalid":
        tag = raw["ctx"]["discriminator"].strip("'")
        place, node = _step(node, tag) or (place, node)
        steps.append(tag)
    at_key = raw["type"] == "extra_forbidden" or parts[-1:] == (_KEY,)
    return _Finding(
        raw["type"],
        tuple(steps),
        node,
        place if at_key else node.place,
        raw.get("ctx", {}),
        raw.get("said") or _said(raw),
        name=name,
        union=union,
    )


def _step(node: Node, part: str | int) -> tuple[Place, Node] | None:
    """The key's place and the value, if the part of the location is one of the document."""
    if isinstance(node, MapNode) and isinstance(part, str) and part in node.entries:
        entry = node.entries[part]
        return entry.key.place, entry.value
    if isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
        return node.items[part].place, node.items[part]
    return None


# --- one message per mistake


def _choose(findings: Sequence[_Finding]) -> Iterator[_Finding]:
    """Of the alternatives of each union, only the one that was meant."""
    unions: dict[Steps, dict[str, list[_Finding]]] = defaultdict(lambda: defaultdict(list))
    for finding in findings:
        if finding.union is None:
            yield finding
        else:
            where, branch = finding.union
            unions[where][branch].append(finding)
    for where, branches in unions.items():
        fitting = [found for found in branches.values() if not any(_misses(one, where) for one in found)]
        if fitting:
            yield from min(fitting, key=len)
        else:
            yield _neither(where, [found[0] for found in branches.values()])


def _misses(finding: _Finding, where: Steps) -> bool:
    """The value is not even of this alternative's kind."""
    return finding.steps == where and is_wrong_kind(finding.kind)


def _neither(where: Steps, firsts: Sequence[_Finding]) -> _Finding:
    first = firsts[0]
    texts = [one for one in firsts if kind_wanted(one.kind, one.context) == "text"]
    if texts and isinstance(first.node, ScalarNode) and first.node.value is not None:
        return texts[0]
    wanted = " or ".join(dict.fromkeys(kind_wanted(one.kind, one.context) for one in firsts))
    return _Finding("no_alternative", where, first.node, first.place, {"wanted": wanted}, first.said)


def _fold(findings: Iterator[_Finding], model: type[BaseModel], around: Surroundings) -> list[_Finding]:
    """A misspelt key and the key that is missing because of it are one mistake; nothing is said of a value that
    `${...}` left open."""
    kept = [one for one in findings if not (isinstance(one.node, ScalarNode) and one.node.unresolved)]
    kept = [one for one in kept if one.kind != "too_short" or not _short_by_others(one, kept)]
    missing = {(one.steps, one.name): one for one in kept if one.name is not None}
    meant: set[tuple[Steps, str | None]] = {((), name) for name in around.misspelt}
    for one in kept:
        if one.kind == "extra_forbidden":
            word = suggest(str(one.steps[-1]), SchemaAt.of(model, one.steps[:-1]).keys())
            meant.add((one.steps[:-1], word))
    return [one for one in kept if one.name is None or (one.steps, one.name) not in meant & missing.keys()]


def _short_by_others(finding: _Finding, findings: Sequence[_Finding]) -> bool:
    """A list that is too short only because its entries have problems of their own."""
    depth = len(finding.steps)
    return any(other.steps[:depth] == finding.steps and len(other.steps) > depth for other in findings)


# --- what to say


def _report(finding: _Finding, model: type[BaseModel], at: str, report: Report, around: Surroundings) -> None:
    path = at
    for step in finding.steps:
        path = join(path, step)
    if finding.name is not None:
        wanted = SchemaAt.of(model, (*finding.steps, finding.name))
        why = f" ({wanted.description()})" if wanted.description() else ""
        text = f"is missing; write `{finding.name}: {wanted.example()}`{why}"
        report.add("E202", finding.place, join(path, finding.name), text)
    elif finding.kind == "extra_forbidden":
        report.add("E201", finding.place, path, _unknown(finding.steps, model, around))
    else:
        schema = SchemaAt.of(model, finding.steps)
        code, text = sentence(finding.kind, finding.context, finding.said, finding.node, _label(finding.steps), schema)
        report.add(code, finding.place, path, text)


def _label(steps: Steps) -> str:
    names = [step for step in steps if isinstance(step, str)]
    return names[-1] if names and isinstance(steps[-1], str) else ""


def _unknown(steps: Steps, model: type[BaseModel], around: Surroundings) -> str:
    word, known = str(steps[-1]), SchemaAt.of(model, steps[:-1]).keys()
    if len(steps) == 1:
        known = [*known, *around.also]
        belongs = around.elsewhere(word)
        if belongs:
            return f"unknown key here; {belongs}"
    return f"unknown key; {hint(word, known)}"
