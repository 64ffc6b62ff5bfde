"""The whole road of a result: St Mary's doors, `reconcile`, and `fhir-out` in front of a simulated FHIR server over
real HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from engine.cli.readings import GlucoseWords
from engine.config.plan import Bound, ChannelPlan, Configuration, DestinationPlan
from engine.testing.channel_tests.parts import Door, under_test
from engine.testing.fakes import ManualClock, plugin_context
from engine.testing.harness import RunningEngine, an_engine
from simulators.fhir_server import FhirServer
from tests.integration.channels.shipped import configuration

DOORS = ("stm-oru-in", "stm-adt-in", "fhir-in")
_CHANNELS = (*DOORS, "reconcile", "fhir-out")


@dataclass
class Road:
    """The engine, its doors by channel, and the server at the far end."""

    engine: RunningEngine
    doors: Mapping[str, Door]
    server: FhirServer

    async def oru(self, value: str, status: str = "F", *, sent: str = "1015", **more: str) -> None:
        """One result over HL7 v2; see `oru`."""
        await self.hand_in("stm-oru-in", oru(value, status, sent=sent, **more))

    async def hand_in(self, channel: str, body: bytes) -> None:
        """Returns when everything that came of it is at its end."""
        assert await self.doors[channel].hand_in(body, {}) in ("AA", "accepted")
        await self.engine.until(self.engine.idle, advance_seconds=1.0)

    async def over_there(self, id_: str, **changes: Any) -> None:
        """Somebody changes our Observation on the server, and `fhir-in` reads it."""
        resource = {**self.server.observations[id_], **changes}
        version = str(int(resource["meta"]["versionId"]) + 1)
        updated = self.engine.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        resource["meta"] = {**resource["meta"], "versionId": version, "lastUpdated": updated}
        self.server.store.update("Observation", id_, resource)
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource}]}
        await self.hand_in("fhir-in", orjson.dumps(bundle))

    def held(self) -> list[tuple[str, Any]]:
        """Status and value of every Observation at the server, by its id."""
        found = sorted(self.server.observations.items(), key=lambda each: int(each[0]))
        return [(each["status"], each.get("valueQuantity", {}).get("value")) for _, each in found]

    async def kept(self) -> list[tuple[str, str]]:
        """Status and value of every reading in the ledger."""
        rows = await GlucoseWords().kept(self.engine.tools.journal.queries)
        return [(row["status"], row["value"]) for row in rows]


def oru(
    value: str, status: str = "F", *, sent: str = "1015", patient: str = "MRN1", sub: str = "1", taken: str = "1000",
    instance: str = "", unit: str = "mg/dL",
) -> bytes:  # fmt: skip
    """A sensor's result of 20 November. `sent` and `taken`: times of day, HHMM."""
    return (
        f"MSH|^~\\&|GLUCO|STM|ISLET|STM|20261120{sent}00+0000||ORU^R01^ORU_R01|M{sent}|P|2.6\r"
        f"PID|1||{patient}^^^STM^MR\r"
        f"OBR|1|P1|F1|99504-3^Glucose^LN|||20261120{taken}00+0000\r"
        f"OBX|1|NM|99504-3^Glucose^LN|{sub}|{value}|{unit}|||||{status}|||20261120{taken}00+0000|||||||{instance}\r"
    ).encode()


@cache
def _shipped() -> Configuration:
    return configuration()


@asynccontextmanager
async def a_road(folder: Path) -> AsyncIterator[Road]:
    clock = ManualClock()
    server = FhirServer(clock=clock)
    await server.start()
    plans, doors = [], {}
    for name in _CHANNELS:
        plan = _shipped().channels[name]
        plan = replace(plan, feeds=tuple(feed for feed in plan.feeds if feed in _CHANNELS))
        if name in DOORS:
            plan, doors[name], _ = under_test(plan, plugin_context(clock, channel=name), {}, folder / name)
        plans.append(replace(plan, destinations=_at(server, plan)))
    try:
        async with an_engine(plans, folder / "journal.db", clock=clock) as engine:
            yield Road(engine, doors, server)
    finally:
        await server.stop()


def _at(server: FhirServer, plan: ChannelPlan) -> tuple[DestinationPlan, ...]:
    def moved(one: Bound) -> Bound:
        return Bound(one.name, one.plugin, one.settings.model_copy(update={"base": server.base_url}))

    return tuple(replace(one, bound=moved(one.bound)) for one in plan.destinations)
