"""The tree of a YAML file: scalars of YAML 1.2 core, positions, duplicate keys, aliases."""

from pathlib import Path
from typing import Any

import pytest

from engine.config.problems import Report
from engine.config.tree import MAX_CHARACTERS, ListNode, MapNode, ScalarNode, parse, plain, read_text, resolve

FILE = Path("channels/x.yaml")


def tree(text: str) -> Any:
    report = Report()
    node = parse(text, FILE, report)
    assert [str(problem) for problem in report.sorted()] == []
    assert node is not None
    return node


def complaints(text: str) -> list[str]:
    report = Report()
    parse(text, FILE, report)
    return [str(problem).removeprefix("channels/x.yaml:") for problem in report.sorted()]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NO", "NO"),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("0123", "0123"),
        ("007.5", "007.5"),
        ("22:30", "22:30"),
        ("1:30:00", "1:30:00"),
        ("2026-11-20", "2026-11-20"),
        ("2026-11-20T10:15:00Z", "2026-11-20T10:15:00Z"),
        ("1_000", "1_000"),
        ("5s", "5s"),
        ("2339-0", "2339-0"),
        ("ORU^R01", "ORU^R01"),
        ("1.2.3", "1.2.3"),
        ("+", "+"),
        (".", "."),
        ("0b101", "0b101"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("42", 42),
        ("-7", -7),
        ("+7", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.10", 1.1),
        ("-0.5", -0.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("6.02E23", 6.02e23),
    ],
)
def test_plain_scalars_follow_yaml_1_2_and_leading_zeros_stay_text(written: str, value: object) -> None:
    assert resolve(written) == value
    assert type(resolve(written)) is type(value)
    node = tree(f"key: {written}\n").get("key")
    assert isinstance(node, ScalarNode)
    assert (node.value, node.text) == (value, written)


@pytest.mark.parametrize("written", ['"42"', "'true'", "|-\n  42", ">-\n  null"])
def test_what_is_quoted_is_text(written: str) -> None:
    node = tree(f"key: {written}\n").get("key")
    assert isinstance(node.value, str)
    assert node.quoted


def test_every_node_knows_its_line_and_column_counted_from_one() -> None:
    root = tree("a: 1\nblock:\n  - x: {y: deep}\n  - last\n")
    assert isinstance(root, MapNode)
    places = {
        "a's key": root.entries["a"].key.place,
        "a's value": root.entries["a"].value.place,
        "list": root.entries["block"].value.place,
    }
    assert {name: (place.line, place.column) for name, place in places.items()} == {
        "a's key": (1, 1),
        "a's value": (1, 4),
        "list": (3, 3),
    }
    block = root.entries["block"].value
    assert isinstance(block, ListNode)
    inner = block.items[0].entries["x"].value.entries["y"].value  # type: ignore[union-attr]
    assert (inner.place.line, inner.place.column) == (3, 12)
    assert (block.items[1].place.line, block.items[1].place.column) == (4, 5)


def test_columns_count_characters_and_a_byte_order_mark_counts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes("\ufeffa: {ü: x, b: y}\n".encode())
    text = read_text(file, Report())
    assert text is not None
    assert tree(text).get("a").entries["b"].value.place.column == 14


def test_keys_are_always_text() -> None:
    assert plain(tree("200: ok\ntrue: yes\nnull: x\n")) == {"200": "ok", "true": "yes", "null": "x"}


def test_an_empty_file_is_an_empty_block() -> None:
    assert plain(tree("")) == {}
    assert plain(tree("# nothing but a comment\n")) == {}


def test_windows_line_ends_are_line_ends() -> None:
    assert plain(tree("a: 1\r\nb:\r\n  - x\r\n")) == {"a": 1, "b": ["x"]}


def test_text_may_go_on_in_the_next_line() -> None:
    assert plain(tree("a: one\n  two\nb: x\n")) == {"a": "one two", "b": "x"}


def test_an_alias_stands_for_the_whole_value() -> None:
    assert plain(tree("a: &r {attempts: 3}\nb: *r\n")) == {"a": {"attempts": 3}, "b": {"attempts": 3}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1 E105 a: is written twice in this block (first on line 1); keep one"),
        ("b: {x: 1, x: 2}\n", "1:11 E105 x: is written twice in this block (first on line 1); keep one"),
        (
            "a: &x {k: 1}\nb:\n  <<: *x\n",
            "3:3 E106 <<: merge keys are not used here; write the keys out, or give the whole block an alias",
        ),
        (
            "a: *nobody\n",
            '1:4 E107: `*nobody` stands for nothing above; put text that begins with * in quotes: "*nobody"',
        ),
        ("a: &x [1, *x]\n", "1:11 E107: `*x` stands inside what it stands for"),
        (
            "a: 1\n---\nb: 2\n",
            "2:1 E106: a second document begins here; write each channel into a file of its own, without `---`",
        ),
        ("a: !secret x\n", "1:4 E106: `!secret`: tags are not used here; put text that begins with ! in quotes"),
        ("? [a, b]\n: 1\n", "1:3 E106: a key must be plain text; put a value that begins with { or [ in quotes"),
        ("a: {{ patient }}\n", "1:5 E106: a key must be plain text; put a value that begins with { or [ in quotes"),
        ("a: " + "[" * 60 + "]" * 60, "1:44 E106: nested more than 40 levels deep"),
    ],
)
def test_what_a_tree_cannot_hold_is_named_with_its_place(text: str, problem: str) -> None:
    assert complaints(text) == [problem]


def test_aliases_that_multiply_are_stopped_before_they_fill_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert complaints("\n".join(lines)) == ["5:5 E107: stands for more than 20000 values; use fewer aliases"]


def test_a_file_beyond_all_measure_is_not_read() -> None:
    text = "a: " + "x" * MAX_CHARACTERS
    assert complaints(text) == ["1:1 E101: has more than 1000000 characters; split it"]


def test_a_file_that_is_not_utf_8_is_named_with_the_place_of_the_first_wrong_byte(tmp_path: Path) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes("a: x\nb: Jos\u00e9\n".encode("latin-1"))
    report = Report()
    assert read_text(file, report) is None
    assert [str(one).removeprefix(f"{tmp_path}/") for one in report.sorted()] == [
        "latin.yaml:2:7 E101: is not UTF-8 from here on; save the file as UTF-8"
    ]


def test_a_file_that_cannot_be_opened_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    report = Report()
    assert read_text(tmp_path, report) is None
    assert [one.code for one in report.sorted()] == ["E101"]
