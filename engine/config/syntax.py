"""What a YAML parser complains of, said so that the line can be mended."""

import re
from dataclasses import dataclass
from typing import Final

import yaml

_KEY_THEN_TEXT: Final = re.compile(r"\s*(?:- +)*[^\s:#'\"\[{][^:#]*: +\S")
_NO_BLANK_AFTER_COLON: Final = re.compile(r"\s*(?:- +)*(?P<key>[A-Za-z_][\w.-]*):(?P<value>[^\s:/\\].*)")
_BARE_REFERENCE: Final = re.compile(r"[:,\[{]\s*([^\s\"',\[{}]*\$\{[^}]*\})")
_SIMPLE: Final[tuple[tuple[str, str], ...]] = (
    ("found unknown escape", "in double quotes a backslash begins an escape; put the text in single quotes"),
    ("block sequence entries are not allowed", "a list begins on a line of its own: end this one at its `:`"),
    (
        "did not find expected node content",
        "a value is missing before this sign, or there is a bracket or comma too many",
    ),
    ("did not find expected comment or line break", "text that begins with > or | must be in quotes"),
    ("found unknown directive name", "a line that begins with % must be in quotes"),
    ("could not find expected ':'", "this line is neither `key: value` nor `- item`"),
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """`line` and `column` count from 1."""

    code: str
    line: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where the parser stopped (`line`, `column`) and where what it was reading began; all from 0."""

    lines: list[str]
    line: int
    column: int
    since_line: int
    since_column: int

    @property
    def text(self) -> str:
        return self.lines[self.line] if self.line < len(self.lines) else ""

    @property
    def begins_line(self) -> bool:
        return self.column <= _indent(self.text)

    def above(self) -> int:
        """The last line above this one that says something."""
        number = self.line - 1
        while number > 0 and (not self.lines[number].strip() or self.lines[number].lstrip().startswith("#")):
            number -= 1
        return max(number, 0)

    def here(self, code: str, text: str) -> Explanation:
        return Explanation(code, self.line + 1, self.column + 1, text)

    def since(self, code: str, text: str) -> Explanation:
        return Explanation(code, self.since_line + 1, self.since_column + 1, text)


def explain(error: yaml.YAMLError, text: str) -> Explanation:
    """Code, position and remedy for what the parser could not read."""
    lines = text.split("\n")
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        column = len(before) - before.rfind("\n")
        return Explanation(
            "E101", before.count("\n") + 1, column, "a control character that may not stand here; delete it"
        )
    assert isinstance(error, yaml.MarkedYAMLError)
    mark = error.problem_mark or error.context_mark
    begun = error.context_mark or mark
    assert mark is not None
    assert begun is not None
    spot = _Spot(lines, mark.line, mark.column, begun.line, begun.column)
    return _explain(spot, error.context or "", error.problem or "")


def _explain(spot: _Spot, context: str, problem: str) -> Explanation:
    if "\t" in spot.text[: _indent(spot.text)] and (spot.begins_line or "tab" in problem):
        return spot.here("E103", "a tab; indent with blanks only, two for each step")
    if "mapping values are not allowed" in problem:
        return _second_colon(spot)
    if "quoted scalar" in context and "end of stream" in problem:
        return spot.since("E102", "the quote that opens here is never closed")
    if "flow" in context and "did not find expected ','" in problem:
        reference = _BARE_REFERENCE.search(spot.lines[spot.since_line])
        if reference:
            column = reference.start(1)
            text = f'inside brackets, text with ${{...}} must be in quotes: "{reference[1]}"'
            return Explanation("E102", spot.since_line + 1, column + 1, text)
        bracket = "[" if "sequence" in context else "{"
        closing = "]" if "sequence" in context else "}"
        return spot.since("E102", f"the `{bracket}` that opens here is not closed; write `{closing}` at its end")
    if "anchor" in context or "alias" in context:
        return spot.since("E102", f"text that begins with {_sign(spot)} must be in quotes: {_quoted(spot)}")
    if "cannot start any token" in problem:
        return spot.here("E102", f"text that begins with {spot.text[spot.column : spot.column + 1]} must be in quotes")
    if "did not find expected key" in problem or "did not find expected '-'" in problem:
        return _misfit(spot, in_list="'-'" in problem)
    for words, remedy in _SIMPLE:
        if words in problem:
            return spot.since("E102", remedy) if "':'" in words else spot.here("E102", remedy)
    return spot.here("E102", f"cannot be read: {problem}")


def _second_colon(spot: _Spot) -> Explanation:
    if _KEY_THEN_TEXT.match(spot.text[: spot.column]):
        return spot.here("E102", "a second `: ` on one line; put the text after the first one in quotes")
    above = spot.above()
    line = spot.lines[above]
    column = _indent(line)
    if match := _NO_BLANK_AFTER_COLON.fullmatch(line):
        wanted = f"`{match['key']}: {match['value'].strip()}`"
        return Explanation(
            "E102", above + 1, match.start("key") + 1, f"a blank is missing after the colon; write {wanted}"
        )
    if ":" not in line:
        return Explanation("E102", above + 1, column + 1, "this line is neither `key: value` nor `- item`")
    own = _indent(spot.text)
    text = (
        f"starts in column {own + 1}, but the line above, which ends its own value, in column {_content(line) + 1}; "
        "keys of one block start in the same column"
    )
    return Explanation("E104", spot.line + 1, own + 1, text)


def _misfit(spot: _Spot, *, in_list: bool) -> Explanation:
    if not spot.begins_line:
        return spot.here("E102", "something stands after the end of a value; put the whole value in quotes")
    beside = spot.since_column + 1
    if not in_list:
        above = spot.above()
        line = f"line {above + 1} in column {_content(spot.lines[above]) + 1}"
        text = f"starts in column {spot.column + 1}, where no block starts ({line}); keys of one block start together"
        return spot.here("E104", text)
    if spot.text.lstrip().startswith("-"):
        where = f"column {beside} (line {spot.since_line + 1})"
        return spot.here("E104", f"this list item starts in column {spot.column + 1}, but its list in {where}")
    text = f"is no `- item` of the list on line {spot.since_line + 1}; begin it with `- `, or move it left or right"
    return spot.here("E104", text)


def _sign(spot: _Spot) -> str:
    return spot.lines[spot.since_line][spot.since_column]


def _quoted(spot: _Spot) -> str:
    rest = spot.lines[spot.since_line][spot.since_column :]
    word = re.split(r" #|[,}\]]", rest)[0].strip()
    return f'"{word}"'


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _content(line: str) -> int:
    """The column in which the first key of a line starts, after any `- `."""
    match = re.match(r"\s*(?:- +)*", line)
    return match.end() if match else 0
