# ruff: noqa: E501 - messages stand here as they are printed
"""Which expressions are let through, and what is said of the others."""

import pytest

from engine.config.expressions import Unusable, compile_expression

NAMES = frozenset({"meta", "value", "unit", "codes"})

REFUSED = {
    "nothing": ("", "cannot be read at character 1: mismatched input '<EOF>'", 0),
    "a second operator": ("value > > '3'", "cannot be read at character 9: extraneous input '>'", 8),
    "one equals sign": ("value = '3'", "compares with `==`, not with `=`", 6),
    "a quote that is not closed": ("value == 'abc", "cannot be read at character 10: token recognition error at: ''abc'", 9),
    "a misspelt name": ("valeu == 'x'", "`valeu` is not known here; did you mean `value`?", 0),
    "an unknown name further on": ("value == 'x' && patient == 'y'", "`patient` is not known here; there are: codes, meta, unit, value", 16),
    "a misspelt function": ("value.startWith('x')", "there is no function `startWith`; did you mean `startsWith`?", 0),
    "a function of other dialects": ("now() > timestamp(value)", "there is no function `now`; there are: ", 0),
    "binding": ("cel.bind(x, value, x == 'a')", "`cel` is not known here; there are: codes, meta, unit, value", 0),
    "a comprehension in another": (
        "codes.exists(a, codes.exists(b, a == b))",
        "`exists` inside another comprehension would take too long; write two conditions",
        22,
    ),
    "a comprehension in another's range of brackets": (
        "codes.all(a, [codes.filter(b, a == b)].size() > 0)",
        "`filter` inside another comprehension would take too long; write two conditions",
        20,
    ),
    "a comprehension without its condition": ("codes.exists()", "`exists` takes a name and a condition, as in codes.exists(c, c == 'x')", 0),
    "a comprehension with three parts": ("codes.all(a, b, true)", "`b` is not known here; there are: codes, meta, unit, value", 13),
    "map": ("codes.map(c, c).size() > 1", "`map` cannot be used; a condition needs all, exists, exists_one or filter", 6),
    "adding up beside a comprehension": (
        "(codes + codes).exists(c, c == 'x')",
        "`+` cannot be used beside all, exists, exists_one or filter: lists would grow",
        7,
    ),
    "a bound name that is a name already": (
        "codes.exists(unit, unit == 'x')",
        "`unit` is a name already; call the one inside exists() otherwise",
        13,
    ),
    "a bound name used outside": ("codes.exists(c, c == 'x') && c == 'y'", "`c` is not known here; there are: codes, meta, unit, value", 29),
    "a pattern that is none": ("value.matches('(')", "the pattern cannot be read: unclosed group", 14),
    "a pattern that looks ahead": ("value.matches('(?=a)')", "the pattern cannot be read: look-around, including look-ahead and look-behind, is not supported", 14),
    "nothing of the message": (
        "1 + 1 == 2",
        "looks at nothing of the message; give fields a name under `with: {value: OBX-5}`, or use `meta`",
        0,
    ),
    "a whole program": ("value == '" + "x" * 500 + "'", "has more than 500 characters; write several conditions, or a filter plugin", 0),
    "too deep": ("(" * 200 + "value" + ")" * 200, "cannot be read", 0),
}  # fmt: skip


@pytest.mark.parametrize(("source", "text", "offset"), REFUSED.values(), ids=REFUSED.keys())
def test_an_expression_that_cannot_be_used_is_refused_with_its_place(source: str, text: str, offset: int) -> None:
    with pytest.raises(Unusable) as caught:
        compile_expression(source, NAMES)
    assert str(caught.value).startswith(text)
    if offset:
        assert caught.value.offset == offset


ALLOWED = [
    ("value == 'x'", {"value": "x"}, True),
    ('value == "it\'s" // a comment with codes.map(x, x)', {"value": "it's"}, True),
    ("'codes.exists(a, codes.exists(b, true))' == value", {"value": "x"}, False),
    ("codes.exists(c, c == 'a') && codes.all(c, c != 'b')", {"codes": ["a", "c"]}, True),
    ("codes.filter(c, c.startsWith('9')).size() >= 2", {"codes": ["99504-3", "9", "x"]}, True),
    ("codes.filter(c, c != 'x').exists(c, c == 'a')", {"codes": ["a"]}, True),
    ("codes.exists_one(c, c in ['a', 'b'])", {"codes": ["a", "b"]}, False),
    ("double(value) + 0.5 > 3.0", {"value": "2.6"}, True),
    ("value.matches('^[0-9]+$')", {"value": "12"}, True),
    ("has(meta.sender) ? meta.sender == 'STM' : false", {"meta": {}}, False),
    ("timestamp(value) - timestamp('2026-11-20T00:00:00Z') < duration('24h')", {"value": "2026-11-20T10:00:00Z"}, True),
    ("!(unit in ['mg/dL', 'mmol/L'])", {"unit": "g/L"}, True),
]


@pytest.mark.parametrize(("source", "values", "holds"), ALLOWED, ids=[source for source, _, _ in ALLOWED])
def test_an_expression_of_the_safe_part_is_evaluated(source: str, values: dict[str, object], holds: bool) -> None:
    expression = compile_expression(source, NAMES)
    assert expression.needs == frozenset(values)
    assert expression.holds(values) is holds
