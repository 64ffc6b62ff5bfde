"""Whatever is written into a file, reading it ends with a tree or with a problem, never with an exception."""

from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.config.names import suggest
from engine.config.problems import Report
from engine.config.tree import parse, plain

FILE = Path("x.yaml")
PIECES = st.sampled_from(
    [
        *"abc: -[]{}\"'\n\t#&*!|>%@`,?<~0123.\\",
        "\n  ",
        "\n- ",
        ": ",
        "<<: *a",
        "&a ",
        "*a",
        "${env:X}",
        "---",
        "é",
        "\x07",
        "\r\n",
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join)
VALUES = st.recursive(
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8) | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz_-", min_size=1, max_size=6), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(TEXTS)
def test_any_text_gives_a_tree_or_one_problem_inside_the_text(text: str) -> None:
    report = Report()
    node = parse(text, FILE, report)
    problems = report.sorted()
    assert node is not None or len(problems) >= 1
    lines = text.split("\n")
    for problem in problems:
        assert 1 <= problem.line <= len(lines) + 1
        assert problem.column >= 1
        assert problem.text


@given(st.dictionaries(st.text("abcxyz_-", min_size=1, max_size=6), VALUES, max_size=4))
def test_what_is_written_out_in_quotes_reads_back_the_same(value: dict[str, Any]) -> None:
    text = yaml.safe_dump(value, default_style='"', allow_unicode=True)
    text = text.replace('!!bool "true"', "true").replace('!!bool "false"', "false").replace('!!null "null"', "null")
    report = Report()
    node = parse(text, FILE, report)
    assert report.sorted() == ()
    assert node is not None
    assert plain(node) == value


@given(st.text(max_size=12), st.lists(st.text(max_size=8), max_size=5))
def test_a_suggestion_is_always_one_of_the_known_words(word: str, known: list[str]) -> None:
    meant = suggest(word, known)
    assert meant is None or meant in known
