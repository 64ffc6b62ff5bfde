"""`fhir_server` in batches: each entry has its own fate."""

from collections.abc import Sequence

import orjson
import pytest

from clinical.records import Quantity, Status
from engine import sdk
from engine.testing.builders import a_delivery
from engine.testing.fakes import MemoryLog
from simulators.fhir_faults import Ask, Deed
from simulators.fhir_server import FhirServer as Simulator
from tests.integration.fhir.conftest import Connect, a_write, writes

BATCH = {"batch": {"up_to": 100}}


def entry(number: int) -> object:
    """Chooses the entry of reading r-NUMBER."""

    def choose(ask: Ask) -> bool:
        return ask.in_batch and (ask.resource or {}).get("identifier", [{}])[0].get("value") == f"r-{number}"

    return choose


def words(results: Sequence[sdk.Answer | sdk.EngineError]) -> list[str]:
    return [result.code if isinstance(result, sdk.Answer) else type(result).__name__ for result in results]


async def test_a_hundred_resources_are_one_call(server: Simulator, connect: Connect) -> None:
    destination = await connect(**BATCH)
    assert destination.batch_size == 100
    results = await destination.send_many(writes(100))
    assert words(results) == ["201"] * 100
    locations = [result.location for result in results if isinstance(result, sdk.Answer)]
    assert locations == [f"Observation/{number}/_history/1" for number in range(1, 101)]
    assert [each["identifier"][0]["value"] for each in server.observations.values()] == [f"r-{n}" for n in range(100)]
    assert server.counts["requests"] == 1


async def test_by_default_each_goes_alone(server: Simulator, connect: Connect) -> None:
    destination = await connect()
    assert destination.batch_size == 1
    assert words(await destination.send_many(writes(1))) == ["201"]
    assert server.counts["batches"] == 0


async def test_a_repeated_batch_makes_nothing_new(server: Simulator, connect: Connect) -> None:
    destination = await connect(**BATCH)
    await destination.send_many(writes(3))
    results = await destination.send_many(writes(4))
    assert words(results) == ["200", "200", "200", "201"]
    assert [result.existing for result in results if isinstance(result, sdk.Answer)] == [True, True, True, False]
    assert len(server.observations) == 4


async def test_each_entry_has_its_own_fate(server: Simulator, connect: Connect) -> None:
    for number, status in enumerate((500, 422, 429, 401, 403, 412, 409, 302), start=1):
        server.fail(status, when=entry(number))  # type: ignore[arg-type]
    broken = a_delivery(b"CANARY", sdk.Shape.FHIR)
    results = await (await connect(**BATCH)).send_many([*writes(10), broken])
    assert words(results) == [
        "201",
        "Unavailable",
        "Refused",
        "Throttled",
        "NeedsOperator",
        "NotPermitted",
        "Refused",
        "Unavailable",
        "Unavailable",
        "201",
        "InvalidMessage",
    ]
    assert len(server.observations) == 2
    refused = results[2]
    assert isinstance(refused, sdk.Refused)
    assert refused.detail == "told to answer 422"


@pytest.mark.parametrize("deed", [Deed.LOSE, Deed.CUT, Deed.SHORT])
async def test_when_fates_are_unknown_all_are_sent_again_and_made_once(
    server: Simulator, connect: Connect, deed: Deed
) -> None:
    destination = await connect(**BATCH)
    server.spoil(deed)
    assert words(await destination.send_many(writes(5))) == ["Unavailable"] * 5
    assert len(server.observations) == 5
    assert words(await destination.send_many(writes(5))) == ["200"] * 5
    assert len(server.observations) == 5


@pytest.mark.parametrize("deed", [Deed.DROP, Deed.RUBBISH])
async def test_when_nothing_was_done_all_are_sent_again(server: Simulator, connect: Connect, deed: Deed) -> None:
    destination = await connect(**BATCH)
    server.spoil(deed)
    assert words(await destination.send_many(writes(5))) == ["Unavailable"] * 5
    assert server.observations == {}
    assert words(await destination.send_many(writes(5))) == ["201"] * 5


async def test_more_answers_than_entries_are_no_answers(server: Simulator, connect: Connect) -> None:
    one = {"response": {"status": "201", "location": "Observation/1/_history/1"}}
    server.fail(200, resource={"resourceType": "Bundle", "type": "batch-response", "entry": [one] * 3})
    results = await (await connect(**BATCH)).send_many(writes(2))
    assert words(results) == ["Unavailable"] * 2
    assert all(isinstance(result, sdk.Unavailable) and result.code == "unclear-answer" for result in results)


