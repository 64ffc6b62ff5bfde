"""Real messages: how many segments and results each holds (counted with grep), and what becomes of them."""

import pytest

from clinical.hl7v2 import Hl7Error, header, parse
from clinical.records import Glucose, decode
from engine import sdk
from engine.testing.builders import a_message
from tests.unit.hl7v2.messages import SAMPLES, sample
from transformers.oru_to_records import OruToRecordsSettings, oru_to_records

# file: segments, OBX, readings, set aside
EXPECTED = {
    "oru/amida_isabella_jones_multiple_tests.hl7": (29, 25, 1, 24),
    "oru/amida_sample.hl7": (4, 1, 0, 1),
    "oru/amida_sample2.hl7": (4, 0, 0, 0),
    "oru/amida_sample3.hl7": (9, 5, 0, 5),
    "oru/cosyte_canonical_oru-r01-sn-results.hl7": (6, 3, 0, 3),
    "oru/cosyte_canonical_oru-r01.hl7": (6, 3, 0, 3),
    "oru/cosyte_nte_obr-order-notes.hl7": (8, 1, 0, 1),
    "oru/cosyte_vendor-shapes_oru-r01_2.hl7": (7, 2, 0, 2),
    "oru/cosyte_vendor-shapes_oru-r01_3.hl7": (7, 1, 0, 1),
    "oru/dex_MI_v23_Valid_2.hl7": (11, 1, 0, 1),
    "oru/dex_ND_23z_Valid_1.hl7": (6, 1, 0, 1),
    "oru/lfh_ORU-multiline-short-mixed.hl7": (9, 4, 0, 4),
    "oru/lfh_sample_unix.hl7": (8, 1, 0, 1),
    "oru/n7c_cerner_cerner_bordetella.hl7": (7, 1, 0, 1),
    "oru/n7c_cerner_cerner_en.hl7": (7, 1, 0, 1),
    "oru/n7c_cerner_cerner_sequential.hl7": (7, 1, 0, 1),
    "oru/n7c_nist_ORU_R01_2.5.1_SampleTestCase1.hl7": (7, 1, 0, 1),
    "oru/n7c_nist_ORU_R01_2.5.1_SampleTestCase3.hl7": (7, 1, 0, 1),
    "oru/n7c_realm_realm-campylobacter-jejuni.hl7": (9, 1, 0, 1),
    "oru/n7c_realm_realm-cj-badloinc.hl7": (9, 1, 0, 1),
    "oru/n7c_realm_realm-cj-joeslab.hl7": (12, 2, 0, 2),
    "oru/n7c_realm_realm-hepatitis-c-virus.hl7": (11, 3, 0, 3),
    "edge/cosyte_charset_utf8-name.hl7": (2, 0, 0, 0),
    "edge/cosyte_edge-cases_custom-msh-delimiters.hl7": (3, 0, 0, 0),
    "edge/cosyte_edge-cases_empty-fields.hl7": (3, 0, 0, 0),
    "edge/cosyte_edge-cases_lf-line-endings.hl7": (4, 0, 0, 0),
    "edge/cosyte_edge-cases_mixed-line-endings.hl7": (4, 0, 0, 0),
    "edge/cosyte_edge-cases_truncation-char-msh2.hl7": (4, 1, 0, 1),
    "edge/cosyte_vendor-quirks_segment-case.hl7": (4, 0, 0, 0),
    "malformed/dex_Lyme_BadDate.hl7": (77, 74, 0, 74),
    "malformed/dex_Lyme_WithMissingMSH212.hl7": (77, 74, 0, 74),
    "malformed/n7c_misc_bad-phone-example.hl7": (2, 0, 0, 0),
}
SETTINGS = OruToRecordsSettings(timezone="America/New_York")


def outputs(path: str) -> list[sdk.StepOutput]:
    made = oru_to_records(a_message(sample(path), sdk.Shape.HL7V2), SETTINGS)
    return [made] if isinstance(made, (sdk.Message, sdk.Aside, sdk.Drop)) else list(made)


