"""Whatever leaves of an outcome or an alert, by any channel, is found from the raw message, and leads back to it."""

from datetime import timedelta
from pathlib import Path

import orjson

from clinical.records import AnyRecord, Road, SourceId, Status, encode
from engine.cli.lineage import walk
from engine.cli.outcomes import ask_for_rebuild, computing
from engine.runtime.replay import perform, plan_replay
from tests.integration.channels.shipped import House, a_house, configuration
from tests.integration.channels.test_outcomes import reading, standing

FALL = (120, 112, 104, 96, 88, 80, 74, 66, 64, 62, 63, 75, 85, 95)


async def fortnight(house: House) -> None:
    """Readings of two weeks, so that every channel that sends outcomes has something to send."""
    for days in range(1, 16):
        await house.hand_in("reconcile", encode([reading(house, n, 90 + days, hours=24 * days) for n in range(3)]))


async def sent_of_outcomes(house: House) -> dict[str, list[str]]:
    """By destination: the deliveries that say of which outcomes they are."""
    found: dict[str, list[str]] = {}
    for row in await house.engine.deliveries():
        if orjson.loads(row["meta"]).get("outcome"):
            found.setdefault(row["destination"], []).append(row["id"])
    return found


async def test_every_figure_that_left_by_any_channel_is_found_both_ways(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await fortnight(house)
        tools = house.engine.tools
        days = {key: each for key, each in (await standing(house)).items() if key.startswith("14d")}
        latest = days[max(days)]
        down = await walk(tools, latest.id)
        channels = {line.split()[1] for line in down if line.startswith("  posted: ")}
        assert channels == {"outcomes-fhir-out", "outcomes-oru-out", "outcomes-ccda-out", "agp-fhir-out"}

        rows = await house.engine.deliveries()
        left = [row for row in rows if row["channel"] in channels]
        for row in left:
            found = await walk(tools, row["id"])
            named = [line.split()[1].rstrip(":") for line in found if line.startswith("outcome ")]
            assert set(orjson.loads(row["meta"])["outcome"].split()) == set(named), row["channel"]
            assert any(row["id"] in line for line in found), row["channel"]
            assert any(line.startswith("    raw message ") for line in found), row["channel"]


async def test_what_a_rebuild_issued_is_found_from_its_delivery_and_from_the_request(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.hand_in("reconcile", encode([reading(house, n, 100, hours=72) for n in range(6)]))
        before = await standing(house)
        earlier = house.engine.clock.now().date() - timedelta(days=2)
        await ask_for_rebuild(house.engine.tools, computing(configuration(), "outcomes"), (earlier, earlier))
        await house.engine.until(house.engine.idle)
        (made,) = [each for key, each in (await standing(house)).items() if key == f"7d {earlier}"]
        assert f"7d {earlier}" not in before
        deliveries = [
            row
            for row in await house.engine.deliveries()
            if row["destination"] == "fhir-outcomes" and orjson.loads(row["meta"])["outcome"] == made.id
        ]
        for id_ in (deliveries[0]["id"], deliveries[0]["message_id"], made.message_id, made.origin_id):
            assert any(line.startswith(f"outcome {made.id}") for line in await walk(house.engine.tools, id_)), id_


def measured(
    house: House, number: int, *, back: int = 0, version: str = "1", status: Status = Status.FINAL
) -> AnyRecord:
    """A reading of a fall, so many times five minutes before the clock's now."""
    source = SourceId(road=Road.CLOUD, system="cloud", value=f"fall/{number}", version=version)
    return reading(house, back, FALL[number], source=source, status=status)


async def alerts(house: House, count: int = len(FALL)) -> list[str]:
    """A reading every five minutes, each told as it is taken; the raw messages."""
    raws = []
    for number in range(count):
        await house.engine.advance(300)
        known = {row["id"] for row in await house.engine.messages()}
        await house.hand_in("reconcile", encode([measured(house, number)]))
        raws += [
            row["id"]
            for row in await house.engine.messages()
            if row["id"] == row["origin_id"] and row["id"] not in known
        ]
    return raws


async def test_an_alert_leads_to_its_readings_and_raw_messages_and_they_to_it(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        tools = house.engine.tools
        raws = await alerts(house)
        told = [row for row in await house.engine.deliveries() if row["channel"] == "fhir-out"]
        told = [row for row in told if b"alert-" in row["body"]]
        identifiers = list(dict.fromkeys(orjson.loads(row["meta"])["identifier"] for row in told))
        assert len(told) == 3  # a low predicted, confirmed, and over
        assert len(identifiers) == 2
        for identifier in identifiers:
            down = await walk(tools, identifier)
            mine = [row["id"] for row in told if orjson.loads(row["meta"])["identifier"] == identifier]
            assert sum(line.startswith("alert ") for line in down) == len(mine)
            assert all(any(id_ in line for line in down) for id_ in mine)
        low = await walk(tools, identifiers[1].split("|")[1])
        assert low[0].startswith(f"alert {identifiers[1].split('|')[1]}: alert-low, raised, told ")
        assert "  rests on: 5 readings from 5 records" in low  # those of the last 20 minutes
        assert f"    raw message {raws[9]}: 1 new" in low
        assert not any(raws[10] in line for line in low[: low.index(next(each for each in low if ", over, " in each))])

        for start in (raws[9], told[1]["id"]):
            up = await walk(tools, start)
            assert any(line.startswith(low[0]) for line in up), start
            assert any(told[1]["id"] in line for line in up), start
        assert not any(line.startswith(low[0]) for line in await walk(tools, raws[0]))


async def test_the_way_of_an_alert_is_the_same_after_a_replay_and_a_withdrawal(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        tools = house.engine.tools
        raws = await alerts(house, 10)
        told = [row for row in await house.engine.deliveries() if b"alert-low" in row["body"]]
        identifier = orjson.loads(told[0]["meta"])["identifier"]
        before = await walk(tools, identifier)
        assert await perform(tools, await plan_replay(tools, raws, configuration())) == len(raws)
        await house.engine.until(house.engine.idle)
        gone = measured(house, 9, version="2", status=Status.ENTERED_IN_ERROR)
        await house.hand_in("reconcile", encode([gone]))
        assert await walk(tools, identifier) == before
