"""Clauses of FHIR and of EHR makers that meet in one call: what a batch's entries say of themselves, corrections after
a conflict, and a search that breaks off between two pages."""

from typing import Any

import pytest

from clinical.records import Quantity, Status
from connectors.fhir import wire
from connectors.fhir.search import plugin as search
from engine import sdk
from engine.testing.fakes import ManualClock, MemoryCursors, plugin_context
from simulators.fhir_faults import Deed
from simulators.fhir_server import FhirServer as Simulator
from tests.integration.fhir.conftest import Connect, a_write, writes
from tests.integration.fhir.test_search import Pages, pages, read, settings  # noqa: F401 - a fixture
from tests.unit.fhir.builders import a_reading

OUTCOME: dict[str, Any] = {
    "resourceType": "OperationOutcome",
    "issue": [
        {
            "severity": "error",
            "code": "business-rule",
            "diagnostics": "CANARY has no flowsheet row",
            "expression": ["Observation.code"],
        }
    ],
}


async def test_entries_of_one_batch_are_held_deferred_and_tried_again_each_by_its_own_answer(
    server: Simulator, connect: Connect
) -> None:
    destination = await connect(batch={"up_to": 10})
    server.fail(412, entries=True)
    server.fail(422, entries=True, resource=OUTCOME)
    server.fail(403, entries=True)
    server.fail(503, entries=True)
    results = list(await destination.send_many(writes(6)))
    words = [type(result).__name__ for result in results]
    assert words == ["Refused", "Refused", "NotPermitted", "Unavailable", "Answer", "Answer"]
    several, wrong = results[0], results[1]
    assert isinstance(several, sdk.EngineError)
    assert isinstance(wrong, sdk.EngineError)
    assert several.code == "several-matches"
    assert (wrong.code, wrong.path) == ("http-422", "Observation.code")
    assert "CANARY" not in f"{wrong} {wrong!r}"
    assert "CANARY" in (wrong.detail or "")
    assert server.counts["creates"] == 2


async def test_after_a_conflict_the_correction_finds_the_newer_version_and_changes_that(
    server: Simulator, connect: Connect
) -> None:
    destination = await connect()
    await destination.send(a_write())
    correction = a_write(interaction="update", status=Status.CORRECTED, value=Quantity(steps=128, unit="mg/dL"))
    server.fail(409, on=["update"])  # Oracle Health's word for a version that is not the newest
    with pytest.raises(sdk.Unavailable):
        await destination.send(correction)
    await (await connect()).send(a_write(interaction="update", status=Status.AMENDED))  # somebody else meanwhile
    assert (await destination.send(correction)).code == "200"
    assert server.observations["1"]["status"] == "corrected"
    assert server.versions("1") == 3


async def test_a_create_that_was_lost_on_the_way_back_is_found_by_the_correction_that_follows(
    server: Simulator, connect: Connect
) -> None:
    destination = await connect(batch={"up_to": 10})
    server.spoil(Deed.LOSE)
    created = a_write(a_reading(reading_id="r-9"))
    with pytest.raises(sdk.Unavailable):
        await destination.send(created)
    corrected = a_write(a_reading(reading_id="r-9", status=Status.CORRECTED), interaction="update")
    again, changed = await destination.send_many([created, corrected])
    assert isinstance(again, sdk.Answer)
    assert again.existing
    assert isinstance(changed, sdk.Answer)
    assert [held["status"] for held in server.observations.values()] == ["corrected"]


async def test_a_search_that_breaks_off_between_two_pages_begins_again(pages: Pages) -> None:  # noqa: F811
    """A paging session that has expired (Epic 4113): the cursor has not moved, so nothing is left out."""
    cursors = MemoryCursors()
    source = search.implementation(settings(pages), plugin_context(cursors=cursors))

    async def take_one_page_and_expire() -> None:
        async for arrival in source.deliveries():
            await arrival.settle(sdk.Accepted("m-1"))
            pages.status = 410

    with pytest.raises(sdk.Refused):
        await take_one_page_and_expire()
    assert cursors.values == {}
    pages.status = 200
    assert len(await read(pages, cursors, 3)) == 3


async def test_pages_that_lead_in_a_circle_are_told_and_the_cursor_stays(pages: Pages) -> None:  # noqa: F811
    cursors = MemoryCursors()
    pages.elsewhere = f"{pages.base}?page=1"  # and page 1 names itself
    with pytest.raises(sdk.Unavailable) as raised:
        await read(pages, cursors, 5)
    assert raised.value.code == "paging-loop"
    assert (cursors.values, pages.pages_read) == ({}, 2)


async def test_a_resource_from_the_future_does_not_hide_what_comes_until_then(pages: Pages) -> None:  # noqa: F811
    cursors = MemoryCursors()
    pages.resources[1]["meta"] = {"lastUpdated": "2099-01-01T00:00:00Z"}
    await read(pages, cursors, 3)
    assert cursors.values == {"last-updated": ManualClock().now().isoformat(timespec="milliseconds")}


async def test_an_entry_that_is_no_list_is_no_page(pages: Pages) -> None:  # noqa: F811
    pages.resources = [{"resourceType": "Observation"}]
    pages.shape = lambda bundle: {**bundle, "entry": 7}
    with pytest.raises(sdk.Unavailable) as raised:
        await read(pages, MemoryCursors(), 1)
    assert raised.value.code == "unclear-answer"


async def test_an_answer_without_end_is_broken_off_and_asked_for_again(
    server: Simulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_LARGEST_ANSWER", 10_000)
    destination = await connect(batch={"up_to": 10})
    server.fail(200, resource={**OUTCOME, "text": {"div": "x" * 20_000}})
    with pytest.raises(sdk.Unavailable) as raised:
        await destination.send(a_write())
    assert raised.value.code == "connection-lost"
    assert (await destination.send(a_write())).code == "201"
