"""`fhir_server` one resource at a time, against the simulated server on a real socket."""

from typing import Any

import orjson
import pytest

from clinical.records import Quantity, Status
from engine import sdk
from engine.testing.builders import a_delivery
from simulators.fhir_faults import Deed
from simulators.fhir_server import FhirServer as Simulator
from tests.integration.fhir.conftest import Connect, a_write
from tests.unit.fhir.builders import a_reading
from tests.unit.fhir.test_answers import ROWS


async def test_a_reading_becomes_one_observation_with_all_it_says(server: Simulator, connect: Connect) -> None:
    answer = await (await connect()).send(a_write())
    assert answer == sdk.Answer("201", "Observation/1/_history/1")
    stored = server.observations["1"]
    sent = orjson.loads(a_write().body)
    assert {**stored, "id": None, "meta": None} == {**sent, "id": None, "meta": None}
    assert stored["meta"]["profile"] == sent["meta"]["profile"]


async def test_a_repeat_finds_what_is_there(server: Simulator, connect: Connect) -> None:
    destination = await connect()
    await destination.send(a_write())
    assert await destination.send(a_write()) == sdk.Answer("200", "Observation/1/_history/1", existing=True)
    assert server.counts["creates"] == 1


@pytest.mark.parametrize("deed", [Deed.LOSE, Deed.CUT])
async def test_a_lost_answer_leads_to_one_observation(server: Simulator, connect: Connect, deed: Deed) -> None:
    destination = await connect()
    server.spoil(deed)
    with pytest.raises(sdk.Unavailable):
        await destination.send(a_write())
    assert len(server.observations) == 1, "the work was done before the answer was lost"
    assert (await destination.send(a_write())).existing
    assert server.versions("1") == 1
    assert len(server.observations) == 1


@pytest.mark.parametrize("update_by", ["search", "conditional"])
async def test_a_correction_changes_the_one_observation(server: Simulator, connect: Connect, update_by: str) -> None:
    destination = await connect(update_by=update_by)
    await destination.send(a_write())
    corrected = a_write(interaction="update", status=Status.CORRECTED, value=Quantity(steps=150, unit="mg/dL"))
    assert await destination.send(corrected) == sdk.Answer("200", "Observation/1/_history/2")
    assert server.observations["1"]["status"] == "corrected"
    assert server.observations["1"]["valueQuantity"]["value"] == 150
    assert len(server.observations) == 1
    wrong = a_write(interaction="update", status=Status.ENTERED_IN_ERROR)
    assert await destination.send(wrong) == sdk.Answer("200", "Observation/1/_history/3")
    assert server.observations["1"]["status"] == "entered-in-error"


@pytest.mark.parametrize("update_by", ["search", "conditional"])
async def test_a_correction_of_what_is_not_there_creates_it(
    server: Simulator, connect: Connect, update_by: str
) -> None:
    destination = await connect(update_by=update_by)
    tombstone = a_write(interaction="update", status=Status.ENTERED_IN_ERROR)
    assert await destination.send(tombstone) == sdk.Answer("201", "Observation/1/_history/1")
    assert (await destination.send(a_write())).existing
    assert server.observations["1"]["status"] == "entered-in-error"


@pytest.mark.parametrize(
    ("status", "outcome", "word"), [(412, "conflict", sdk.Unavailable), (409, "conflict", sdk.Unavailable)]
)
async def test_a_version_conflict_is_tried_again(
    server: Simulator, connect: Connect, status: int, outcome: str, word: type[sdk.EngineError]
) -> None:
    destination = await connect()
    await destination.send(a_write())
    server.fail(status, on=["update"])
    with pytest.raises(word):
        await destination.send(a_write(interaction="update", status=Status.CORRECTED))
    assert (await destination.send(a_write(interaction="update", status=Status.CORRECTED))).code == "200"


async def test_several_resources_with_our_identifier_are_nobodys_to_change(server: Simulator, connect: Connect) -> None:
    twin = orjson.loads(a_write().body)
    server.store.create(twin)
    server.store.create(twin)
    for update_by, interaction in (("search", "update"), ("conditional", "update"), ("search", "create")):
        destination = await connect(update_by=update_by)
        with pytest.raises(sdk.Refused) as caught:
            await destination.send(a_write(interaction=interaction, status=Status.CORRECTED))
        assert caught.value.code == "several-matches"
    assert [server.versions(id_) for id_ in ("1", "2")] == [1, 1]


