"""`islet test`: what it says of expectations that are not met, and of files with mistakes."""

from pathlib import Path

import pytest

from engine.cli.test import run_tests
from engine.config.loader import load
from engine.plugins.registry import discover
from tests.integration.channels.shipped import ROOT

HEAD = "test_channel: {name}\nat: 2026-11-20T10:15:00Z\ntests:\n"
ORU = "    given: {file: samples/oru-glucose.hl7}\n"
READING = "    given: {records: [{from: cloud, value: 182, unit: mg/dL}]}\n"


class Project:
    """A copy of the shipped configuration, without its tests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "channels").mkdir()
        (root / "routes.yaml").write_bytes((ROOT / "routes.yaml").read_bytes())
        for folder in ("", "samples", "tables"):
            (root / "channels" / folder).mkdir(exist_ok=True)
            for file in (ROOT / "channels" / folder).iterdir():
                if file.is_file() and not file.name.endswith(".test.yaml"):
                    (root / "channels" / folder / file.name).write_bytes(file.read_bytes())

    def tests_of(self, name: str, text: str) -> None:
        (self.root / "channels" / f"{name}.test.yaml").write_text(HEAD.format(name=name) + text)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def run(project: Project, capsys: pytest.CaptureFixture[str], *channels: str) -> tuple[int, str]:
    code = run_tests(project.root, channels)
    return code, capsys.readouterr().out


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        ("{ack: AE}", "expect.ack: expected AE, got AA"),
        ("{ack: [AA, AA]}", "expect.ack: expected AA, AA, got AA"),
        ("{readings: 2}", "expect.readings: expected 2, got 1"),
        ("{readings: [{value: 181}]}", "expect.readings[0].value: expected 181, got 182"),
        ("{readings: [{value: 182, unit: mmol/L}]}", "expect.readings[0].unit: expected mmol/L, got mg/dL"),
        ("{readings: [{nonsense: 1}]}", "expect.readings[0].nonsense: expected 1, got nothing"),
        ("{to-reconcile: 2 messages}", "expect.to-reconcile: expected 2 messages, got 1 message"),
        ("{held: 1}", "expect.held: expected 1, got 0"),
        ("{filtered: {count: 1, reason: x}}", "expect.filtered: expected 1, got 0"),
        ("{duplicates: 1}", "expect.duplicates: expected 1, got 0"),
        ("{counted: {new: 1}}", "expect.counted.new: expected 1, got 0"),
    ],
)
def test_a_wrong_expectation_fails_with_its_path(
    project: Project, capsys: pytest.CaptureFixture[str], expect: str, says: str
) -> None:
    project.tests_of("stm-oru-in", f"  - name: wrong\n{ORU}    expect: {expect}\n")
    code, printed = run(project, capsys, "stm-oru-in")
    assert code == 1
    assert printed.splitlines() == [
        "channels/stm-oru-in.test.yaml",
        "  FAIL  wrong (line 4)",
        f"        {says}",
        "0 passed, 1 failed",
    ]


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        ("{held: 0}", "expect.held: expected 0, got 1 (unit-missing)"),
        ("{held: {count: 1, error: {at: OBX-6}}}", "expect.held.error.at: expected OBX-6, got OBX[1]-6"),
        ("{held: {count: 1, error: {code: x}}}", "expect.held.error.code: expected x, got unit-missing"),
        ("{held: {count: 1, reason: x}}", "expect.held.reason: expected something with 'x', got 'unit-missing'"),
    ],
)
def test_a_wrong_reason_fails_with_the_true_one(
    project: Project, capsys: pytest.CaptureFixture[str], expect: str, says: str
) -> None:
    given = '    given: {file: samples/oru-glucose.hl7, change: {OBX-6: ""}}\n'
    project.tests_of("stm-oru-in", f"  - name: wrong\n{given}    expect: {expect}\n")
    code, printed = run(project, capsys)
    assert (code, printed.splitlines()[2]) == (1, f"        {says}")


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        ("{ehr: {attempts: 3}}", "expect.ehr.attempts: expected 3, got 2"),
        ("{ehr: {outcome: held}}", "expect.ehr.outcome: expected held, got delivered"),
        ("{ehr: {calls: [2]}}", "expect.ehr.calls: expected [2], got [1, 1]"),
        ("{ehr: {same_control_id: false}}", "expect.ehr.same_control_id: expected False, got True"),
        ('{sent: [{OBX-5: "182"}]}', "expect.sent[0].OBX-5: expected 182, got 10.1"),
        ('{sent: [{OBX-5: "10.10"}]}', "expect.sent[0].OBX-5: expected 10.10, got 10.1"),
        ("{sent: 0}", "expect.sent: expected 0, got 1"),
    ],
)
def test_a_wrong_expectation_of_a_destination_fails_with_its_path(
    project: Project, capsys: pytest.CaptureFixture[str], expect: str, says: str
) -> None:
    when = "    when: {ehr: {answers: [AE]}}\n"
    project.tests_of("oru-out", f"  - name: wrong\n{READING}{when}    expect: {expect}\n")
    code, printed = run(project, capsys)
    assert (code, printed.splitlines()[2]) == (1, f"        {says}")


def test_a_wrong_expectation_of_the_ledger_fails(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.tests_of("reconcile", f"  - name: wrong\n{READING}    expect: {{kept: [{{from: fhir}}]}}\n")
    code, printed = run(project, capsys)
    assert (code, printed.splitlines()[2]) == (1, "        expect.kept[0].from: expected fhir, got cloud")


def test_an_answer_that_the_protocol_does_not_know_fails_and_says_what_there_is(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    when = "    when: {ehr: {answers: [AX]}}\n"
    project.tests_of("oru-out", f"  - name: wrong\n{READING}{when}    expect: {{ehr: {{attempts: 1}}}}\n")
    code, printed = run(project, capsys)
    assert code == 1
    assert "when.ehr.answers[0]: `AX` is no answer of this destination" in printed
    assert "write AA, AE, AR" in printed


def test_answers_that_nobody_asks_for_fail(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    when = "    when: {ehr: {answers: [AA, AE, AR]}}\n"
    project.tests_of("oru-out", f"  - name: wrong\n{READING}{when}    expect: {{ehr: {{attempts: 1}}}}\n")
    code, printed = run(project, capsys)
    says = "        when.ehr.answers: 2 of 3 were never asked for; take them out"
    assert (code, printed.splitlines()[2]) == (1, says)


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        (f"  - name: n\n{ORU}    expect: {{akc: AA}}\n", "6:14 E201", "tests[0].expect.akc: unknown key; did you mean"),
        (f"  - name: n\n{ORU}    expects: {{ack: AA}}\n", "6:5 E201", "tests[0].expects: unknown key"),
        ("  - name: n\n    expect: {ack: AA}\n", "4:5 E202", "tests[0].given: is missing"),
        (f"  - name: n\n{ORU}    expect: {{}}\n", "6:13 E204", "this test could not fail"),
        ("  - name: n\n    given: []\n    expect: {ack: AA}\n", "5:12 E204", "tests[0].given: is empty"),
        ("  []\n", "4:3 E204", "tests: is empty"),
        (f"  - name: n\n{ORU}    expect: {{to-reconcil: 1}}\n", "6:14 E201", "did you mean `to-reconcile`?"),
        (f"  - name: n\n{ORU}    expect: {{to-reconcile: one}}\n", "6:28 E204", "write `1 message` or 0"),
        ("  - name: n\n    given: {file: samples/none.hl7}\n    expect: {}\n", "5:19 E101", "cannot be opened"),
        ("  - name: n\n    given: {times: 2}\n    expect: {}\n", "5:12 E204", "must hold one of file, text"),
        (
            "  - name: n\n    given: {text: a, change: {PID-3: x}}\n    expect: {}\n",
            "5:22 E204",
            "tests[0].given.change",
        ),
        (
            f"  - name: n\n{ORU}    when: {{ehr: {{answers: [AA]}}}}\n    expect: {{}}\n",
            "6:12 E201",
            "the channel has no such destination",
        ),
    ],
)
def test_a_mistake_in_a_test_file_is_told_with_its_place_and_nothing_runs(
    project: Project, capsys: pytest.CaptureFixture[str], text: str, where: str, says: str
) -> None:
    project.tests_of("stm-oru-in", text)
    code, printed = run(project, capsys)
    assert code == 1
    first, *_, last = printed.splitlines()
    assert first.startswith(f"channels/stm-oru-in.test.yaml:{where} ")
    assert says in first
    assert last == "nothing was run: the test files have problems"


def test_a_reading_in_words_that_do_not_exist_is_a_mistake(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.tests_of("reconcile", "  - name: n\n    given: {records: [{vale: 182}]}\n    expect: {kept: 1}\n")
    code, printed = run(project, capsys)
    assert code == 1
    assert "channels/reconcile.test.yaml:5:22 E204 tests[0].given.records: [0].vale is no word of a reading" in printed
    assert "did you mean `value`?" in printed


def test_a_channel_that_is_not_there_is_told_with_near_names(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = run(project, capsys, "stm-oru-im")
    assert code == 1
    assert "there is no channel `stm-oru-im`; did you mean `stm-oru-in`?" in printed


def test_a_named_channel_without_tests_is_no_success(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = run(project, capsys, "reconcile")
    assert code == 1
    assert printed == "reconcile has no tests; write channels/reconcile.test.yaml\n0 passed, 0 failed\n"


def test_a_configuration_with_problems_is_not_tested(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (project.root / "channels" / "reconcile.yaml").write_text("channel: reconcile\n")
    code, printed = run(project, capsys)
    assert code == 1
    assert "nothing runs until they are solved" in printed


def test_the_copy_is_a_sound_configuration(project: Project) -> None:
    assert load(project.root, discover(), {}).configuration is not None
