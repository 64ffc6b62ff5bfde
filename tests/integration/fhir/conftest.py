"""A simulated FHIR server on a real socket, and the destination under test in front of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from clinical.fhir.frame import encode
from clinical.fhir.identifiers import token
from clinical.fhir.observation import glucose_to_observation
from clinical.records import Glucose
from connectors.fhir.server import FhirServer, plugin
from connectors.fhir.settings import FhirServerSettings
from engine import sdk
from engine.testing.builders import a_delivery
from engine.testing.fakes import MemoryLog, plugin_context
from simulators.fhir_server import FhirServer as Simulator
from tests.unit.fhir.builders import a_reading

Connect = Callable[..., Awaitable[FhirServer]]


@pytest.fixture
async def server() -> AsyncIterator[Simulator]:
    simulator = Simulator()
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
async def connect(server: Simulator, log: MemoryLog) -> AsyncIterator[Connect]:
    """Builds open destinations for the simulator; more settings as keywords."""
    opened: list[FhirServer] = []

    async def connect(**settings: Any) -> FhirServer:
        bound = FhirServerSettings(**{"base": server.base_url, **settings})
        destination: FhirServer = plugin.implementation(bound, plugin_context(log=log))
        await destination.open()
        opened.append(destination)
        return destination

    yield connect
    for destination in opened:
        await destination.close()


def a_write(
    reading: Glucose | None = None,
    interaction: str = "create",
    *,
    id_: str | None = None,
    attempt: int = 1,
    **changes: Any,
) -> sdk.Delivery:
    """A delivery of one reading as an Observation, as `records_to_fhir` makes it."""
    resource = glucose_to_observation(reading or a_reading(reading_id="r-1", **changes))
    identifier = resource["identifier"][0]
    meta = {
        "resource_type": "Observation",
        "identifier": token(identifier["system"], identifier["value"]),
        "interaction": interaction,
    }
    return a_delivery(encode(resource), sdk.Shape.FHIR, meta=meta, id_=id_, attempt=attempt)


def writes(count: int) -> list[sdk.Delivery]:
    """Creates of different readings r-0, r-1, …"""
    return [a_write(a_reading(reading_id=f"r-{number}")) for number in range(count)]
