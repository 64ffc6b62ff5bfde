"""What conditions do with messages."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine import sdk
from engine.config.conditions import Scope, all_hold, compile_condition
from engine.config.problems import Report
from engine.config.tree import MapNode, parse
from engine.testing.builders import a_message
from tests.unit.config.world import Hl7Fields

TABLES: dict[str, sdk.Table] = {"codes": {"99504-3": {"code": "99504-3"}, "2339-0": {"code": "2339-0"}}}

Check = Callable[[sdk.Message], sdk.Keep | sdk.Drop]


def condition(text: str, shape: sdk.Shape = sdk.Shape.HL7V2) -> Check:
    report = Report()
    node = parse(text, Path("x.yaml"), report)
    assert isinstance(node, MapNode)
    reader = Hl7Fields() if shape is sdk.Shape.HL7V2 else None
    check = compile_condition(node, "filter.keep_when[0]", Scope(shape, reader, TABLES, report))
    assert [str(problem) for problem in report.sorted()] == []
    assert check is not None
    return check


def message(*lines: str, meta: dict[str, str] | None = None) -> sdk.Message:
    return a_message("\n".join(lines).encode(), sdk.Shape.HL7V2, meta=meta)


HOLDS = [
    ("{field: OBX-11, is: F}", ["OBX-11=F"], True),
    ("{field: OBX-11, is: F}", ["OBX-11=C"], False),
    ("{field: OBX-11, is: F}", [], False),
    ("{field: OBX-11, is: F}", ["OBX-11=C", "OBX-11=F"], True),
    ("{field: OBX-5, is: 5.40}", ["OBX-5=5.40"], True),
    ("{field: OBX-5, is: 5.40}", ["OBX-5=5.4"], False),
    ("{field: OBX-5, is: 0123}", ["OBX-5=0123"], True),
    ("{field: OBX-5, is: 0123}", ["OBX-5=123"], False),
    ("{field: OBX-5, is: NO}", ["OBX-5=NO"], True),
    ("{field: OBX-5, is: true}", ["OBX-5=true"], True),
    ("{field: OBX-5, is: 22:30}", ["OBX-5=22:30"], True),
    ("{field: OBX-11, is_not: F}", ["OBX-11=C"], True),
    ("{field: OBX-11, is_not: F}", ["OBX-11=C", "OBX-11=F"], False),
    ("{field: OBX-11, is_not: F}", [], True),
    ("{field: OBX-11, in: [F, C]}", ["OBX-11=C"], True),
    ("{field: OBX-11, in: [F, C]}", ["OBX-11=D"], False),
    ("{field: OBX-11, in: [F, C]}", ["OBX-11=D", "OBX-11=F"], True),
    ("{field: OBX-11, in: [F, C]}", [], False),
    ("{field: OBX-11, not_in: [F, C]}", ["OBX-11=D"], True),
    ("{field: OBX-11, not_in: [F, C]}", ["OBX-11=D", "OBX-11=F"], False),
    ("{field: OBX-11, not_in: [F, C]}", [], True),
    ("{field: OBX-3.1, in_table: codes}", ["OBX-3.1=99504-3"], True),
    ("{field: OBX-3.1, in_table: codes}", ["OBX-3.1=nothing"], False),
    ("{field: OBX-3.1, not_in_table: codes}", ["OBX-3.1=nothing"], True),
    ("{field: OBX-3.1, not_in_table: codes}", ["OBX-3.1=nothing", "OBX-3.1=2339-0"], False),
    ("{field: OBX-5, between: [20, 600]}", ["OBX-5=20"], True),
    ("{field: OBX-5, between: [20, 600]}", ["OBX-5=600.0"], True),
    ("{field: OBX-5, between: [20, 600]}", ["OBX-5=600.01"], False),
    ("{field: OBX-5, between: [20, 600]}", ["OBX-5=19.999999999999999999"], False),
    ("{field: OBX-5, between: [3.9, 10.0]}", ["OBX-5=3.9"], True),
    ("{field: OBX-5, between: [0.1, 0.3]}", ["OBX-5=0.3"], True),
    ("{field: OBX-5, between: [20, 600]}", ["OBX-5=HIGH"], False),
    ("{field: OBX-5, between: [20, 600]}", ["OBX-5=NaN"], False),
    ("{field: OBX-5, between: [20, 600]}", ["OBX-5=Infinity"], False),
    ("{field: OBX-5, between: [20, 600]}", ["OBX-5=1e999999999"], False),
    ("{field: OBX-5, between: [20, 600]}", ["OBX-5=HIGH", "OBX-5=100"], True),
    ("{field: OBX-5, between: [-5, 5]}", ["OBX-5=-5"], True),
    ("{field: OBX-5, matches: '^[0-9]+$'}", ["OBX-5=123"], True),
    ("{field: OBX-5, matches: '^[0-9]+$'}", ["OBX-5=12x"], False),
    ("{field: OBX-5, matches: '[0-9]'}", ["OBX-5=x1x"], True),
    ("{field: OBX-5, not_matches: '[0-9]'}", ["OBX-5=xxx"], True),
    ("{field: OBX-5, not_matches: '[0-9]'}", ["OBX-5=xxx", "OBX-5=1"], False),
    ("{field: OBX-5, exists: true}", ["OBX-5=1"], True),
    ("{field: OBX-5, exists: true}", ["OBX-6=1"], False),
    ("{field: OBX-5, exists: false}", ["OBX-6=1"], True),
    ("{field: OBX-5, exists: false}", ["OBX-5=1"], False),
]


@pytest.mark.parametrize(("text", "lines", "holds"), HOLDS, ids=[f"{text} {lines}" for text, lines, _ in HOLDS])
def test_a_condition_holds_when_any_value_satisfies_it_and_a_not_when_none_does(
    text: str, lines: list[str], holds: bool
) -> None:
    assert (condition(text)(message(*lines)) is sdk.KEEP) is holds


def test_the_reason_of_a_drop_names_field_and_operator_and_no_value() -> None:
    dropped = condition("{field: PID-3, is: CANARY-WANTED}")(message("PID-3=CANARY-THERE"))
    assert dropped == sdk.Drop("keep_when: PID-3 is")


def test_a_pattern_takes_linear_time_where_backtracking_would_hang() -> None:
    check = condition("{field: OBX-5, matches: '^(a+)+$'}")
    assert isinstance(check(message("OBX-5=" + "a" * 50_000 + "b")), sdk.Drop)


def test_a_body_that_cannot_be_read_is_an_invalid_message_and_not_a_drop() -> None:
    with pytest.raises(sdk.InvalidMessage) as caught:
        condition("{field: OBX-5, exists: true}")(a_message(b"garbage", sdk.Shape.HL7V2))
    assert caught.value.code == "not-hl7"


# --- all together


def test_the_first_condition_that_drops_gives_the_reason_and_the_rest_is_not_asked() -> None:
    asked: list[str] = []

    def saying(name: str, verdict: sdk.Keep | sdk.Drop) -> Check:
        def check(_: sdk.Message) -> sdk.Keep | sdk.Drop:
            asked.append(name)
            return verdict

        return check

    keep = all_hold([saying("a", sdk.KEEP), saying("b", sdk.Drop("b")), saying("c", sdk.Drop("c"))])
    assert keep(message()) == sdk.Drop("b")
    assert asked == ["a", "b"]


def test_without_conditions_everything_is_kept() -> None:
    assert all_hold([])(message()) is sdk.KEEP


# --- expressions


def test_an_expression_sees_the_one_value_of_a_name_as_text_and_nothing_as_empty_text() -> None:
    check = condition("""{expression: "unit == 'mg/dL' && double(value) > 40.0", with: {value: OBX-5, unit: OBX-6}}""")
    assert check(message("OBX-5=41", "OBX-6=mg/dL")) is sdk.KEEP
    assert check(message("OBX-5=40", "OBX-6=mg/dL")) == sdk.Drop("filter.keep_when[0]: expression")
    assert isinstance(check(message("OBX-5=41")), sdk.Drop)


def test_an_expression_sees_all_values_of_a_name_with_all() -> None:
    check = condition(
        """{expression: "codes.exists(c, c == 'GLU') && size(codes) > 1", with: {codes: {all: OBX-3.1}}}"""
    )
    assert check(message("OBX-3.1=NA", "OBX-3.1=GLU")) is sdk.KEEP
    assert isinstance(check(message("OBX-3.1=GLU")), sdk.Drop)
    assert isinstance(check(message()), sdk.Drop)


def test_several_values_where_one_is_asked_for_hold_the_message_and_say_what_to_write() -> None:
    check = condition("""{expression: "value == 'x'", with: {value: OBX-5}}""")
    with pytest.raises(sdk.InvalidMessage) as caught:
        check(message("OBX-5=CANARY", "OBX-5=x"))
    assert (caught.value.code, caught.value.path) == ("several-values", "OBX-5")
    assert "{value: {all: OBX-5}}" in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_too_many_values_hold_the_message_before_the_expression_runs() -> None:
    check = condition("""{expression: "values.exists(v, v == 'x')", with: {values: {all: OBX-5}}}""")
    with pytest.raises(sdk.InvalidMessage) as caught:
        check(message(*["OBX-5=1"] * 1001))
    assert (caught.value.code, caught.value.path) == ("too-many-values", "OBX-5")


def test_an_expression_without_an_answer_holds_the_message_and_quotes_nothing_of_it_in_the_text() -> None:
    check = condition("""{expression: "int(value) > 3", with: {value: OBX-5}}""")
    with pytest.raises(sdk.InvalidMessage) as caught:
        check(message("OBX-5=CANARY"))
    assert caught.value.code == "expression-failed"
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_expression_that_is_neither_true_nor_false_holds_the_message() -> None:
    check = condition("""{expression: "value", with: {value: OBX-5}}""")
    with pytest.raises(sdk.InvalidMessage, match="neither true nor false"):
        check(message("OBX-5=1"))


def test_an_expression_can_ask_meta_also_where_messages_have_no_fields() -> None:
    check = condition("""{expression: "has(meta.sender) && meta.sender == 'STM'"}""", sdk.Shape.CSV)
    assert check(message(meta={"sender": "STM"})) is sdk.KEEP
    assert isinstance(check(message(meta={"sender": "X"})), sdk.Drop)
    assert isinstance(check(message()), sdk.Drop)


def test_only_the_names_that_an_expression_uses_are_read() -> None:
    check = condition("""{expression: "a == '1'", with: {a: OBX-5, b: OBX-6}}""")
    assert check(message("OBX-5=1", "OBX-6=x", "OBX-6=y")) is sdk.KEEP
