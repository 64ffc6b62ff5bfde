"""Real files through all shipped channels at once; the counts were taken with grep and are written out."""

from pathlib import Path

import pytest

from tests.integration.channels.shipped import ROOT, a_house

SAMPLES = ROOT.parent / "shared" / "samples"
MRN = "MRN-0001"

# file: what the sender is told, results filtered, results held, Observations
HL7 = {
    "amida_isabella_jones_multiple_tests.hl7": (
        "AA",
        0,
        25,
        0,
    ),  # 25 OBX; the one that is glucose is of a patient whom another house has numbered
    "cosyte_canonical_oru-r01-sn-results.hl7": ("AA", 0, 3, 0),  # its glucose is a range, and that is no reading
    "amida_sample.hl7": ("AA", 0, 1, 0),  # a glucose tolerance test, twelve hours after: a code we do not know
    "lfh_ORU-multiline-short-mixed.hl7": ("AA", 1, 0, 0),  # MSH-11 says T: training
    "n7c_realm_realm-hepatitis-c-virus.hl7": ("AA", 0, 3, 0),  # no glucose at all
    "dex_ELR_message.hl7": ("AR", 0, 0, 0),  # no HL7 but JSON around it
}
# file: rows with EGV, of which held because their time comes twice in autumn
CLARITY = {
    "clarity_g6_mgdl_synthetic_lowvalues_badbom.csv": (3922, 0),
    "clarity_g6_mgdl_us_iphone_12cols.csv": (2148, 12),
}


def sample(path: str) -> bytes:
    file = SAMPLES / path
    if not file.exists():
        pytest.skip(f"REAL SAMPLE NOT TESTED: there is no {file}")
    return file.read_bytes()


@pytest.mark.parametrize("name", HL7)
async def test_a_real_oru(name: str, tmp_path: Path) -> None:
    told, filtered, held, observations = HL7[name]
    body = sample(f"hl7v2/oru/{name}")
    async with a_house(tmp_path) as house:
        assert await house.hand_in("stm-oru-in", body) == told
        states = await house.engine.states("stm-oru-in")
        assert (states.get("filtered", 0), states.get("held", 0)) == (filtered, held)
        assert house.delivered("fhir") == observations
        assert house.delivered("ehr") == 0  # what came over HL7 is not told back
        assert (await house.engine.books()).balance


async def test_the_answer_that_dexcom_documents(tmp_path: Path) -> None:
    body = sample("vendors/dexcom/dexcom_v3_egvs_doc_example.json")
    async with a_house(tmp_path) as house:
        assert await house.hand_in("dexcom-in", body) == "accepted"
        assert await house.hand_in("dexcom-in", body) == "accepted"
        assert await house.engine.states("dexcom-in") == {"transformed": 1, "duplicate": 1}
        assert (house.delivered("fhir"), house.delivered("ehr")) == (1, 1)
        assert (await house.engine.books()).balance


@pytest.mark.parametrize("name", CLARITY)
async def test_a_real_clarity_export(name: str, tmp_path: Path) -> None:
    rows, held = CLARITY[name]
    body = sample(f"vendors/dexcom/{name}")
    assert body.count(b",EGV,") == rows
    async with a_house(tmp_path, MRN) as house:
        assert await house.hand_in("clarity-csv-in", body, file_name=f"{MRN}_export.csv") == "processed"
        assert (await house.engine.states("clarity-csv-in")).get("held", 0) == held
        assert house.delivered("fhir") == rows - held
        assert house.delivered("documents") == 1
        assert house.delivered("ehr") == -(-(rows - held) // 300)  # 300 readings in a message at most
        assert await house.engine.delivery_states() == {"sent": sum(map(house.delivered, house.ends))}
        assert (await house.engine.books()).balance


async def test_an_export_of_an_unknown_patient_waits_whole(tmp_path: Path) -> None:
    body = sample("vendors/dexcom/clarity_g6_mgdl_us_iphone_12cols.csv")
    async with a_house(tmp_path) as house:
        await house.hand_in("clarity-csv-in", body, file_name=f"{MRN}_export.csv")
        assert await house.engine.states() == {"review": 1}
        assert house.delivered("fhir") == 0
