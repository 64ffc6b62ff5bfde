"""`islet try`."""

from pathlib import Path

import pytest

from engine.cli.try_ import try_channel
from tests.integration.channels.shipped import ROOT

SAMPLES = ROOT / "channels" / "samples"


def tried(capsys: pytest.CaptureFixture[str], channel: str, sample: Path) -> tuple[int, list[str]]:
    code = try_channel(ROOT, channel, sample)
    return code, capsys.readouterr().out.splitlines()


def test_each_step_shows_what_it_gave(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = tried(capsys, "stm-oru-in", SAMPLES / "oru-glucose.hl7")
    assert code == 0
    assert [line for line in lines if not line.startswith(" ")] == [
        f"stm-oru-in: oru-glucose.hl7, {(SAMPLES / 'oru-glucose.hl7').stat().st_size} bytes of hl7v2",
        "source mllp_listener: taken",
        "filter: kept",
        "step 1 oru_to_records:",
        "step 2 identify_patient:",
        "would go to channel reconcile: 1 message",
    ]
    assert any("value: 182, unit: mg/dL, effective_time: 2026-11-20T10:00:00Z" in line for line in lines)


def test_a_step_that_holds_says_why_and_no_later_step_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = tried(capsys, "clarity-csv-in", SAMPLES / "MRN-0001_clarity.csv")
    assert code == 1
    assert lines[-1].startswith("step 2 identify_patient: review, patient-not-found at records[0].patient:")


def test_a_part_that_is_set_aside_is_shown_with_its_path(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sample = tmp_path / "no-unit.hl7"
    sample.write_bytes((SAMPLES / "oru-glucose.hl7").read_bytes().replace(b"|mg/dL^mg/dL^UCUM|", b"||"))
    code, lines = tried(capsys, "stm-oru-in", sample)
    assert code == 1
    assert any(line.startswith("  set aside: held, unit-missing at OBX[1]-6:") for line in lines)


def test_what_the_filter_drops_goes_no_further(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sample = tmp_path / "training.hl7"
    sample.write_bytes((SAMPLES / "oru-glucose.hl7").read_bytes().replace(b"|P|2.5.1", b"|T|2.5.1"))
    code, lines = tried(capsys, "stm-oru-in", sample)
    assert (code, lines[-1]) == (0, "filter: filtered, keep_when: MSH-11.1 not_in")


def test_what_the_door_does_not_take_is_told_with_the_reason(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sample = tmp_path / "admission.hl7"
    sample.write_bytes(b"MSH|^~\\&|A|STM|ISLET|STM|20261120||ADT^A01|1|P|2.5.1\r")
    code, lines = tried(capsys, "stm-oru-in", sample)
    assert code == 1
    assert lines[-1].startswith("source mllp_listener: not taken at the door: type-not-accepted")


def test_it_says_where_a_result_would_be_sent_and_no_secret(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISLET_SECRET_DEXCOM_CLIENT_SECRET", "CANARY")
    sample = tmp_path / "records.json"
    sample.write_bytes(
        b'{"records":[{"record":"glucose","patient":{"system":"STM","value":"1","id":"p1"},"analyte":"interstitial-glucose'
        b'","value":{"steps":182,"unit":"mg/dL"},"effective":{"millis":1795168800000,"how":"offset"},"status":"final",'
        b'"source":{"road":"cloud","system":"dexcom","value":"1"},"original":{}}]}'
    )
    code, lines = tried(capsys, "fhir-out", sample)
    assert (code, lines[-1]) == (0, "would be sent to fhir (fhir_server): 1 message")
    assert any('"resourceType": "Observation"' in line for line in lines)
    assert tried(capsys, "dexcom-in", SAMPLES / "dexcom-egvs.json")[0] == 0
    assert "CANARY" not in "".join(lines)


def test_a_channel_that_is_not_there_is_told_with_near_names(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = tried(capsys, "fhir-ou", SAMPLES / "oru-glucose.hl7")
    assert code == 1
    assert lines == ["there is no channel `fhir-ou`; did you mean `fhir-out`?"]
