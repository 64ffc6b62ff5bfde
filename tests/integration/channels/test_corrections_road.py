"""Corrections, withdrawals and moves on the whole road: what the ledger keeps and what the FHIR server shows agree, and
each reading is there once."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from simulators.fhir_faults import Deed
from tests.integration.channels.road import Road, a_road

Step = Callable[[Road], Awaitable[None]]
WITHDRAWN, CORRECTED = "entered-in-error", "corrected"


def result(value: str, status: str = "F", sent: str = "1015", **more: str) -> Step:
    return lambda road: road.oru(value, status, sent=sent, **more)


def merge(prior: str, into: str, sent: str = "1018") -> Step:
    adt = (
        f"MSH|^~\\&|ADT|STM|ISLET|STM|20261120{sent}00+0000||ADT^A40|A{sent}|P|2.5\rEVN||20261120{sent}00\r"
        f"PID|1||{into}^^^STM^MR\rMRG|{prior}^^^STM^MR\r"
    )
    return lambda road: road.hand_in("stm-adt-in", adt.encode())


def over_there(id_: str, status: str, value: int | None = None) -> Step:
    quantity = {"value": value, "unit": "mg/dl", "system": "http://unitsofmeasure.org", "code": "mg/dL"}
    changes: dict[str, Any] = {"status": status} | ({"valueQuantity": quantity} if value is not None else {})
    return lambda road: road.over_there(id_, **changes)


def lose_the_answer(to: str) -> Step:
    """The server does the next create or update, and nobody hears of it."""

    async def order(road: Road) -> None:
        road.server.spoil(Deed.LOSE, on=[to])

    return order


ONE_READING = {
    "the correction comes before its original": ([result("128", "C", "1020"), result("182")], CORRECTED, 128),
    "the same correction twice": (
        [result("182"), result("128", "C", "1020"), result("128", "C", "1030")], CORRECTED, 128),
    "an older version comes late": (
        [result("182"), result("128", "C", "1020"), result("181", "F", "1016")], CORRECTED, 128),
    "it is deleted without a value": ([result("182"), result("", "D", "1020")], WITHDRAWN, 182),
    "it is withdrawn, then sent again": ([result("182"), result("182", "W", "1020"), result("182", "F", "1030")],
        "final", 182),
    "it is withdrawn, then corrected": ([result("182"), result("182", "W", "1020"), result("128", "C", "1030")],
        CORRECTED, 128),
    "a preliminary value becomes final": ([result("182", "P"), result("128", "F", "1020")], "final", 128),
    "preliminary, preliminary, final": (
        [result("182", "P"), result("190", "P", "1018"), result("190", "F", "1020")], "final", 190),
    "it is corrected through FHIR, then sent again": (
        [result("182"), over_there("1", CORRECTED, 128), result("182")], CORRECTED, 128),
    "it is marked as an error through FHIR": ([result("182"), over_there("1", WITHDRAWN)], WITHDRAWN, 182),
    "marked as an error through FHIR, corrected through HL7": (
        [result("182"), over_there("1", WITHDRAWN), result("128", "C", "1040")], CORRECTED, 128),
    "marked as an error through FHIR, taken back there": (
        [result("182"), over_there("1", WITHDRAWN), over_there("1", "amended", 150)], "amended", 150),
    "the server's answer to the correction is lost": (
        [result("182"), lose_the_answer("update"), result("128", "C", "1020")], CORRECTED, 128),
    "the server's answers to the preliminary and to the final value are lost": (
        [lose_the_answer("create"), result("182", "P"), lose_the_answer("update"), result("128", "F", "1020")],
        "final", 128),
}  # fmt: skip


@pytest.mark.parametrize("what", ONE_READING)
async def test_ledger_and_server_agree_on_the_one_reading(tmp_path: Path, what: str) -> None:
    steps, status, value = ONE_READING[what]
    async with a_road(tmp_path) as road:
        for step in steps:
            await step(road)
        assert await road.kept() == [(status, str(value))]
        assert road.held() == [(status, value)]
        assert (await road.engine.books()).balance


OWN = {"instance": "I1^LAB"}
SEVERAL = {
    "deleted before it came: nothing is ever written": ([result("182", "D", "1020"), result("182")], []),
    "wrong patient: withdrawn there, new here": (
        [result("182"), result("182", "W", "1020"), result("182", "F", "1021", patient="MRN2")],
        [(WITHDRAWN, 182), ("final", 182)]),
    "wrong patient, the right one first, under one instance id": (
        [result("182", **OWN), result("182", "F", "1021", patient="MRN2", **OWN), result("182", "W", "1022", **OWN)],
        [(WITHDRAWN, 182), ("final", 182)]),
    "moved and moved back": (
        [result("182", **OWN), result("182", "F", "1016", patient="MRN2", **OWN), result("182", "F", "1017", **OWN)],
        [("final", 182), (WITHDRAWN, 182)]),
    "corrected under the merged number": (
        [result("182"), result("150", taken="0900", patient="MRN2"), merge("MRN1", "MRN2"),
         result("128", "C", "1020")],
        [(WITHDRAWN, 182), ("final", 150), (CORRECTED, 128)]),
    "corrected under the surviving number": (
        [result("182"), result("150", taken="0900", patient="MRN2"), merge("MRN1", "MRN2"),
         result("128", "C", "1020", patient="MRN2")],
        [(WITHDRAWN, 182), ("final", 150), (CORRECTED, 128)]),
    "withdrawn under the surviving number": (
        [result("182"), result("150", taken="0900", patient="MRN2"), merge("MRN1", "MRN2"),
         result("182", "W", "1020", patient="MRN2")],
        [(WITHDRAWN, 182), ("final", 150), (WITHDRAWN, 182)]),
}  # fmt: skip


@pytest.mark.parametrize("what", SEVERAL)
async def test_moves_and_merges_lose_nothing_and_double_nothing(tmp_path: Path, what: str) -> None:
    steps, held = SEVERAL[what]
    async with a_road(tmp_path) as road:
        for step in steps:
            await step(road)
        assert road.held() == held
        kept = [(status, int(value)) for status, value in await road.kept()]
        assert sorted(kept) == sorted(held or [(WITHDRAWN, 182)])  # what nobody was told of stays a tombstone
        assert (await road.engine.books()).balance
