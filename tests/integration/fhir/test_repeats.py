"""Creates that may have been done already, on servers that pass over If-None-Exist: looked for, never made twice."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from connectors.fhir.server import FhirServer
from engine import sdk
from simulators.fhir_faults import Deed
from simulators.fhir_server import FhirServer as Simulator
from tests.integration.fhir.conftest import Connect, a_write
from tests.unit.fhir.builders import a_reading


@pytest.fixture
async def server() -> AsyncIterator[Simulator]:
    """In the place of the one that knows conditional creates."""
    simulator = Simulator(conditional_create=False)
    await simulator.start()
    yield simulator
    await simulator.stop()


def attempt(number: int, reading: str = "r-1") -> sdk.Delivery:
    return a_write(a_reading(reading_id=reading), id_=f"d-{reading}", attempt=number)


async def lost(destination: FhirServer, deliveries: list[sdk.Delivery]) -> None:
    results = await destination.send_many(deliveries)
    assert all(isinstance(result, sdk.Unavailable) for result in results)


@pytest.mark.parametrize("deed", [Deed.LOSE, Deed.CUT])
async def test_a_create_whose_answer_was_lost_is_found_before_it_is_sent_again(
    server: Simulator, connect: Connect, deed: Deed
) -> None:
    destination = await connect()
    server.spoil(deed, on=["create"])
    with pytest.raises(sdk.Unavailable):
        await destination.send(attempt(1))
    answer = await destination.send(attempt(2))
    assert (answer.existing, answer.location) == (True, "Observation/1")
    assert len(server.observations) == 1


async def test_a_create_that_was_not_done_is_done_by_the_next_attempt(server: Simulator, connect: Connect) -> None:
    destination = await connect()
    server.spoil(Deed.DROP, on=["create"])
    with pytest.raises(sdk.Unavailable):
        await destination.send(attempt(1))
    assert (await destination.send(attempt(2))).code == "201"
    assert (len(server.observations), server.counts["searches"]) == (1, 1)


async def test_what_was_answered_with_a_plain_no_needs_no_search(server: Simulator, connect: Connect) -> None:
    destination = await connect()
    server.fail(503)
    server.throttle(after=7)
    for number in (1, 2):
        with pytest.raises((sdk.Unavailable, sdk.Throttled)):
            await destination.send(attempt(number))
    assert (await destination.send(attempt(3))).code == "201"
    assert server.counts["searches"] == 0


async def test_after_a_restart_every_repeat_is_looked_for(server: Simulator, connect: Connect) -> None:
    await (await connect()).send(attempt(1))
    assert (await (await connect()).send(attempt(2))).existing
    assert len(server.observations) == 1


async def test_of_a_lost_batch_each_is_looked_for_and_what_is_new_goes_on(server: Simulator, connect: Connect) -> None:
    destination = await connect(batch={"up_to": 10})
    server.spoil(Deed.LOSE, on=["batch"])
    await lost(destination, [attempt(1, "r-1"), attempt(1, "r-2")])
    fresh = [attempt(1, "r-3"), attempt(1, "r-4")]
    results = await destination.send_many([attempt(2, "r-1"), *fresh, attempt(2, "r-2")])
    found: list[Any] = [isinstance(result, sdk.Answer) and result.existing for result in results]
    assert found == [True, False, False, True]
    assert (len(server.observations), server.counts["batches"]) == (4, 2)


async def test_a_search_before_each_create_covers_a_crash_too(server: Simulator, connect: Connect) -> None:
    await (await connect(create_by="search")).send(attempt(1))
    assert (await (await connect(create_by="search")).send(attempt(1))).existing  # the journal knew of no attempt
    assert len(server.observations) == 1


async def test_a_server_that_knows_conditional_creates_is_not_searched(connect: Connect) -> None:
    able = Simulator()
    await able.start()
    destination = await connect(base=able.base_url)
    able.spoil(Deed.LOSE, on=["create"])
    with pytest.raises(sdk.Unavailable):
        await destination.send(attempt(1))
    assert (await destination.send(attempt(2))).existing
    assert (len(able.observations), able.counts["searches"]) == (1, 0)
    await able.stop()