@pytest.mark.parametrize("path", EXPECTED)
def test_no_segment_and_no_result_of_a_real_message_is_lost(path: str) -> None:
    segments, results, readings, asides = EXPECTED[path]
    opened = parse(sample(path))
    assert len(opened.segments) == segments
    assert len(opened.all("OBX")) == results
    made = outputs(path)
    assert sum(len(decode(output.body)) for output in made if isinstance(output, sdk.Message)) == readings
    assert sum(isinstance(output, sdk.Aside) for output in made) == asides
    assert any(isinstance(output, sdk.Drop) for output in made) == (results == 0)


def test_the_glucose_of_a_metabolic_panel_is_found_by_its_second_coding() -> None:
    (message,) = (o for o in outputs("oru/amida_isabella_jones_multiple_tests.hl7") if isinstance(o, sdk.Message))
    (reading,) = decode(message.body)
    assert isinstance(reading, Glucose)
    assert (reading.analyte, reading.value.steps, reading.value.unit) == ("plasma-glucose", 80, "mg/dL")
    assert (reading.original.code, reading.original.system, reading.original.time) == (
        "2345-7",
        "LOINC",
        "201005060935",
    )
    assert (reading.effective.precision, reading.effective.zone) == ("minute", "America/New_York")
    assert (reading.patient.system, reading.patient.value) == ("Priority Health", "94000000000")


def test_custom_separators_and_unusual_escapes_of_real_messages_are_read() -> None:
    assert parse(sample("edge/cosyte_edge-cases_custom-msh-delimiters.hl7")).get("PID-3.4") == "HOSP"
    assert parse(sample("edge/cosyte_edge-cases_truncation-char-msh2.hl7")).get("OBX-5") == "truncated#at end"
    assert parse(sample("edge/cosyte_edge-cases_unknown-escapes.hl7")).get("OBX-5") == "Some text with \\Z99\\ embedded"
    assert parse(sample("edge/cosyte_vendor-quirks_segment-case.hl7")).get("PID-3.1") == "MRN-VQ-005"


@pytest.mark.parametrize(
    "path", ["edge/cosyte_stream_mixed-terminators.hl7", "edge/cosyte_vendor-quirks_duplicate-required-segment.hl7"]
)
def test_two_messages_in_one_are_refused(path: str) -> None:
    with pytest.raises(sdk.InvalidMessage) as raised:
        outputs(path)
    assert raised.value.code == "two-messages"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("batch/cosyte_batch_multi-batch-file.hl7", "batch"),
        ("batch/dex_BatchMessage.hl7", "no-msh"),
        ("oru/dex_ELR_message.hl7", "no-msh"),
    ],
)
def test_what_is_no_message_is_refused_by_what_it_is(path: str, code: str) -> None:
    for read in (header, parse):
        with pytest.raises(Hl7Error) as raised:
            read(sample(path))
        assert raised.value.code == code


def test_every_real_message_opens_and_is_written_as_it_came() -> None:
    sample("oru/amida_sample.hl7")
    opened = 0
    for file in sorted(SAMPLES.rglob("*.hl7")):
        raw = file.read_bytes()
        try:
            message = parse(raw)
        except Hl7Error as error:
            assert error.code in ("batch", "no-msh"), file  # noqa: PT017 - which ones is said above
            continue
        opened += 1
        assert message.part(message.segments).split(b"\r") == [
            *(line for line in raw.removeprefix(b"\xef\xbb\xbf").replace(b"\n", b"\r").split(b"\r") if line.strip()),
            b"",
        ]
        edited = message.but({"MSH-3": "X"})
        assert edited.but({"MSH-3": message.get_raw("MSH-3")}).raw.rstrip(b"|") == raw.rstrip(b"|"), file
        assert header(raw).control_id == message.segments[0].raw(10)
    assert opened >= 170
