"""`fhir_search` on real sockets: pages, the cursor, and servers that lead astray."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web

from clinical.records import AnyRecord, decode
from connectors.fhir.search import plugin
from connectors.fhir.settings import FhirSearchSettings
from engine import sdk
from engine.testing.builders import a_message
from engine.testing.fakes import MemoryCursors, plugin_context
from tests.unit.fhir.test_reading_others import observation
from transformers.fhir_to_records import FhirToRecordsSettings, fhir_to_records


class Pages:
    """A server with resources in pages of two; `elsewhere` is what the first next link is replaced with."""

    def __init__(self) -> None:
        self.resources = [
            observation(id=f"o-{number}", meta={"lastUpdated": f"2026-11-20T09:0{number}:00Z"}) for number in range(5)
        ]
        self.forms: list[dict[str, str]] = []
        self.pages_read = 0
        self.elsewhere: str | None = None
        self.status = 200
        self.shape: Callable[[dict[str, Any]], dict[str, Any]] = lambda bundle: bundle
        app = web.Application()
        app.router.add_post("/r4/Observation/_search", self._search)
        app.router.add_get("/r4", self._following)
        self._runner = web.AppRunner(app)
        self.base = ""

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}/r4"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _search(self, request: web.Request) -> web.Response:
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        return self._page(0)

    async def _following(self, request: web.Request) -> web.Response:
        return self._page(int(request.query["page"]))

    def _page(self, number: int) -> web.Response:
        self.pages_read += 1
        held = self.resources[number * 2 : number * 2 + 2]
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
        if held:
            bundle["entry"] = [{"resource": each} for each in held]
        if len(self.resources) > number * 2 + 2:
            bundle["link"] = [{"relation": "next", "url": self.elsewhere or f"{self.base}?page={number + 1}"}]
        text = orjson.dumps(self.shape(bundle)).replace(b'"value":182,', b'"value":182.0,')
        return web.Response(body=text, status=self.status, content_type="application/fhir+json")


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    made = Pages()
    await made.start()
    yield made
    await made.stop()


def settings(pages: Pages, **more: Any) -> FhirSearchSettings:
    return FhirSearchSettings.model_validate(
        {"base": pages.base, "search": "Observation?code=x", "page_size": 2, **more}
    )


async def read(
    pages: Pages, cursors: MemoryCursors, count: int, verdict: sdk.Verdict | None = None, **more: Any
) -> list[sdk.Arrival]:
    """So many arrivals, each settled; then the source is closed and runs to its end."""
    source = plugin.implementation(settings(pages, **more), plugin_context(cursors=cursors))
    found = []
    async for arrival in source.deliveries():
        found.append(arrival)
        if len(found) == count:
            await source.close()
        await arrival.settle(verdict or sdk.Accepted("m-1"))
    return found


async def test_every_page_is_an_arrival_and_the_cursor_moves_after_the_last(pages: Pages) -> None:
    cursors = MemoryCursors()
    arrivals = await read(pages, cursors, 3, start="2026-11-01")
    assert [len(orjson.loads(arrival.body)["entry"]) for arrival in arrivals] == [2, 2, 1]
    assert len({arrival.source_key for arrival in arrivals}) == 3
    assert cursors.values == {"last-updated": "2026-11-20T09:04:00.000+00:00"}
    assert pages.forms == [
        {"code": "x", "_count": "2", "_sort": "_lastUpdated", "_lastUpdated": "ge2026-11-01"},
    ]


async def test_the_next_search_reaches_back_by_the_overlap(pages: Pages) -> None:
    cursors = MemoryCursors()
    cursors.values["last-updated"] = "2026-11-20T09:02:00.000+00:00"
    await read(pages, cursors, 3)
    assert pages.forms[0]["_lastUpdated"] == "ge2026-11-20T09:01:00.000Z"


async def test_a_page_that_the_journal_did_not_take_comes_again(pages: Pages) -> None:
    cursors = MemoryCursors()
    await read(pages, cursors, 1, verdict=sdk.Deferred(1.0, "full"))
    assert (cursors.values, pages.pages_read) == ({}, 1)


@pytest.mark.parametrize("url", ["?page={}", "/r4?page={}", "HTTP://{host}/r4?page={}"])
async def test_next_links_may_be_relative_to_the_base_or_to_the_host(pages: Pages, url: str) -> None:
    numbers = iter((1, 2))
    host = pages.base.removeprefix("http://").removesuffix("/r4")

    def linked(bundle: dict[str, Any]) -> dict[str, Any]:
        if "link" not in bundle:
            return bundle
        return {**bundle, "link": [{"relation": "next", "url": url.format(next(numbers), host=host)}]}

    pages.shape = linked
    assert len(await read(pages, MemoryCursors(), 3)) == 3


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/r4?page=1",
        "//evil.example/",
        "http://127.0.0.1:1/r4?page=1",
        "/other?page=1",
        "../other?page=1",
        "%2e%2e/other?page=1",
        "http://[",
    ],
)
async def test_no_page_is_fetched_from_elsewhere(pages: Pages, url: str) -> None:
    pages.elsewhere = url
    with pytest.raises(sdk.NeedsOperator) as raised:
        await read(pages, MemoryCursors(), 3)
    assert raised.value.code == "page-elsewhere"


async def test_a_refusal_has_the_word_of_its_status(pages: Pages) -> None:
    pages.status = 401
    with pytest.raises(sdk.NeedsOperator):
        await read(pages, MemoryCursors(), 1)


async def test_what_was_read_becomes_records(pages: Pages) -> None:
    records: list[AnyRecord] = []
    for arrival in await read(pages, MemoryCursors(), 3):
        (output,) = fhir_to_records(a_message(arrival.body, sdk.Shape.FHIR), FhirToRecordsSettings())
        assert isinstance(output, sdk.Message)
        records += decode(output.body)
    assert {record.original.value for record in records} == {"182.0"}
    assert [record.source.value for record in records] == [f"Observation/o-{number}" for number in range(5)]
