"""The simulated server over HTTP and as a process of its own: others build on what it does."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from simulators.fhir_server import FhirServer as Simulator
from tests.unit.fhir.test_simulator import CGM, GOOD

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def ask(
    session: aiohttp.ClientSession, method: str, url: str, body: Any = None, **headers: str
) -> tuple[int, Any, Any]:
    data = body if isinstance(body, (bytes, type(None))) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with session.request(method, url, data=data, headers=named) as answer:
        said = await answer.read()
        return answer.status, orjson.loads(said) if said else None, answer.headers


async def test_create_read_update_and_history(server: Simulator, session: aiohttp.ClientSession) -> None:
    base = server.base_url
    status, made, headers = await ask(session, "POST", f"{base}/Observation", GOOD)
    assert (status, made["id"], headers["ETag"]) == (201, "1", 'W/"1"')
    assert headers["Location"] == f"{base}/Observation/1/_history/1"
    changed = {**GOOD, "id": "1", "status": "amended"}
    assert (await ask(session, "PUT", f"{base}/Observation/1", changed, If_Match='W/"1"'))[0] == 200
    assert (await ask(session, "PUT", f"{base}/Observation/1", changed, If_Match='W/"1"'))[0] == 412
    assert (await ask(session, "PUT", f"{base}/Observation/2", changed))[0] == 400
    assert (await ask(session, "GET", f"{base}/Observation/1"))[1]["status"] == "amended"
    _, history, _ = await ask(session, "GET", f"{base}/Observation/1/_history")
    assert [entry["resource"]["meta"]["versionId"] for entry in history["entry"]] == ["2", "1"]
    assert server.versions("1") == 2


async def test_conditional_create_answers_as_the_specification_says(
    server: Simulator, session: aiohttp.ClientSession
) -> None:
    url, condition = f"{server.base_url}/Observation", {"If_None_Exist": "identifier=urn:a|1"}
    statuses = [(await ask(session, "POST", url, GOOD, **condition))[0] for _ in range(2)]
    await ask(session, "POST", url, GOOD)
    statuses.append((await ask(session, "POST", url, GOOD, **condition))[0])
    assert statuses == [201, 200, 412]
    assert server.counts == {"requests": 4, "creates": 2, "matches": 1, "refused": 1}


async def test_twenty_at_once_make_one(server: Simulator, session: aiohttp.ClientSession) -> None:
    url = f"{server.base_url}/Observation"
    asked = (ask(session, "POST", url, GOOD, If_None_Exist="identifier=urn:a|1") for _ in range(20))
    assert sorted([status for status, _, _ in await asyncio.gather(*asked)]) == [200] * 19 + [201]
    assert len(server.observations) == 1


async def test_searches_by_get_and_post_agree(server: Simulator, session: aiohttp.ClientSession) -> None:
    base = server.base_url
    await ask(session, "POST", f"{base}/Observation", CGM)
    await ask(session, "POST", f"{base}/Observation", {**GOOD, "identifier": [{"system": "urn:b", "value": "2"}]})
    _, by_get, _ = await ask(session, "GET", f"{base}/Observation?identifier=urn:a|1&status=final")
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    _, by_post, _ = await ask(session, "POST", f"{base}/Observation/_search", b"identifier=urn%3Aa%7C1", **form)
    assert [entry["resource"]["id"] for entry in by_get["entry"]] == ["1"]
    assert by_post == by_get
    assert (await ask(session, "GET", f"{base}/Observation?nonsense=1"))[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/Observation", b"{", 400),
        ("POST", "/Observation", {**GOOD, "resourceType": "Patient"}, 400),
        ("POST", "/Observation", {**GOOD, "status": "done"}, 422),
        ("POST", "/Unicorn", {"resourceType": "Unicorn"}, 404),
        ("PUT", "/Observation", GOOD, 400),
        ("DELETE", "/Observation/1", None, 405),
        ("PATCH", "/Observation", GOOD, 405),
        ("GET", "/Observation/77", None, 404),
        ("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": []}, 400),
        ("GET", "", None, 404),
    ],
)
async def test_what_it_does_not_take_gets_an_operation_outcome(
    server: Simulator, session: aiohttp.ClientSession, method: str, path: str, body: Any, status: int
) -> None:
    answered, said, _ = await ask(session, method, server.base_url + path, body)
    assert (answered, said["resourceType"]) == (status, "OperationOutcome")
    assert server.observations == {}


async def test_entries_of_a_batch_stand_alone(server: Simulator, session: aiohttp.ClientSession) -> None:
    create = {"method": "POST", "url": "Observation", "ifNoneExist": "identifier=urn:a|1"}
    update = {"method": "PUT", "url": "Observation?identifier=urn:a|1"}
    entries = [
        {"request": create, "resource": GOOD},
        {"request": create, "resource": GOOD},
        {"request": {"method": "POST", "url": "Observation"}, "resource": {"resourceType": "Observation"}},
        {"request": update, "resource": {**GOOD, "status": "amended"}},
        {"request": {"method": "GET", "url": "Observation/1"}},
        "nonsense",
    ]
    _, said, _ = await ask(
        session, "POST", server.base_url, {"resourceType": "Bundle", "type": "batch", "entry": entries}
    )
    assert [entry["response"]["status"] for entry in said["entry"]] == ["201", "200", "422", "200", "400", "400"]
    assert said["entry"][3]["response"]["location"] == "Observation/1/_history/2"


async def test_its_capabilities_name_what_it_does(server: Simulator, session: aiohttp.ClientSession) -> None:
    _, statement, _ = await ask(session, "GET", f"{server.base_url}/metadata")
    assert statement["fhirVersion"] == "4.0.1"
    assert "Observation" in {resource["type"] for resource in statement["rest"][0]["resource"]}


async def test_faults_can_be_ordered_and_counts_read_from_outside(
    server: Simulator, session: aiohttp.ClientSession
) -> None:
    control = f"http://{server.host}:{server.port}/_control"
    assert (await ask(session, "POST", f"{control}/faults", {"status": 503, "times": 2}))[0] == 204
    assert (await ask(session, "POST", f"{control}/faults", {"deed": "hang"}))[0] == 204
    url = f"{server.base_url}/Observation"
    assert [(await ask(session, "POST", url, GOOD))[0] for _ in range(2)] == [503, 503]
    assert (await ask(session, "POST", f"{control}/clear"))[0] == 204
    assert (await ask(session, "POST", url, GOOD))[0] == 201
    _, counts, _ = await ask(session, "GET", f"{control}/counts")
    assert counts == {"requests": 3, "creates": 1, "observations": 1}
    async with session.post(f"{control}/faults", data=b'{"deed": "explode"}') as answer:
        assert answer.status == 400
        assert "explode" in await answer.text()


@asynccontextmanager
async def a_process(store: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators.fhir_server", "--port", "0", "--store", str(store)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        yield process, orjson.loads(await asyncio.wait_for(process.stdout.readline(), 30))["base_url"]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_what_it_stored_outlives_a_kill(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    store = tmp_path / "stored.jsonl"
    async with a_process(store) as (process, base):
        for number in range(3):
            resource = {**GOOD, "identifier": [{"system": "urn:a", "value": str(number)}]}
            assert (await ask(session, "POST", f"{base}/Observation", resource))[0] == 201
        assert (await ask(session, "PUT", f"{base}/Observation/1", {**GOOD, "id": "1", "status": "amended"}))[0] == 200
        process.kill()
    with store.open("ab") as file:
        file.write(b'{"resourceType": "Observation", "id": "9", "me')  # what a kill in the middle of a write leaves
    async with a_process(store) as (process, base):
        _, found, _ = await ask(session, "GET", f"{base}/Observation")
        assert [(e["resource"]["id"], e["resource"]["meta"]["versionId"]) for e in found["entry"]] == [
            ("1", "2"),
            ("2", "1"),
            ("3", "1"),
        ]
        _, made, _ = await ask(session, "POST", f"{base}/Observation", GOOD)
        assert made["id"] == "4"
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 30) == 0
    assert len(store.read_bytes().splitlines()) == 5