async def test_an_entry_that_says_no_status_is_unknown_alone(server: Simulator, connect: Connect) -> None:
    entries = [{"response": {"status": "201 Created"}}, {"response": {}}]
    server.fail(200, resource={"resourceType": "Bundle", "type": "batch-response", "entry": entries})
    assert words(await (await connect(**BATCH)).send_many(writes(2))) == ["201", "Unavailable"]


@pytest.mark.parametrize(
    ("status", "word"),
    [(401, "NeedsOperator"), (409, "Unavailable"), (429, "Throttled"), (500, "Unavailable"), (503, "Unavailable")],
)
async def test_a_refusal_of_the_call_stands_for_all(
    server: Simulator, connect: Connect, status: int, word: str
) -> None:
    server.fail(status)
    assert words(await (await connect(**BATCH)).send_many(writes(3))) == [word] * 3
    assert server.counts["requests"] == 1


@pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 422, 501])
async def test_one_that_spoils_the_whole_batch_does_not_hold_the_others(
    server: Simulator, connect: Connect, log: MemoryLog, status: int
) -> None:
    server.fail(status, on=["batch"])
    server.fail(422, when=lambda ask: ask.interaction == "create" and ask.number == 3)
    assert words(await (await connect(**BATCH)).send_many(writes(3))) == ["201", "Refused", "201"]
    assert log.events == [("warning", "fhir_batch_refused", {"code": f"http-{status}", "count": 3})]


@pytest.mark.parametrize(("status", "word"), [(429, "Throttled"), (401, "NeedsOperator")])
async def test_one_by_one_stops_when_the_server_wants_no_more(
    server: Simulator, connect: Connect, status: int, word: str
) -> None:
    server.fail(400, on=["batch"])
    server.fail(status, None, when=lambda ask: ask.interaction == "create" and ask.number > 2)
    assert words(await (await connect(**BATCH)).send_many(writes(5))) == ["201", word, word, word, word]
    assert server.counts["requests"] == 3


@pytest.mark.parametrize(("update_by", "calls"), [("conditional", 2), ("search", 4)])
async def test_writes_to_one_resource_keep_their_order(
    server: Simulator, connect: Connect, update_by: str, calls: int
) -> None:
    destination = await connect(**BATCH, update_by=update_by)
    create, *others = writes(3)
    corrected = a_write(interaction="update", status=Status.CORRECTED, value=Quantity(steps=99, unit="mg/dL"))
    create_one = a_write()
    results = await destination.send_many([create, create_one, others[1], corrected])
    assert words(results) == ["201", "201", "201", "200"]
    (one,) = [each for each in server.observations.values() if each["identifier"][0]["value"] == "r-1"]
    assert (one["status"], one["valueQuantity"]["value"]) == ("corrected", 99)
    assert server.counts["requests"] == calls - (update_by == "search")


async def test_a_correction_waits_for_the_reading_before_it(server: Simulator, connect: Connect) -> None:
    server.fail(500, when=entry(1))  # type: ignore[arg-type]
    corrected = a_write(interaction="update", status=Status.CORRECTED)
    results = await (await connect(**BATCH, update_by="conditional")).send_many([*writes(3), corrected])
    assert words(results) == ["201", "Unavailable", "201", "Unavailable"]
    assert len(server.observations) == 2


async def test_after_a_failed_call_the_rest_is_not_tried(server: Simulator, connect: Connect) -> None:
    server.spoil(Deed.DROP)
    corrected = a_write(interaction="update", status=Status.CORRECTED)
    results = await (await connect(**BATCH)).send_many([*writes(3), corrected, a_delivery(b"{", sdk.Shape.FHIR)])
    assert words(results) == ["Unavailable"] * 4 + ["InvalidMessage"]
    assert server.counts["requests"] == 1


async def test_updates_in_a_batch_go_in_the_bundle_if_they_are_conditional(server: Simulator, connect: Connect) -> None:
    destination = await connect(**BATCH, update_by="conditional")
    await destination.send_many(writes(2))
    updates = [
        a_delivery(
            orjson.dumps({**orjson.loads(d.body), "status": "amended"}), sdk.Shape.FHIR, meta={"interaction": "update"}
        )
        for d in writes(3)
    ]
    assert words(await destination.send_many(updates)) == ["200", "200", "201"]
    assert {each["status"] for each in server.observations.values()} == {"amended"}
    assert server.counts["requests"] == 2
