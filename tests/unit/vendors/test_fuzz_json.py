"""Every parser of JSON against bodies gone wrong: records, problems, or one clear refusal."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinical.vendors.carelink import read_carelink
from clinical.vendors.dexcom import open_egvs, read_egvs
from clinical.vendors.dexcom_events import read_dexcom_events
from clinical.vendors.dexcom_share import read_share
from clinical.vendors.eversense import read_eversense
from clinical.vendors.fitbit import read_fitbit
from clinical.vendors.health_auto_export import read_health_auto_export
from clinical.vendors.health_connect import read_health_connect
from clinical.vendors.librelinkup import read_librelinkup
from clinical.vendors.nightscout import read_nightscout
from clinical.vendors.novopen import read_novopen
from clinical.vendors.open_mhealth import read_open_mhealth
from clinical.vendors.tidepool import read_tidepool
from tests.examples import some
from tests.unit.dexcom.test_egvs import an_egv
from tests.unit.vendors import test_carelink as carelink
from tests.unit.vendors import test_eversense as eversense
from tests.unit.vendors import test_librelinkup as librelinkup
from tests.unit.vendors import test_novopen as novopen
from tests.unit.vendors.mutations import PATIENT, WHOSE, Parse, as_json, mutated, survives, torn
from tests.unit.vendors.test_dexcom_rest import EVENTS, a_share
from tests.unit.vendors.test_fitbit import DUBLIN, GOOGLE, intraday
from tests.unit.vendors.test_health_auto_export import METRICS, an_export
from tests.unit.vendors.test_health_connect import RECORDS
from tests.unit.vendors.test_nightscout import a_treatment, an_entry
from tests.unit.vendors.test_open_mhealth import GLUCOSE, a_point
from tests.unit.vendors.test_tidepool import a_datum

CASES: Mapping[str, tuple[Any, Parse]] = {
    "nightscout": (
        {
            "status": 200,
            "result": [
                an_entry(),
                a_treatment("Combo Bolus", insulin=2, enteredinsulin=5, splitExt=60, duration=120, carbs=5),
                a_treatment("Temp Basal", absolute=0.5, duration=30),
                a_treatment("BG Check", glucose=5.5, units="mmol"),
            ],
        },
        lambda body: read_nightscout(body, WHOSE),
    ),
    "tidepool": (
        {
            "data": [
                a_datum("cbg", units="mmol/L", value=3.996538553552784, annotations=[{"code": "bg/out-of-range"}]),
                a_datum("bolus", subType="dual/square", normal=2, extended=3, duration=3600000),
                a_datum("basal", deliveryType="temp", rate="0.5", duration=60000),
                a_datum("wizard", carbInput=3, units={"carb": "exchanges"}),
                a_datum("deviceEvent", subType="calibration", units="mg/dL", value=100),
                a_datum("insulin", dose={"total": 5}),
            ]
        },
        lambda body: read_tidepool(body, WHOSE),
    ),
    "open_mhealth": ([a_point(GLUCOSE), GLUCOSE], lambda body: read_open_mhealth(body, WHOSE)),
    "health_connect": ({"records": list(RECORDS)}, lambda body: read_health_connect(body, WHOSE)),
    "fitbit": (
        {**intraday("heart", 64, 65), "activities-steps": [{"dateTime": "2026-10-25", "value": "9"}]},
        lambda body: read_fitbit(body, DUBLIN),
    ),
    "dexcom_egvs": (
        {
            "recordType": "egv",
            "recordVersion": "3.0",
            "userId": "u",
            "records": [an_egv(0), an_egv(1, unit="mmol/L", value=5.6)],
        },
        lambda body: read_egvs(open_egvs(body), PATIENT),
    ),
    "dexcom_events": (EVENTS, lambda body: read_dexcom_events(body, WHOSE)),
    "dexcom_share": ([a_share(), a_share(Trend=4)], lambda body: read_share(body, WHOSE)),
    "google_health": (GOOGLE, lambda body: read_fitbit(body, DUBLIN)),
    "carelink": (carelink.EXAMPLE, lambda body: read_carelink(body, WHOSE)),
    "librelinkup": (librelinkup.EXAMPLE, lambda body: read_librelinkup(body, WHOSE)),
    "eversense": (eversense.ANSWER, lambda body: read_eversense(body, WHOSE)),
    "novopen": (novopen.EXAMPLE, lambda body: read_novopen(body, WHOSE)),
    "health_auto_export": (an_export(*METRICS), lambda body: read_health_auto_export(body, WHOSE)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_example_itself_gives_records(name: str) -> None:
    document, parse = CASES[name]
    parsed = survives(parse, as_json(document))
    assert parsed is not None
    assert parsed.records
    assert not parsed.problems


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(max_examples=some(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_documents_with_places_changed_dropped_renamed_or_doubled(name: str, data: st.DataObject) -> None:
    document, parse = CASES[name]
    survives(parse, as_json(data.draw(mutated(document))))


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(max_examples=some(40), deadline=None)
def test_bodies_with_bytes_cut_out_and_put_in(name: str, data: st.DataObject) -> None:
    document, parse = CASES[name]
    survives(parse, data.draw(torn(as_json(document))))


@pytest.mark.parametrize("name", CASES)
def test_a_field_of_many_megabytes_breaks_nothing(name: str) -> None:
    document, parse = CASES[name]
    body = as_json(document)
    survives(parse, body[:-1] + b', "x": "' + b"9" * 5_000_000 + b'"}' if body.endswith(b"}") else body)
