"""Deliveries as writes, writes as Bundles, and what a batch-response says."""

from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.fhir.identifiers import identifier_query
from connectors.fhir.batch import bundle_of, replies_of
from connectors.fhir.write import Write, read_write
from engine import sdk
from engine.testing.builders import a_delivery
from simulators.fhir_store import FhirStore
from tests.unit.fhir.test_simulator import a_store

BODY = b'{"resourceType":"Observation","identifier":[{"system":"urn:a","value":"1"},{"value":"2"}],"x":6.70}'


def a_write(body: bytes = BODY, **meta: str) -> Write:
    return read_write(a_delivery(body, sdk.Shape.FHIR, meta=meta))


def test_the_first_identifier_counts_unless_meta_names_another() -> None:
    assert a_write().key == ("Observation", "urn:a", "1")
    assert a_write(identifier="|2").key == ("Observation", None, "2")
    assert a_write(interaction="update").interaction == "update"


@pytest.mark.parametrize(
    ("body", "meta", "code", "path"),
    [
        (b"{", {}, "not-json", None),
        (b"\xff", {}, "not-json", None),
        (b"[1]", {}, "resource-type", "resourceType"),
        (b'{"resourceType":"../CANARY"}', {}, "resource-type", "resourceType"),
        (b'{"resourceType":"Observation"}', {}, "no-identifier", "Observation.identifier"),
        (
            b'{"resourceType":"Observation","identifier":[{"value":""},7]}',
            {},
            "no-identifier",
            "Observation.identifier",
        ),
        (BODY, {"identifier": "urn:a|CANARY"}, "no-identifier", "Observation.identifier"),
    ],
)
def test_what_could_not_be_recognised_again_is_invalid(
    body: bytes, meta: dict[str, str], code: str, path: str | None
) -> None:
    with pytest.raises(sdk.InvalidMessage) as caught:
        a_write(body, **meta)
    assert (caught.value.code, caught.value.path) == (code, path)
    assert "CANARY" not in str(caught.value)


def test_a_write_shows_nothing_of_the_patient() -> None:
    assert repr(a_write()) == "Write(resource_type='Observation', interaction='create')"


def test_an_update_by_id_keeps_every_digit() -> None:
    with_id = a_write().body_with_id("77")
    assert with_id.startswith(b'{"resourceType":"Observation","id":"77","identifier":[')
    assert with_id.endswith(b'"x":6.70}')


@settings(deadline=None)
@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_any_identifier_is_found_again_by_its_query(system: str, value: str) -> None:
    store = a_store()
    wanted = a_resource(system, value)
    store.create(a_resource(system, value + "x"))
    made = store.create(wanted)
    query = identifier_query(system, value)
    assert query.isascii()
    assert [found["id"] for found in search(store, query)] == [made["id"]]


def a_resource(system: str, value: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": system, "value": value}]}


def search(store: FhirStore, query: str) -> list[dict[str, Any]]:
    return store.search("Patient", parse_qsl(query, keep_blank_values=True))


def test_a_bundle_holds_each_resource_byte_for_byte_with_its_condition() -> None:
    bundle = bundle_of([a_write(), a_write(interaction="update")])
    assert bundle.count(BODY) == 2
    assert [entry["request"] for entry in orjson.loads(bundle)["entry"]] == [
        {"method": "POST", "url": "Observation", "ifNoneExist": "identifier=urn:a|1"},
        {"method": "PUT", "url": "Observation?identifier=urn:a|1"},
    ]


@pytest.mark.parametrize(
    "bundle",
    [
        None,
        {"resourceType": "OperationOutcome"},
        {"resourceType": "Bundle", "type": "searchset", "entry": [{}]},
        {"resourceType": "Bundle", "type": "batch-response"},
        {"resourceType": "Bundle", "type": "batch-response", "entry": []},
        {"resourceType": "Bundle", "type": "batch-response", "entry": [{}, {}]},
        {"resourceType": "Bundle", "type": "batch-response", "entry": "x"},
    ],
)
def test_what_is_no_response_to_this_batch_answers_nothing(bundle: dict[str, Any] | None) -> None:
    assert replies_of(bundle, 1) is None


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ({"response": {"status": "201"}}, 201),
        ({"response": {"status": "201 Created"}}, 201),
        ({"response": {"status": "412 Precondition Failed", "outcome": {"resourceType": "OperationOutcome"}}}, 412),
        ({"response": {"status": "2011"}}, None),
        ({"response": {"status": 201}}, None),
        ({"response": {}}, None),
        ({"resource": {}}, None),
        ("x", None),
    ],
)
def test_the_status_of_an_entry_is_its_first_three_digits(entry: Any, status: int | None) -> None:
    replies = replies_of({"resourceType": "Bundle", "type": "batch-response", "entry": [entry]}, 1)
    assert replies is not None
    assert [reply.status if reply else None for reply in replies] == [status]
