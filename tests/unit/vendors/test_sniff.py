"""What a file is: every sample is known for what it is, and what is nothing known gets a nearest guess."""

import io
import json
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.vendors.parsing import Unreadable
from clinical.vendors.sniff import sniff
from engine import sdk
from engine.testing.builders import a_message
from tests.examples import some
from tests.unit.dexcom.clarity_files import a_file
from tests.unit.dexcom.test_clarity import THREE
from tests.unit.vendors.apple_files import an_export
from tests.unit.vendors.mutations import as_json
from tests.unit.vendors.samples import SAMPLES, real
from tests.unit.vendors.test_fuzz_json import CASES
from transformers.recognise import RecogniseSettings, recognise

STEPS = {
    "nightscout": "nightscout_to_records",
    "tidepool": "tidepool_to_records",
    "open_mhealth": "open_mhealth_to_records",
    "health_connect": "health_connect_to_records",
    "fitbit": "fitbit_to_records",
    "google_health": "fitbit_to_records",
    "carelink": "carelink_to_records",
    "librelinkup": "librelinkup_to_records",
    "eversense": "eversense_to_records",
    "novopen": "novopen_to_records",
    "health_auto_export": "health_auto_export_to_records",
}
REAL = {
    "nightscout/nightscout_entries_iaps.json": "Nightscout",
    "nightscout/nightscout_treatments_iaps.json": "Nightscout",
    "nightscout/nightscout_profile_iaps.json": "Nightscout",
    "fitbit/fitbit-activities-heart-1d-1m-intraday.json": "Fitbit",
    "fitbit/fitbit-activities-steps-timeseries.json": "Fitbit",
    "fitbit/fitbit-body-log-weight.json": "Fitbit",
    "dexcom/dexcom_v3_egvs_doc_example.json": "Dexcom API v3: EGVs",
    "dexcom/dexcom_v3_datarange_doc_example.json": "Dexcom API v3: data range",
    "dexcom/dexcom_v2_egvs_doc_example.json": "Dexcom API v2: EGVs",
    "dexcom/clarity_g6_mgdl_synthetic_lowvalues_badbom.csv": "Dexcom Clarity CSV",
    "dexcom/clarity_g6_mgdl_us_iphone_12cols.csv": "Dexcom Clarity CSV",
    "libre/libreview_libre3_mgdl_ddmmyyyy_synthetic.csv": "LibreView CSV",
    "libre/llu_graph.json": "LibreLinkUp",
    "libre/llu_connections.json": "LibreLinkUp",
    "medtronic/carelink_connect_780g_simplera_displaymessage.json": "CareLink Connect",
    "medtronic/carelink_780g_fixture_valid-6line-header.csv": "CareLink CSV",
    "medtronic/carelink_legacy_paradigm_withSettingsChanges.csv": "CareLink CSV",
    "glooko_omnipod/glooko_demo_en_mmol_tab_cgm_data_1.csv": "Glooko CSV",
    "glooko_omnipod/glooko_demo_en_mmol_tab_bolus_data_1.csv": "Glooko CSV",
    "tandem/tconnect_therapy_timeline.csv": "Tandem t:connect CSV",
    "apple_health/export_small_heart_bmi_workout.xml": "Apple Health",
    "openmhealth/blood-glucose_4.0_shouldPass_with-everything.json": "Open mHealth",
}


@pytest.mark.parametrize("name", REAL)
def test_a_real_file_is_known_for_what_it_is(name: str) -> None:
    assert sniff(real(name)).name == REAL[name]


@pytest.mark.parametrize("name", STEPS)
def test_each_example_is_read_by_its_step(name: str) -> None:
    assert sniff(as_json(CASES[name][0])).step == STEPS[name]


def test_clarity_in_another_language_and_apple_and_hl7() -> None:
    header = "Indice;Data;Evento;Sotto;Paziente;Disp;Orig;Valore glicemico (mg/dL);I;C;D;R"
    assert sniff(header.encode() + b"\r\n1;;;;;;;;;;;\r\n").step == "clarity_csv_to_records"
    assert sniff(a_file(THREE)).step == "clarity_csv_to_records"
    assert sniff(an_export()).step == "apple_health_to_records"
    assert sniff(b"MSH|^~\\&|A|B\r").step == "oru_to_records"


def test_zips() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        packed.writestr("apple_health_export/export.xml", "<HealthData/>")
    assert sniff(written.getvalue()).name == "Apple Health, zipped"
    with pytest.raises(Unreadable):
        sniff(b"PK\x03\x04rubbish")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"sgv": 120}', "the nearest is Nightscout"),
        (b"Device Timestamp,Serial Number,x\n", "the nearest is LibreView CSV"),
        (b'{"a": 1}', "such as Dexcom"),
        (b"hello", "such as HL7"),
        (b"<html></html>", "such as Apple Health"),
    ],
)
def test_what_is_not_known_is_refused_with_the_nearest(body: bytes, says: str) -> None:
    with pytest.raises(Unreadable) as caught:
        sniff(body)
    assert caught.value.code == "format-unknown"
    assert says in caught.value.text


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
@settings(max_examples=some(100), deadline=None)
def test_anything_is_known_or_refused(body: bytes) -> None:
    try:
        assert sniff(body).name
    except Unreadable as refusal:
        assert refusal.code  # noqa: PT017


def test_the_step_says_what_it_found_and_stops_what_is_not_wanted() -> None:
    message = a_message(json.dumps([{"sgv": 120, "date": 1}]).encode(), sdk.Shape.JSON)
    assert recognise(message, RecogniseSettings()).meta["format"] == "Nightscout"
    with pytest.raises(sdk.InvalidMessage) as caught:
        recognise(message, RecogniseSettings(only=("tidepool_to_records",)))
    assert caught.value.code == "format-unwanted"
    assert "read by nightscout_to_records" in caught.value.text


def test_the_samples_that_are_listed_are_there() -> None:
    if not SAMPLES.is_dir():
        pytest.skip(f"REAL SAMPLES MISSING: {SAMPLES} is not there")
    assert all((SAMPLES / name).is_file() for name in REAL)
