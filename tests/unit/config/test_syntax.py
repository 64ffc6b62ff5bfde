"""What is no YAML: the exact message for each way in which people get it wrong."""

from pathlib import Path

import pytest

from engine.config.problems import Report
from engine.config.tree import parse

CORPUS = {
    "a tab as indentation": ("a:\n\tb: 1\n", "2:1 E103: a tab; indent with blanks only, two for each step"),
    "a tab under a value": ("a: 1\n\tb: 2\n", "2:1 E103: a tab; indent with blanks only, two for each step"),
    "blanks and then a tab": ("a:\n  b: 1\n \tc: 2\n", "3:2 E103: a tab; indent with blanks only, two for each step"),
    "a key further right than the one above": (
        "source:\n  type: x\n    port: 1\n",
        "3:5 E104: starts in column 5, but the line above, which ends its own value, in column 3; "
        "keys of one block start in the same column",
    ),
    "a key between two columns": (
        "source:\n   type: x\n  port: 2\n",
        "3:3 E104: starts in column 3, where no block starts (line 2 in column 4); keys of one block start together",
    ),
    "a key of a list item too far left": (
        "steps:\n  - type: x\n  zone: y\n",
        "3:3 E104: is no `- item` of the list on line 2; begin it with `- `, or move it left or right",
    ),
    "list items in different columns, the second further right": (
        "a:\n  - x: 1\n   - y: 2\n",
        "3:4 E104: this list item starts in column 4, but its list in column 3 (line 2)",
    ),
    "list items in different columns, the second further left": (
        "a:\n    - x: 1\n  - y: 2\n",
        "3:3 E104: starts in column 3, where no block starts (line 2 in column 7); keys of one block start together",
    ),
    "a list item swallowed by the text above": (
        "key: value\n - item\n",
        "2:2 E104: this list item is read as part of the text above it; end the line above at its `:`",
    ),
    "a key in a list": (
        "- a\nb: 2\n",
        "2:1 E104: is no `- item` of the list on line 1; begin it with `- `, or move it left or right",
    ),
    "two keys on a line": (
        "a: b: c\n",
        "1:5 E102: a second `: ` on one line; put the text after the first one in quotes",
    ),
    "a colon in a description": (
        "description: St Mary's: glucose\n",
        "1:23 E102: a second `: ` on one line; put the text after the first one in quotes",
    ),
    "no blank after the colon": (
        "source:\n  type:mllp\n  port: 1\n",
        "2:3 E102: a blank is missing after the colon; write `type: mllp`",
    ),
    "no colon at all": (
        "source\n  type: x\n",
        "1:1 E102: this line is neither `key: value` nor `- item`",
    ),
    "no colon at the end": ("a: 1\nsource\n", "2:1 E102: this line is neither `key: value` nor `- item`"),
    "a quote that is not closed": ("a: 'x\nb: 2\n", "1:4 E102: the quote that opens here is never closed"),
    "a double quote that is not closed": ('a: "x\nb: 2\n', "1:4 E102: the quote that opens here is never closed"),
    "an apostrophe in single quotes": (
        "a: 'it's'\n",
        "1:8 E102: something stands after the end of a value; put the whole value in quotes",
    ),
    "text after a quoted value": (
        'a: "x" y\n',
        "1:8 E102: something stands after the end of a value; put the whole value in quotes",
    ),
    "a list that is not closed": (
        "a: [1, 2\nb: 3\n",
        "1:4 E102: the `[` that opens here is not closed; write `]` at its end",
    ),
    "a block in braces that is not closed": (
        "a: {x: 1\nb: 3\n",
        "1:4 E102: the `{` that opens here is not closed; write `}` at its end",
    ),
    "a bracket too many": (
        "a: ]\n",
        "1:4 E102: a value is missing before this sign, or there is a bracket or comma too many",
    ),
    "two commas": (
        "a: [1,,2]\n",
        "1:7 E102: a value is missing before this sign, or there is a bracket or comma too many",
    ),
    "a pattern with a star": ("pattern: *.csv\n", '1:10 E102: text that begins with * must be in quotes: "*.csv"'),
    "text with an ampersand": ("a: &.x y\n", '1:4 E102: text that begins with & must be in quotes: "&.x y"'),
    "an at sign": ("owner: @nora\n", "1:8 E102: text that begins with @ must be in quotes"),
    "a backtick": ("a: `x`\n", "1:4 E102: text that begins with ` must be in quotes"),
    "a per cent sign": ("a: %x\n", "1:4 E102: text that begins with % must be in quotes"),
    "a line that begins with a per cent sign": ("%x\n", "1:3 E102: a line that begins with % must be in quotes"),
    "a comparison": ("a: > 5\n", "1:6 E102: text that begins with > or | must be in quotes"),
    "a backslash in double quotes": (
        'a: "\\d+"\n',
        "1:5 E102: in double quotes a backslash begins an escape; put the text in single quotes",
    ),
    "a list on the line of its key": (
        "a: - b\n",
        "1:4 E102: a list begins on a line of its own: end this one at its `:`",
    ),
    "a control character": ("a: \x07\n", "1:4 E101: a control character that may not stand here; delete it"),
    "a control character further down": (
        "a: 1\nb: x\x00\n",
        "2:5 E101: a control character that may not stand here; delete it",
    ),
}


@pytest.mark.parametrize(("text", "message"), CORPUS.values(), ids=CORPUS.keys())
def test_a_broken_file_gives_one_message_that_says_what_to_write(text: str, message: str) -> None:
    report = Report()
    assert parse(text, Path("x.yaml"), report) is None
    assert [str(problem).removeprefix("x.yaml:") for problem in report.sorted()] == [message]
