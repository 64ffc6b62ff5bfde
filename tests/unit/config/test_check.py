"""What `islet check` prints."""

from pathlib import Path

import orjson
import pytest

from engine.cli.check import check
from engine.config.problems import CODES, Place, Report
from tests.unit.config.world import GOOD, ORU_IN, RECONCILE, a_registry, changed, with_channel, write


@pytest.fixture(autouse=True)
def _in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def printed(capsys: pytest.CaptureFixture[str], root: Path, as_json: bool = False) -> tuple[int, str]:
    code = check(root, as_json, a_registry(), {})
    return code, capsys.readouterr().out


def test_a_good_configuration_gives_one_line_and_exit_code_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, GOOD)
    assert printed(capsys, Path()) == (0, "2 channel files: no problems; 2 would run\n")


def test_problems_are_printed_with_files_relative_to_where_one_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = changed(changed(ORU_IN, "port", "prot"), "hold", "hld")
    write(tmp_path / "site", with_channel(text))
    code, out = printed(capsys, tmp_path / "site")
    assert code == 1
    assert out.splitlines() == [
        "site/channels/oru-in.yaml:6:3 E201 source.prot: unknown key; did you mean `port`?",
        "site/channels/oru-in.yaml:14:16 E205 when_it_fails: `hld` is not one of the choices; "
        "did you mean `hold`? (hold | review | skip)",
        "2 channel files: 2 problems; nothing runs until they are solved",
        "islet explain E201: what that code means, with an example",
    ]


def test_files_elsewhere_are_printed_in_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a", with_channel(changed(ORU_IN, "port", "prot")))
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "b")
    _, out = printed(capsys, tmp_path / "a")
    assert out.startswith(f"{tmp_path}/a/channels/oru-in.yaml:6:3 E201")


def test_warnings_alone_give_exit_code_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, with_channel(changed(RECONCILE, "/r4", "/r4\n    bearer: {secret: t}"), "reconcile"))
    code, out = printed(capsys, Path())
    assert code == 0
    assert out.splitlines()[-2:] == [
        "2 channel files: no problems, 1 warning; 2 would run",
        "islet explain W208: what that code means, with an example",
    ]


def test_one_problem_and_one_warning_are_counted_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = changed(RECONCILE, "/r4", "/r4\n    bearer: {secret: t}\n    at_once: 0")
    write(tmp_path, with_channel(text, "reconcile"))
    code, out = printed(capsys, Path())
    assert code == 1
    assert out.splitlines()[-2:] == [
        "2 channel files: 1 problem and 1 warning; nothing runs until they are solved",
        "islet explain E204: what that code means, with an example",
    ]


def test_for_programs_there_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, with_channel(changed(ORU_IN, "port", "prot")))
    code, out = printed(capsys, Path(), as_json=True)
    assert code == 1
    assert orjson.loads(out) == {
        "ok": False,
        "files": 2,
        "problems": [
            {
                "file": "channels/oru-in.yaml",
                "line": 6,
                "column": 3,
                "code": "E201",
                "path": "source.prot",
                "text": "unknown key; did you mean `port`?",
                "severity": "error",
            }
        ],
    }


def test_a_folder_without_channels_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = printed(capsys, Path())
    assert code == 1
    assert out.startswith(".:1:1 E101: there is no folder channels here")


def test_a_code_that_is_not_listed_cannot_be_reported() -> None:
    with pytest.raises(KeyError):
        Report().add("E999", Place(Path("x"), 1, 1), "", "text")


def test_every_code_is_one_letter_and_three_digits_and_has_a_meaning() -> None:
    assert all(code[0] in "EW" and len(code) == 4 and code[1:].isdigit() and text for code, text in CODES.items())
    assert len({code[1:] for code in CODES}) == len(CODES)
