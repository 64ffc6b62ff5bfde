"""`$submit-cgm-bundle` of the HL7 CGM guide: where the server lists it, and only there."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import web

from clinical.records import Status
from connectors.fhir.batch import RECEIVER
from connectors.fhir.server import FhirServer, plugin
from connectors.fhir.settings import FhirServerSettings
from engine import sdk
from engine.testing.fakes import plugin_context
from tests.integration.fhir.conftest import a_write, writes
from tests.unit.fhir.builders import a_reading


class Receiver:
    """A server that takes submissions if `listed`; it answers each entry by its number in `statuses`."""

    def __init__(self) -> None:
        self.listed = True
        self.capability_status = 200
        self.statuses: dict[int, str] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        app = web.Application()
        app.router.add_get("/r4/metadata", self._metadata)
        app.router.add_post("/r4/$submit-cgm-bundle", self._bundle)
        app.router.add_post("/r4", self._bundle)
        app.router.add_post("/r4/Observation/_search", self._search)
        app.router.add_post("/r4/Observation", self._create)
        self._runner = web.AppRunner(app)
        self.base = ""

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}/r4"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _metadata(self, _: web.Request) -> web.Response:
        self.calls.append(("metadata", {}))
        statement = {
            "resourceType": "CapabilityStatement",
            "instantiates": [f"{RECEIVER}|1.0.0"] if self.listed else [],
        }
        return web.json_response(statement, status=self.capability_status)

    async def _bundle(self, request: web.Request) -> web.Response:
        bundle = orjson.loads(await request.read())
        self.calls.append((request.path, bundle))
        entries = [
            {"response": {"status": self.statuses.get(number, "201 Created"), "location": f"Observation/{number}"}}
            for number in range(len(bundle["entry"]))
        ]
        kind = f"{bundle['type']}-response"
        return web.json_response({"resourceType": "Bundle", "type": kind, "entry": entries})

    async def _search(self, request: web.Request) -> web.Response:
        self.calls.append((request.path, {}))
        return web.json_response({"resourceType": "Bundle", "type": "searchset"})

    async def _create(self, request: web.Request) -> web.Response:
        self.calls.append((request.path, {}))
        return web.Response(status=201)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


async def sent(receiver: Receiver, *groups: list[sdk.Delivery]) -> list[list[Any]]:
    settings = FhirServerSettings.model_validate(
        {"base": receiver.base, "batch": {"up_to": 50, "by": "submit_cgm_bundle"}}
    )
    destination: FhirServer = plugin.implementation(settings, plugin_context())
    await destination.open()
    try:
        return [list(await destination.send_many(group)) for group in groups]
    finally:
        await destination.close()


async def test_creates_are_one_submission_and_the_server_is_asked_once_whether_it_takes_any(receiver: Receiver) -> None:
    first, second = await sent(receiver, writes(3), writes(2))
    assert [result.code for result in (*first, *second)] == ["201"] * 5
    assert [path for path, _ in receiver.calls] == ["metadata", "/r4/$submit-cgm-bundle", "/r4/$submit-cgm-bundle"]
    bundle = receiver.calls[1][1]
    assert (bundle["type"], bundle["timestamp"]) == ("transaction", "2026-11-20T10:15:00.000Z")
    assert bundle["meta"]["profile"][0].endswith("/cgm-data-submission-bundle")
    assert {entry["request"]["method"] for entry in bundle["entry"]} == {"POST"}
    assert all(entry["request"]["ifNoneExist"].startswith("identifier=") for entry in bundle["entry"])


async def test_the_receiver_may_keep_a_part_and_each_entry_has_its_own_fate(receiver: Receiver) -> None:
    receiver.statuses = {0: "200 OK", 1: "400 Bad Request", 2: "429 Too Many Requests"}
    ((there, refused, later),) = await sent(receiver, writes(3))
    assert isinstance(there, sdk.Answer)
    assert there.existing
    assert isinstance(refused, sdk.Refused)
    assert isinstance(later, sdk.Throttled)


async def test_corrections_are_no_part_of_a_submission(receiver: Receiver) -> None:
    corrected = a_write(a_reading(reading_id="r-9", status=Status.CORRECTED), "update")
    (results,) = await sent(receiver, [*writes(2), corrected])
    assert [result.code for result in results] == ["201", "201", "201"]
    assert len(receiver.calls[1][1]["entry"]) == 2
    assert receiver.calls[2][0] == "/r4/Observation/_search"


async def test_a_server_that_does_not_list_it_gets_a_batch(receiver: Receiver) -> None:
    receiver.listed = False
    await sent(receiver, writes(2))
    assert [path for path, _ in receiver.calls] == ["metadata", "/r4"]
    assert receiver.calls[1][1]["type"] == "batch"


async def test_a_server_that_could_not_say_is_asked_again(receiver: Receiver) -> None:
    receiver.capability_status = 503
    await sent(receiver, writes(2), writes(2))
    assert [path for path, _ in receiver.calls] == ["metadata", "/r4", "metadata", "/r4"]