def searchset(*resources: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources]}


@pytest.mark.parametrize(
    ("found", "word", "code"),
    [
        (searchset({"resourceType": "Observation", "id": "9"}), sdk.Refused, "search-ignored"),
        (searchset({**orjson.loads(a_write().body)}), sdk.Unavailable, "unclear-answer"),
        (searchset({**orjson.loads(a_write().body), "id": "../x"}), sdk.Unavailable, "unclear-answer"),
        ({"resourceType": "Bundle", "type": "history"}, sdk.Unavailable, "unclear-answer"),
        ({"resourceType": "Patient"}, sdk.Unavailable, "unclear-answer"),
    ],
)
async def test_a_search_that_does_not_answer_changes_nothing(
    server: Simulator, connect: Connect, found: Any, word: type[sdk.EngineError], code: str
) -> None:
    server.fail(200, on=["search"], resource=found)
    with pytest.raises(word) as caught:
        await (await connect()).send(a_write(interaction="update", status=Status.CORRECTED))
    assert caught.value.code == code
    assert server.counts["creates"] == server.counts["updates"] == 0


async def test_what_appears_between_search_and_create_is_corrected_next_time(
    server: Simulator, connect: Connect
) -> None:
    destination = await connect()
    await destination.send(a_write())
    server.fail(200, on=["search"], resource=searchset())  # the server's search index is behind
    with pytest.raises(sdk.Unavailable, match="appeared"):
        await destination.send(a_write(interaction="update", status=Status.CORRECTED))
    assert server.observations["1"]["status"] == "final"
    assert (await destination.send(a_write(interaction="update", status=Status.CORRECTED))).code == "200"


@pytest.mark.parametrize(("status", "word"), ROWS)
@pytest.mark.parametrize("interaction", ["create", "update"])
async def test_every_row_of_the_status_table(
    server: Simulator, connect: Connect, status: int, word: type[sdk.EngineError], interaction: str
) -> None:
    server.fail(status, headers={"Location": "http://elsewhere.invalid/"} if status < 400 else None)
    destination = await connect(update_by="conditional")
    with pytest.raises(sdk.EngineError) as caught:
        await destination.send(a_write(interaction=interaction))
    assert type(caught.value) is word
    assert caught.value.detail == f"told to answer {status}"
    assert server.observations == {}
    assert (await destination.send(a_write(interaction=interaction))).code == "201", "it goes on afterwards"


@pytest.mark.parametrize(("after", "seconds"), [(7, 7), ("Fri, 20 Nov 2026 10:17:00 GMT", 120)])
async def test_a_throttled_call_says_when_to_come_back(
    server: Simulator, connect: Connect, after: int | str, seconds: float
) -> None:
    server.throttle(after)
    with pytest.raises(sdk.Throttled) as caught:
        await (await connect()).send(a_write())
    assert caught.value.after_seconds == seconds


async def test_what_the_server_finds_wrong_is_told_with_its_path(server: Simulator, connect: Connect) -> None:
    body = orjson.dumps({**orjson.loads(a_write().body), "status": "CANARY"})
    with pytest.raises(sdk.Refused) as caught:
        await (await connect()).send(a_delivery(body, sdk.Shape.FHIR))
    assert (caught.value.code, caught.value.path) == ("http-422", "Observation.status")
    assert caught.value.detail == "'CANARY' is no observation status"
    assert "CANARY" not in str(caught.value)
    assert server.counts["refused"] == 1


async def test_a_type_that_the_server_does_not_have_is_refused(connect: Connect) -> None:
    body = orjson.dumps({"resourceType": "Basic", "identifier": [{"system": "urn:a", "value": "1"}]})
    with pytest.raises(sdk.Refused, match="does not offer this"):
        await (await connect()).send(a_delivery(body, sdk.Shape.FHIR))


async def test_a_body_without_an_identifier_never_reaches_the_server(server: Simulator, connect: Connect) -> None:
    with pytest.raises(sdk.InvalidMessage, match="no identifier"):
        await (await connect()).send(a_delivery(b'{"resourceType":"Observation"}', sdk.Shape.FHIR))
    assert server.counts["requests"] == 0


async def test_readings_of_two_patients_do_not_meet(server: Simulator, connect: Connect) -> None:
    destination = await connect()
    await destination.send(a_write(a_reading(reading_id="a")))
    await destination.send(a_write(a_reading(reading_id="b")))
    assert len(server.observations) == 2
