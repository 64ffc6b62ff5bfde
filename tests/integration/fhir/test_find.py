"""What a server's search by identifier shows of a resource that may be there: nothing is made twice in the dark."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import web

from engine import sdk
from tests.integration.fhir.conftest import Connect, a_write, writes

OURS = {**orjson.loads(a_write().body), "id": "7"}


class Searched:
    """A server whose search answers with these pages, the first by POST and the others by GET of `next`."""

    def __init__(self) -> None:
        self.pages: list[dict[str, Any]] = []
        self.creates = 0
        app = web.Application()
        app.router.add_post("/r4/Observation/_search", self._search)
        app.router.add_get("/r4/page/{number}", self._search)
        app.router.add_post("/r4/Observation", self._create)
        self.runner = web.AppRunner(app)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}/r4"

    async def _search(self, request: web.Request) -> web.Response:
        page = self.pages[int(request.match_info.get("number", "0")) % len(self.pages)]
        return web.json_response({"resourceType": "Bundle", "type": "searchset", **page})

    async def _create(self, _: web.Request) -> web.Response:
        self.creates += 1
        return web.Response(status=201, headers={"Location": f"{self.base}/Observation/8"})


async def test_answers_of_a_batch_in_another_order_are_told_by_what_came_back(connect: Connect) -> None:
    async def answer(request: web.Request) -> web.Response:
        sent = [entry["resource"] for entry in (await request.json())["entry"]]
        made = [{"resource": {**each, "id": f"{n}"}, "response": {"status": "201"}} for n, each in enumerate(sent)]
        made[0] = {"response": {"status": "422", "outcome": {"resourceType": "OperationOutcome", "issue": []}}}
        return web.json_response({"resourceType": "Bundle", "type": "batch-response", "entry": made[::-1]})

    app = web.Application()
    app.router.add_post("/r4", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    destination = await connect(base=f"http://127.0.0.1:{runner.addresses[0][1]}/r4", batch={"up_to": 10})
    results = await destination.send_many(writes(4))
    assert [getattr(result, "location", "again") for result in results[1:]] == [f"Observation/{n}" for n in (1, 2, 3)]
    assert isinstance(results[0], sdk.Unavailable)
    await runner.cleanup()


@pytest.fixture
async def searched() -> AsyncIterator[Searched]:
    made = Searched()
    await made.runner.setup()
    await web.TCPSite(made.runner, "127.0.0.1", 0).start()
    yield made
    await made.runner.cleanup()


def then(url: str) -> list[dict[str, str]]:
    return [{"relation": "next", "url": url}]


@pytest.mark.parametrize("url", ["page/1", "/r4/page/1"])
async def test_an_empty_page_with_a_next_one_says_nothing_yet(searched: Searched, connect: Connect, url: str) -> None:
    searched.pages = [{"link": then(url)}, {"entry": [{"resource": OURS}]}]
    answer = await (await connect(base=searched.base, create_by="search")).send(a_write())
    assert (answer.existing, answer.location, searched.creates) == (True, "Observation/7", 0)


@pytest.mark.parametrize(
    ("page", "word", "code"),
    [
        ({"total": 1}, sdk.Refused, "search-hidden"),
        ({"link": then("http://evil.example/r4/page/1")}, sdk.Unavailable, "unclear-answer"),
        ({"link": then("page/0")}, sdk.Unavailable, "unclear-answer"),
    ],
    ids=["counted, not shown", "goes on elsewhere", "in a circle"],
)
async def test_what_the_search_leaves_open_is_not_created(
    searched: Searched, connect: Connect, page: dict[str, Any], word: type[sdk.EngineError], code: str
) -> None:
    searched.pages = [page]
    with pytest.raises(word) as caught:
        await (await connect(base=searched.base, create_by="search")).send(a_write())
    assert (caught.value.code, searched.creates) == (code, 0)


async def test_what_is_not_there_by_the_servers_own_count_is_created(searched: Searched, connect: Connect) -> None:
    searched.pages = [{"total": 0}]
    answer = await (await connect(base=searched.base, create_by="search")).send(a_write())
    assert (answer.code, searched.creates) == ("201", 1)


async def test_a_byte_order_mark_before_an_answer_is_no_part_of_it(connect: Connect) -> None:
    async def create(_: web.Request) -> web.Response:
        body = b"\xef\xbb\xbf" + orjson.dumps(OURS)
        return web.Response(status=201, body=body, content_type="application/fhir+json")

    app = web.Application()
    app.router.add_post("/r4/Observation", create)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    answer = await (await connect(base=f"http://127.0.0.1:{runner.addresses[0][1]}/r4")).send(a_write())
    assert answer.location == "Observation/7"
    await runner.cleanup()
