"""Runs the cases and tells what came out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clinical.outcomes.profile import ISLET, VERSION
from clinical.outcomes.validation.case import Case, Figure, Topic
from clinical.outcomes.validation.episodes import EVENTS, VARIABILITY
from clinical.outcomes.validation.shares import AVERAGES, BANDS, DATA, RISK, TIGHT

TOPICS: Final = (BANDS, TIGHT, AVERAGES, RISK, DATA, EVENTS, VARIABILITY)


@dataclass(frozen=True, slots=True)
class Checked:
    """A case and what was got."""

    topic: Topic
    case: Case
    got: Figure

    @property
    def right(self) -> bool:
        """Whether it is what was worked out by hand."""
        expected, got = self.case.expected, self.got
        if isinstance(expected, str) or isinstance(got, str) or expected is None or got is None:
            return expected == got
        return abs(expected - got) <= self.case.tolerance


def run(topics: Sequence[Topic] = TOPICS) -> list[Checked]:
    """Every case, computed now."""
    return [Checked(topic, case, case.got()) for topic in topics for case in topic.cases]


def report(checked: Sequence[Checked]) -> str:
    """The report as Markdown: definitions, cases, expected and got, and the verdict first."""
    wrong = [each for each in checked if not each.right]
    verdict = "All are right." if not wrong else f"{len(wrong)} are WRONG; do not use these figures."
    lines = [
        "# Validation of outcomes",
        "",
        f"Metrics version {VERSION}, profile `{ISLET.name}` (`{ISLET.digest[:12]}`). {len(checked)} cases. {verdict}",
        "",
        "Each case is a few readings whose answer was worked out by hand from the definition; `because` says how.",
        "`got` is what this installation computes from them now.",
        "",
        "| definition | cases | of them right |",
        "|---|---|---|",
    ]
    topics = list(dict.fromkeys(each.topic for each in checked))
    lines += [_summary(topic, [each for each in checked if each.topic is topic]) for topic in topics]
    for topic in topics:
        lines += ["", f"## {topic.title}", "", topic.definition, f"Source: {topic.source}.", ""]
        lines += ["| given | figure | expected | because | got | |", "|---|---|---|---|---|---|"]
        lines += [_row(each) for each in checked if each.topic is topic]
    return "\n".join(lines) + "\n"


def _summary(topic: Topic, cases: Sequence[Checked]) -> str:
    right = sum(each.right for each in cases)
    return f"| {topic.title} | {len(cases)} | {'all' if right == len(cases) else f'**{right}**'} |"


def _row(each: Checked) -> str:
    case = each.case
    verdict = "right" if each.right else "**WRONG**"
    return f"| {case.given} | {case.figure} | {_text(case.expected)} | {case.why} | {_text(each.got)} | {verdict} |"


def _text(figure: Figure) -> str:
    if figure is None:
        return "none"
    if isinstance(figure, float):
        return f"{figure:.6g}"
    return str(figure)
