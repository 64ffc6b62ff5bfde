"""The validation suite: every case is right, and a wrong one would be seen."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from clinical.outcomes.validation import Checked, report, run
from clinical.outcomes.validation.case import Case, Topic
from clinical.outcomes.validation.report import TOPICS
from engine.cli.app import app


@pytest.mark.parametrize("checked", run(), ids=lambda each: f"{each.topic.title}: {each.case.given}, {each.case.why}")
def test_every_case_is_what_was_worked_out_by_hand(checked: Checked) -> None:
    assert checked.right, f"expected {checked.case.expected}, got {checked.got}"


def test_the_report_names_each_definition_source_and_case() -> None:
    text = report(run())
    assert "All are right." in text
    for topic in TOPICS:
        assert topic.definition in text
        assert topic.source in text
    assert text.count("| right |") == sum(len(topic.cases) for topic in TOPICS)
    assert "WRONG" not in text


def test_the_command_prints_the_report_and_says_that_all_is_right() -> None:
    told = CliRunner().invoke(app, ["validate"])
    assert told.exit_code == 0
    assert told.output == report(run())


def test_the_command_fails_where_a_case_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Topic("Title", "Definition", "Source", (Case("nothing", "figure", 1, "so", lambda: 2),))
    monkeypatch.setattr("engine.cli.validate.run", lambda: run([wrong]))
    told = CliRunner().invoke(app, ["validate"])
    assert told.exit_code == 1
    assert "1 are WRONG" in told.output


@pytest.mark.parametrize(("expected", "got"), [(1, 2), (1.0, 1.1), (None, 0.0), (0.0, None), ("a", "b"), ("1", 1)])
def test_a_wrong_figure_is_shouted(expected: float | str | None, got: float | str | None) -> None:
    case = Case("nothing", "figure", expected, "so", lambda: got, tolerance=0.05)
    checked = run([Topic("Title", "Definition", "Source", (case, replace(case, expected=got)))])
    assert [each.right for each in checked] == [False, True]
    text = report(checked)
    assert "1 are WRONG; do not use these figures." in text
    assert text.count("**WRONG**") == 1
    assert "| Title | 2 | **1** |" in text
