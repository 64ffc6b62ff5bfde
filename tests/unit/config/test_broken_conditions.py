# ruff: noqa: E501 - messages stand here as they are printed
"""Mistakes in the conditions of a filter, and what is said of each: line, column, code, path, what is wrong, what to write."""

from pathlib import Path

import pytest

from tests.unit.config.world import ORU_IN, problems_of_a_change

# What stands for a good condition, and the problems that this gives.
CONDITIONS = {
    "no operator": (
        "{field: OBX-11}",
        [
            "10:7 E401 filter.keep_when[0]: must say one thing of the field, as {field: OBX-11, in: [F, C]} does; there are: between, exists, in, in_table, is, is_not, matches, not_in, not_in_table, not_matches"
        ],
    ),
    "two operators": (
        "{field: OBX-11, is: F, in: [C]}",
        [
            "10:7 E401 filter.keep_when[0]: must say one thing of the field, as {field: OBX-11, in: [F, C]} does; there are: between, exists, in, in_table, is, is_not, matches, not_in, not_in_table, not_matches"
        ],
    ),
    "no field": (
        "{in: [F]}",
        ["10:7 E401 filter.keep_when[0]: names no field; write a condition such as {field: OBX-11, in: [F, C]}"],
    ),
    "a path that is none": (
        "{field: OBX, is: F}",
        ["10:15 E402 filter.keep_when[0].field: `OBX` is not an HL7 path; write one such as OBX-5"],
    ),
    "a number for a path": (
        "{field: 5, is: F}",
        ["10:15 E203 filter.keep_when[0].field: must be the path of a field, such as OBX-3.1 or records[].unit"],
    ),
    "nothing for a path": (
        "{field: , is: F}",
        ["10:15 E203 filter.keep_when[0].field: must be the path of a field, such as OBX-3.1 or records[].unit"],
    ),
    "a list for a path": (
        "{field: [a], is: F}",
        ["10:15 E203 filter.keep_when[0].field: must be the path of a field, such as OBX-3.1 or records[].unit"],
    ),
    "field misspelt": (
        "{feld: OBX-11, is: F}",
        ["10:8 E201 filter.keep_when[0].feld: unknown key; did you mean `field`?"],
    ),
    "an operator by another name": (
        "{field: OBX-11, equals: F}",
        ["10:23 E201 filter.keep_when[0].equals: unknown key; did you mean `is`?"],
    ),
    "a list for one value": (
        "{field: OBX-11, is: [F]}",
        ["10:27 E203 filter.keep_when[0].is: must be a single value; for several write `in: [...]` or `not_in: [...]`"],
    ),
    "no value": (
        "{field: OBX-11, is: }",
        ["10:27 E203 filter.keep_when[0].is: is empty; write a value, or `exists: false` if there should be none"],
    ),
    "one value for a list": (
        "{field: OBX-11, in: F}",
        ["10:27 E203 filter.keep_when[0].in: must be a list of values; write `[F]`"],
    ),
    "an empty list": (
        "{field: OBX-11, in: []}",
        ["10:27 E203 filter.keep_when[0].in: must be a list of values; write `[F, C]`"],
    ),
    "a list in a list": (
        "{field: OBX-11, in: [[F]]}",
        [
            "10:28 E203 filter.keep_when[0].in[0]: must be a single value; for several write `in: [...]` or `not_in: [...]`"
        ],
    ),
    "a table that is not there": (
        "{field: OBX-11, in_table: code}",
        ["10:33 E404 filter.keep_when[0].in_table: no table `code` in channels/tables; did you mean `codes`?"],
    ),
    "limits the wrong way round": (
        "{field: OBX-5, between: [400, 40]}",
        [
            "10:31 E204 filter.keep_when[0].between: has the higher number first, so nothing lies between; write [40, 400]"
        ],
    ),
    "one limit": (
        "{field: OBX-5, between: [40]}",
        ["10:31 E203 filter.keep_when[0].between: must be two numbers, the lower first, such as `[40, 400]`"],
    ),
    "limits that are no numbers": (
        "{field: OBX-5, between: [a, b]}",
        ["10:31 E203 filter.keep_when[0].between: must be two numbers, the lower first, such as `[40, 400]`"],
    ),
    "a limit without end": (
        "{field: OBX-5, between: [0, Infinity]}",
        ["10:31 E203 filter.keep_when[0].between: must be two numbers, the lower first, such as `[40, 400]`"],
    ),
    "a pattern that is none": (
        "{field: OBX-5, matches: '('}",
        ["10:31 E403 filter.keep_when[0].matches: is no pattern (regular expression, RE2 syntax): unclosed group"],
    ),
    "a pattern that could take for ever": (
        "{field: OBX-5, matches: '(?=a)'}",
        [
            "10:31 E403 filter.keep_when[0].matches: is no pattern (regular expression, RE2 syntax): look-around, including look-ahead and look-behind, is not supported"
        ],
    ),
    "text for true or false": (
        "{field: OBX-5, exists: 'yes'}",
        ["10:30 E203 filter.keep_when[0].exists: must be true or false"],
    ),
    "an expression without quotes": (
        "{expression: meta.x == 1}",
        ["10:20 E405 filter.keep_when[0].expression: must stand in double quotes, or YAML may read it otherwise"],
    ),
    "an expression with one equals sign": (
        '{expression: "meta.x = 1"}',
        ["10:28 E405 filter.keep_when[0].expression: compares with `==`, not with `=`"],
    ),
    "an expression with a misspelt name": (
        '{expression: "vale == 1", with: {value: OBX-5}}',
        ["10:21 E405 filter.keep_when[0].expression: `vale` is not known here; did you mean `value`?"],
    ),
    "an expression over a path that is none": (
        '{expression: "value == 1", with: {value: OBX}}',
        ["10:48 E402 filter.keep_when[0].with.value: `OBX` is not an HL7 path; write one such as OBX-5"],
    ),
    "names without paths": (
        '{expression: "value == 1", with: value}',
        [
            "10:40 E203 filter.keep_when[0].with: must give names to fields, such as {value: OBX-5, codes: {all: OBX-3.1}}"
        ],
    ),
    "a name with a hyphen": (
        '{expression: "value == 1", with: {va-lue: OBX-5}}',
        [
            "10:49 E405 filter.keep_when[0].with.va-lue: is no name for a value; use letters, digits and _, and not `meta`"
        ],
    ),
    "an expression that looks at nothing": (
        '{expression: "1 == 1"}',
        [
            "10:21 E405 filter.keep_when[0].expression: looks at nothing of the message; give fields a name under `with: {value: OBX-5}`, or use `meta`"
        ],
    ),
    "with misspelt": (
        "{expression: \"meta.x == 'a'\", vith: {v: OBX-5}}",
        ["10:37 E201 filter.keep_when[0].vith: unknown key; did you mean `with`?"],
    ),
    "a filter plugin misspelt": (
        "{type: only_code, codes: [F]}",
        ["10:14 E206 filter.keep_when[0].type: there is no filter type `only_code`; did you mean `only_codes`?"],
    ),
    "a filter plugin's key misspelt": (
        "{type: only_codes, code: [F]}",
        ["10:26 E201 filter.keep_when[0].code: unknown key; did you mean `codes`?"],
    ),
    "text": (
        "just text",
        ["10:7 E401 filter.keep_when[0]: is no condition; write one such as {field: OBX-11, in: [F, C]}"],
    ),
    "a list": (
        "[a]",
        ["10:7 E401 filter.keep_when[0]: is no condition; write one such as {field: OBX-11, in: [F, C]}"],
    ),
}


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS.values(), ids=CONDITIONS.keys())
def test_mistakes_in_conditions(tmp_path: Path, condition: str, expected: list[str]) -> None:
    assert problems_of_a_change(tmp_path, "oru-in", ORU_IN, "{field: OBX-11, in: [F, C]}", condition) == expected
