"""The escape hatch of conditions: one expression in CEL, the Common Expression Language (github.com/google/cel-spec).

Only a small, safe part of CEL is let through, because nothing can interrupt an expression once it runs: no
comprehension inside another, no adding up beside one, no `map`, and short lists only. This is the one module that
knows which library evaluates.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cel

from engine.config.names import hint
from engine.model.errors import InvalidMessage

MAX_LENGTH: Final = 500
MAX_VALUES: Final = 1000
"""Values of one name at most, while an expression runs."""

_TEXT: Final = {"contains", "endsWith", "matches", "size", "startsWith"}
_CONVERSIONS: Final = {"double", "duration", "int", "string", "timestamp"}
_TIMES: Final = {"getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours"} | {
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
}
_FUNCTIONS: Final = frozenset(_TEXT | _CONVERSIONS | _TIMES)
_MACROS: Final = frozenset({"all", "exists", "exists_one", "filter"})
_WORDS: Final = frozenset({"true", "false", "null", "in"})
_TOKEN: Final = re.compile(
    r"""(?P<string>[rRbB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"))"""
    r"""|(?P<comment>//[^\n]*)|(?P<name>[A-Za-z_]\w*)|(?P<number>\d[\w.]*)|(?P<sign>\S)""",
    re.DOTALL,
)
_WHERE: Final = re.compile(r"<input>:(\d+):(\d+): (?:Syntax error: )?(.*)")


Bound = Mapping[str, Sequence[tuple[int, int]]]
"""A name that comprehensions bind, and the parts of the text where it may be used."""


class Unusable(Exception):
    """The expression cannot be used; the text says why and what to write. `offset`: where in it, if known."""

    def __init__(self, text: str, offset: int = 0) -> None:
        super().__init__(text)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression and the names it needs."""

    needs: frozenset[str]
    holds: Callable[[Mapping[str, Any]], bool]
    """True or false for the values of `needs`. Raises InvalidMessage if they do not allow an answer."""


def compile_expression(source: str, names: frozenset[str]) -> Expression:
    """Raises Unusable. `names` are the variables there are."""
    if len(source) > MAX_LENGTH:
        raise Unusable(f"has more than {MAX_LENGTH} characters; write several conditions, or a filter plugin")
    try:
        program = cel.compile(source)
    except ValueError as error:
        raise _syntax(source, str(error)) from None
    bound = _check_safe(source, names)
    _check_names(source, frozenset(program.variables()), names, bound)
    _check_functions(program.functions())
    _check_patterns(source)
    needs = frozenset(program.variables()) & names
    if not needs:
        raise Unusable(
            "looks at nothing of the message; give fields a name under `with: {value: OBX-5}`, or use `meta`"
        )
    return Expression(needs, _holder(program))


def _holder(program: cel.Program) -> Callable[[Mapping[str, Any]], bool]:
    def holds(values: Mapping[str, Any]) -> bool:
        try:
            result = program.execute(dict(values))
        except (ValueError, TypeError, KeyError, IndexError, RuntimeError, OverflowError) as error:
            text = (
                'the expression of a condition has no answer for this message; guard it, as with `x != "" &&` or has()'
            )
            # What the evaluator says may quote the message, so it is for the journal only.
            raise InvalidMessage(text, code="expression-failed", detail=str(error)) from None
        if not isinstance(result, bool):
            raise InvalidMessage(
                "the expression of a condition gives neither true nor false; compare its result",
                code="expression-failed",
            )
        return result

    return holds


# --- what is let through


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


def _tokens(source: str) -> list[_Token]:
    found: Iterator[re.Match[str]] = _TOKEN.finditer(source)
    return [_Token(str(m.lastgroup), m[0], m.start()) for m in found if m.lastgroup != "comment"]


def _check_safe(source: str, names: frozenset[str]) -> Bound:
    """Refuses what could take long. Gives the names that comprehensions bind."""
    tokens = _tokens(source)
    bound: dict[str, list[tuple[int, int]]] = {}
    inside_until = -1
    for number, token in enumerate(tokens):
        if not _calls_method(tokens, number):
            continue
        if token.text == "map":
            raise Unusable("`map` cannot be used; a condition needs all, exists, exists_one or filter", token.offset)
        if token.text not in _MACROS:
            continue
        if number < inside_until:
            raise Unusable(
                f"`{token.text}` inside another comprehension would take too long; write two conditions", token.offset
            )
        inside_until = _closing(tokens, number + 1)
        name = tokens[number + 2]
        if name.text in names:
            raise Unusable(
                f"`{name.text}` is a name already; call the one inside {token.text}() otherwise", name.offset
            )
        bound.setdefault(name.text, []).append((name.offset, tokens[inside_until].offset))
    plus = next((token for token in tokens if token.text == "+"), None)
    if bound and plus:
        raise Unusable("`+` cannot be used beside all, exists, exists_one or filter: lists would grow", plus.offset)
    return bound


def _calls_method(tokens: list[_Token], number: int) -> bool:
    return (
        tokens[number].kind == "name"
        and 0 < number < len(tokens) - 1
        and tokens[number - 1].text == "."
        and tokens[number + 1].text == "("
    )


def _closing(tokens: list[_Token], opening: int) -> int:
    depth = 0
    for number in range(opening, len(tokens)):
        if tokens[number].kind == "sign":
            depth += (tokens[number].text in "([{") - (tokens[number].text in ")]}")
        if depth == 0:
            return number
    return len(tokens) - 1


def _check_names(source: str, used: frozenset[str], names: frozenset[str], bound: Bound) -> None:
    tokens = _tokens(source)
    for number, token in enumerate(tokens):
        after_dot = number > 0 and tokens[number - 1].text == "."
        called = number + 1 < len(tokens) and tokens[number + 1].text == "("
        if token.kind != "name" or after_dot or called or token.text in names or token.text in _WORDS:
            continue
        if not any(first <= token.offset <= last for first, last in bound.get(token.text, ())):
            raise Unusable(f"`{token.text}` is not known here; {hint(token.text, names)}", token.offset)
    unknown = used - names - bound.keys()
    if unknown:
        raise Unusable(f"`{min(unknown)}` is not known here; {hint(min(unknown), names)}")


def _check_functions(used: list[str]) -> None:
    for name in used:
        if name in _MACROS:
            raise Unusable(f"`{name}` takes a name and a condition, as in codes.{name}(c, c == 'x')")
        if name.isidentifier() and name not in _FUNCTIONS and not (name.startswith("_") and name.endswith("_")):
            raise Unusable(f"there is no function `{name}`; {hint(name, _FUNCTIONS | _MACROS)}")


def _check_patterns(source: str) -> None:
    """A pattern that is written out is tried now rather than on the first message."""
    tokens = _tokens(source)
    for number in range(2, len(tokens)):
        token = tokens[number]
        if token.kind == "string" and tokens[number - 1].text == "(" and tokens[number - 2].text == "matches":
            try:
                cel.evaluate(f"''.matches({token.text})")
            except RuntimeError as error:
                reason = re.findall(r"error: ([^\n]*?)(?:\. Check function.*)?$", str(error))
                raise Unusable(
                    f"the pattern cannot be read: {reason[-1] if reason else 'see RE2'}", token.offset
                ) from None


def _syntax(source: str, said: str) -> Unusable:
    match = _WHERE.search(said)
    if match is None:
        return Unusable("cannot be read")
    lines = source.split("\n")[: int(match[1]) - 1]
    offset = sum(len(line) + 1 for line in lines) + int(match[2]) - 1
    if re.match(r"\s*=[^=]", source[offset:]):
        return Unusable("compares with `==`, not with `=`", offset)
    reason = match[3].split(" expecting {")[0]
    return Unusable(f"cannot be read at character {offset + 1}: {reason}", offset)
