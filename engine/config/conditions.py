"""The lines of `keep_when`: compiled once, when the configuration is loaded, to functions over messages.

A condition holds when any value at its path satisfies it; the `not` forms hold when none does. The reason of a drop
names the field and the operator and never a value.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pydantic_core import SchemaError, SchemaValidator, core_schema

from engine.config.expressions import MAX_VALUES, Expression, Unusable, compile_expression
from engine.config.names import hint, there_are
from engine.config.problems import Place, Report, join
from engine.config.tree import ListNode, MapNode, Node, ScalarNode
from engine.contracts.plugins import FieldReader
from engine.model.errors import InvalidMessage
from engine.model.message import Message, Shape
from engine.model.outcome import KEEP, Drop, Keep
from engine.model.settings import Table

Check = Callable[[Message], Keep | Drop]
Test = Callable[[Sequence[str]], bool]
"""Do the values at a path satisfy the condition?"""

EXAMPLE: Final = "{field: OBX-11, in: [F, C]}"
_META: Final = "meta"
_EXPRESSION_KEYS: Final = ("expression", "with")


@dataclass(frozen=True, slots=True)
class Scope:
    """What the conditions of one channel can look at. `shape` is None where a problem that is reported already has
    left it open; paths are not checked then."""

    shape: Shape | None
    reader: FieldReader | None
    tables: Mapping[str, Table]
    report: Report

    def path(self, node: Node, at: str) -> str | None:
        """A field path that messages of this shape can be asked for."""
        if isinstance(node, ScalarNode) and node.unresolved:
            return None
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str) or not node.text:
            self.report.add("E203", node.place, at, "must be the path of a field, such as OBX-3.1 or records[].unit")
        elif self.shape is not None and self.reader is None:
            text = f"{self.shape} messages have no fields to ask for; use a filter plugin, or an expression over `meta`"
            self.report.add("E406", node.place, at, text)
        elif self.reader is not None:
            wrong = self.reader.check(node.text)
            if wrong is None:
                return node.text
            self.report.add("E402", node.place, at, wrong)
        return None


def compile_condition(node: MapNode, at: str, scope: Scope) -> Check | None:
    """One condition as a function; None if it has problems, which are reported."""
    return _expression(node, at, scope) if "expression" in node.entries else _field_condition(node, at, scope)


def all_hold(checks: Sequence[Check]) -> Check:
    """All of them as one: the first that drops a message decides."""
    if len(checks) == 1:
        return checks[0]

    def keep(message: Message) -> Keep | Drop:
        for check in checks:
            verdict = check(message)
            if isinstance(verdict, Drop):
                return verdict
        return KEEP

    return keep


def _known_keys(node: MapNode, known: Sequence[str], at: str, report: Report) -> bool:
    unknown = [entry.key for name, entry in node.entries.items() if name not in known]
    for key in unknown:
        report.add("E201", key.place, join(at, key.text), f"unknown key; {hint(key.text, known)}")
    return not unknown


# --- {field: ..., OPERATOR: ...}


def _field_condition(node: MapNode, at: str, scope: Scope) -> Check | None:
    operators = [name for name in node.entries if name in _OPERATORS]
    if not _known_keys(node, ["field", *_OPERATORS, *_EXPRESSION_KEYS, "type"], at, scope.report):
        return None
    field = node.get("field")
    if field is None:
        scope.report.add("E401", node.place, at, f"names no field; write a condition such as {EXAMPLE}")
        return None
    path = scope.path(field, join(at, "field"))
    if len(operators) != 1:
        text = f"must say one thing of the field, as {EXAMPLE} does; {there_are(_OPERATORS)}"
        scope.report.add("E401", node.place, at, text)
        return None
    operator = operators[0]
    operand = node.entries[operator].value
    if isinstance(operand, ScalarNode) and operand.unresolved:
        return None
    test = _OPERATORS[operator](operand, join(at, operator), scope)
    if test is None or path is None or scope.reader is None:
        return None
    return _checked(scope.reader, path, test, Drop(f"keep_when: {path} {operator}"))


def _checked(reader: FieldReader, path: str, test: Test, drop: Drop) -> Check:
    values = reader.values
    return lambda message: KEEP if test(values(message, path)) else drop


def _text(node: Node, at: str, scope: Scope) -> str | None:
    """A single value as text, as it is written."""
    if isinstance(node, ScalarNode) and node.value is not None:
        return None if node.unresolved else node.text
    if isinstance(node, ScalarNode):
        scope.report.add("E203", node.place, at, "is empty; write a value, or `exists: false` if there should be none")
    else:
        scope.report.add(
            "E203", node.place, at, "must be a single value; for several write `in: [...]` or `not_in: [...]`"
        )
    return None


def _is(node: Node, at: str, scope: Scope) -> Test | None:
    wanted = _text(node, at, scope)
    return None if wanted is None else lambda values: wanted in values


def _in(node: Node, at: str, scope: Scope) -> Test | None:
    if not isinstance(node, ListNode) or not node.items:
        shown = node.shown if isinstance(node, ScalarNode) and node.value is not None else "F, C"
        scope.report.add("E203", node.place, at, f"must be a list of values; write `[{shown}]`")
        return None
    texts = [_text(item, join(at, number), scope) for number, item in enumerate(node.items)]
    wanted = frozenset(text for text in texts if text is not None)
    return None if None in texts else lambda values: not wanted.isdisjoint(values)


def _in_table(node: Node, at: str, scope: Scope) -> Test | None:
    name = _text(node, at, scope)
    if name is None:
        return None
    if name not in scope.tables:
        scope.report.add("E404", node.place, at, f"no table `{name}` in channels/tables; {hint(name, scope.tables)}")
        return None
    keys = frozenset(scope.tables[name])
    return lambda values: not keys.isdisjoint(values)


def _between(node: Node, at: str, scope: Scope) -> Test | None:
    limits = (
        [_number(item.text) for item in node.items if isinstance(item, ScalarNode)]
        if isinstance(node, ListNode)
        else []
    )
    if isinstance(node, ListNode) and any(isinstance(item, ScalarNode) and item.unresolved for item in node.items):
        return None
    if not isinstance(node, ListNode) or len(node.items) != 2 or None in limits or len(limits) != 2:
        scope.report.add("E203", node.place, at, "must be two numbers, the lower first, such as `[40, 400]`")
        return None
    low, high = limits
    assert low is not None
    assert high is not None
    if low > high:
        scope.report.add(
            "E204", node.place, at, f"has the higher number first, so nothing lies between; write [{high}, {low}]"
        )
        return None

    def lies_between(values: Sequence[str]) -> bool:
        for value in values:
            number = _number(value)
            if number is not None and low <= number <= high:
                return True
        return False

    return lies_between


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _matches(node: Node, at: str, scope: Scope) -> Test | None:
    pattern = _text(node, at, scope)
    if pattern is None:
        return None
    try:
        # Rust's engine takes linear time whatever the value; a backtracking one could hang on a message.
        matcher = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = str(error).rstrip().rsplit("\n", 1)[-1].removeprefix("error: ").strip()
        scope.report.add("E403", node.place, at, f"is no pattern (regular expression, RE2 syntax): {reason}")
        return None
    found = matcher.isinstance_python
    return lambda values: any(map(found, values))


def _exists(node: Node, at: str, scope: Scope) -> Test | None:
    if not isinstance(node, ScalarNode) or not isinstance(node.value, bool):
        scope.report.add("E203", node.place, at, "must be true or false")
        return None
    return bool if node.value else lambda values: not values


def _not(operator: Callable[[Node, str, Scope], Test | None]) -> Callable[[Node, str, Scope], Test | None]:
    def negated(node: Node, at: str, scope: Scope) -> Test | None:
        test = operator(node, at, scope)
        return None if test is None else lambda values: not test(values)

    return negated


_OPERATORS: Final[Mapping[str, Callable[[Node, str, Scope], Test | None]]] = {
    "is": _is,
    "in": _in,
    "in_table": _in_table,
    "between": _between,
    "matches": _matches,
    "exists": _exists,
    "is_not": _not(_is),
    "not_in": _not(_in),
    "not_in_table": _not(_in_table),
    "not_matches": _not(_matches),
}
OPERATORS: Final = tuple(_OPERATORS)


# --- {expression: "...", with: {name: path}}


@dataclass(frozen=True, slots=True)
class _Variable:
    """A name of an expression: the one value at a path as text (empty if there is none), or all of them."""

    name: str
    path: str
    every: bool

    def read(self, reader: FieldReader, message: Message) -> Any:
        values = reader.values(message, self.path)
        if self.every:
            if len(values) > MAX_VALUES:
                text = f"has more than {MAX_VALUES} values, too many for an expression"
                raise InvalidMessage(text, code="too-many-values", path=self.path)
            return list(values)
        if len(values) > 1:
            text = (
                f"has several values where an expression takes one; write `with: {{{self.name}: {{all: {self.path}}}}}`"
            )
            raise InvalidMessage(text, code="several-values", path=self.path)
        return values[0] if values else ""


def _expression(node: MapNode, at: str, scope: Scope) -> Check | None:
    if not _known_keys(node, _EXPRESSION_KEYS, at, scope.report):
        return None
    variables = _variables(node.get("with"), join(at, "with"), scope)
    source = node.entries["expression"].value
    place = source.place
    where = join(at, "expression")
    if not isinstance(source, ScalarNode) or not source.quoted:
        scope.report.add("E405", place, where, "must stand in double quotes, or YAML may read it otherwise")
        return None
    if variables is None or source.unresolved:
        return None
    try:
        expression = compile_expression(source.text, frozenset({_META, *(one.name for one in variables)}))
    except Unusable as unusable:
        scope.report.add("E405", _within(place, source, unusable.offset), where, str(unusable))
        return None
    return _evaluated(expression, variables, scope.reader, Drop(f"{at}: expression"))


def _within(place: Place, source: ScalarNode, offset: int) -> Place:
    """The position in the file, where the text stands on one line just as it is read."""
    if source.written is not None or any(sign in source.text for sign in "\n\\\"'"):
        return place
    return Place(place.file, place.line, place.column + 1 + offset)


def _variables(node: Node | None, at: str, scope: Scope) -> list[_Variable] | None:
    if node is None:
        return []
    if not isinstance(node, MapNode):
        scope.report.add(
            "E203", node.place, at, "must give names to fields, such as {value: OBX-5, codes: {all: OBX-3.1}}"
        )
        return None
    found = [_variable(name, entry.value, join(at, name), scope) for name, entry in node.entries.items()]
    return None if None in found else [one for one in found if one is not None]


def _variable(name: str, node: Node, at: str, scope: Scope) -> _Variable | None:
    if not name.isidentifier() or not name.isascii() or name == _META:
        scope.report.add("E405", node.place, at, "is no name for a value; use letters, digits and _, and not `meta`")
        return None
    every = isinstance(node, MapNode) and list(node.entries) == ["all"]
    path = scope.path(node.entries["all"].value if isinstance(node, MapNode) and every else node, at)
    return None if path is None else _Variable(name, path, every)


def _evaluated(
    expression: Expression, variables: Sequence[_Variable], reader: FieldReader | None, drop: Drop
) -> Check | None:
    needed = [one for one in variables if one.name in expression.needs]
    with_meta = _META in expression.needs
    holds = expression.holds

    def check(message: Message) -> Keep | Drop:
        given: dict[str, Any] = {one.name: one.read(reader, message) for one in needed} if reader else {}
        if with_meta:
            given[_META] = dict(message.meta)
        return KEEP if holds(given) else drop

    return check
