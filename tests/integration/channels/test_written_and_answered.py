"""Channel tests of destinations that write files, and of HTTP servers that answer by script."""

from pathlib import Path

import pytest

from engine.cli.test import run_tests

AT = "2026-11-20T23:59:50Z"
JSON_IN = "source: {type: http_listener, port: 8099, allow_anybody: true}\n"
LINES = JSON_IN + "destinations: [{name: log, type: json_lines_writer, folder: no/such/folder}]\n"
FILES = "source: {type: mllp_listener, port: 2599}\ndestinations:\n  - {name: kept, type: file_writer, "
FILES += 'folder: no/such/folder, file_name: "{channel}-{received:%Y%m%d}-{id}"}\n'
HTTP = JSON_IN + "destinations: [{name: registry, type: http_sender, url: 'https://registry.example/in'}]\n"
BODY = "    given: {json: {value: 1}}\n"
HL7 = '    given: {hl7: ["MSH|^~\\\\&|A|B|||20261120||ORU^R01|1|P|2.5.1", "PID|1||MRN1"]}\n'


class Project:
    """One channel, `out`, and its tests."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = root, capsys
        (root / "channels").mkdir()

    def run(self, channel: str, case: str) -> list[str]:
        """What `islet test` prints of the one case; empty if it passed."""
        (self.root / "channels" / "out.yaml").write_text(f"channel: out\n{channel}")
        text = f"test_channel: out\nat: {AT}\ntests:\n  - name: case\n{case}"
        (self.root / "channels" / "out.test.yaml").write_text(text)
        code = run_tests(self.root, [])
        printed = self._capsys.readouterr().out.splitlines()
        assert (code == 0) == (printed[-1] == "1 passed, 0 failed"), printed
        return [line.strip() for line in printed[2:-1]] if code else []


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, capsys)


# --- files


def test_a_file_is_expected_by_its_name_and_content(project: Project) -> None:
    case = (
        HL7 + "    expect:\n      kept:\n        files:\n          - name: out-20261120-*.hl7\n            content: |\n"
    )
    case += "              MSH|^~\\&|A|B|||20261120||ORU^R01|1|P|2.5.1\n              PID|1||MRN1\n"
    assert project.run(FILES, case) == []
    assert not (project.root / "no").exists()


def test_lines_of_several_messages_are_in_one_file_in_order(project: Project) -> None:
    case = "    given: [{json: {value: 1}}, {json: {value: 2}, after: 1s}]\n    expect:\n      log:\n        files:\n"
    case += (
        '          - name: out-2026-11-20.jsonl\n            content: |\n              {"id":"*","body":{"value":1}}\n'
    )
    case += '              {"id":"*","body":{"value":2}}\n'
    assert project.run(LINES, case) == []


def test_a_repeat_of_what_was_received_before_midnight_goes_into_the_file_of_that_day(project: Project) -> None:
    case = BODY + "    when: {log: {answers: [disk-full]}}\n"
    case += "    expect: {log: {attempts: 2, outcome: delivered, files: [{name: out-2026-11-20.jsonl}]}}\n"
    assert project.run(LINES, case) == []


def test_the_writers_own_errors_are_met(project: Project) -> None:
    case = "    given: {text: 'no json'}\n"
    case += "    expect: {log: {outcome: held, error: {code: json-broken}, files: 0}}\n"
    assert project.run(LINES, case) == []


@pytest.mark.parametrize("word", ["disk-full", "no_permission", "no-folder"])
def test_what_happens_to_a_disk_can_be_scripted(project: Project, word: str) -> None:
    case = HL7 + f"    when: {{kept: {{answers: [{word}, {word}, delivered]}}}}\n"
    case += "    expect: {kept: {attempts: 3, outcome: delivered, files: 1}}\n"
    assert project.run(FILES, case) == []


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ("0", r"expect.kept.files: expected 0, got 1 (out-20261120-"),
        ("[]", r"expect.kept.files: expected 0, got 1 (out-20261120-"),
        ("[{}, {}]", r"expect.kept.files: expected 2, got 1 (out-20261120-"),
        ("[{name: out-*.txt}]", r"expect.kept.files[0].name: expected out-*.txt, got out-20261120-"),
        ("[{name: hl7}]", r"expect.kept.files[0].name: expected hl7, got out-"),
        ("[{content: 'MSH*MRN2'}]", r"expect.kept.files[0].content: expected 'MSH*MRN2', got 'MSH|^~\\&|A|B|"),
    ],
)
def test_other_files_than_were_expected_fail(project: Project, files: str, says: str) -> None:
    (said,) = project.run(FILES, HL7 + f"    expect: {{kept: {{files: {files}}}}}\n")
    assert said.startswith(says)


def test_files_of_a_destination_that_writes_none_are_refused(project: Project) -> None:
    (said,) = project.run(HTTP, BODY + "    expect: {registry: {files: 1}}\n")
    assert said == "expect.registry.files: expected files, got a destination that writes none; leave `files` out"


def test_a_word_that_no_file_knows_says_what_there_is(project: Project) -> None:
    said = project.run(FILES, HL7 + "    when: {kept: {answers: [503]}}\n    expect: {kept: {attempts: 1}}\n")
    assert said[0].startswith("when.kept.answers[0]: `503` is no answer of this destination: is nothing that happens")
    assert "disk_full, no_permission or no_folder; for any destination there are: defer, delivered" in said[0]


# --- HTTP


@pytest.mark.parametrize(
    ("answers", "expect"),
    [
        ("[503, 200]", "{attempts: 2, outcome: delivered}"),
        ('[no-answer, "429: 60", 202]', "{attempts: 3, outcome: delivered}"),
        ("[422]", "{attempts: 1, outcome: held, error: {code: http-422}}"),
        ("[302]", "{attempts: 1, outcome: held, error: {code: http-302, says: redirect}}"),
    ],
)
def test_a_server_answers_by_script(project: Project, answers: str, expect: str) -> None:
    case = BODY + f"    when: {{registry: {{answers: {answers}}}}}\n    expect: {{registry: {expect}}}\n"
    assert project.run(HTTP, case) == []


def test_a_status_is_judged_by_the_channels_own_settings(project: Project) -> None:
    only_201 = HTTP.replace("url:", "ok: [201], url:")
    when = "    when: {registry: {answers: [200]}}\n"
    assert project.run(only_201, BODY + when + "    expect: {registry: {outcome: held}}\n") == []


def test_a_word_that_no_server_says_tells_what_there_is(project: Project) -> None:
    case = BODY + "    when: {registry: {answers: [AE]}}\n    expect: {registry: {attempts: 1}}\n"
    said = project.run(HTTP, case)
    assert said[0].startswith(
        "when.registry.answers[0]: `AE` is no answer of this destination: is no answer of a server;"
    )
