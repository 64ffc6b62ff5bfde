"""All shipped channels at once: a reading comes in raw and shows in figures, which change when late data comes."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson
from sqlalchemy import select

from clinical.hl7v2 import parse
from clinical.issued import IssuedOutcome, decode_one
from clinical.records import AnyRecord, Instant, PatientRef, Quantity, Road, SourceId, Status, encode
from engine.cli.lineage import walk
from engine.cli.outcomes import ask_for_rebuild, computing
from engine.runtime.replay import perform, plan_replay
from ledger.outcome_tables import outcome
from tests.builders import a_glucose
from tests.integration.channels.shipped import House, a_house, configuration

HOUR = 3_600_000


def reading(house: House, number: int, value: int, hours: float = 0.0, **changes: Any) -> AnyRecord:
    """A sensor reading so many hours before the clock's now, and five minutes further back for each number."""
    now = round(house.engine.clock.now().timestamp() * 1000)
    settings = {
        "patient": PatientRef(system="STM", value="MRN-0001", id="p-MRN-0001"),
        "value": Quantity(steps=value, unit="mg/dL"),
        "effective": Instant(millis=now - round(hours * HOUR) - 300_000 * number, how="offset", offset_minutes=0),
        "source": SourceId(road=Road.CLOUD, system="cloud", value=f"{hours}/{number}", version="1"),
        **changes,
    }
    return a_glucose(**settings)


async def standing(house: House) -> dict[str, IssuedOutcome]:
    """Of one patient: by name of the window and last day."""
    rows = await house.engine.tools.journal.queries.all(select(outcome.c.body).where(outcome.c.replaced_by.is_(None)))
    found = [decode_one(row[0]) for row in rows]
    return {f"{each.period.name} {each.period.last_day}": each for each in found}


async def sent(house: House, id_: str) -> list[dict[str, Any]]:
    """What the FHIR server got of an outcome."""
    return [orjson.loads(body) for body in await delivered(house, "fhir-outcomes", id_)]


async def delivered(house: House, destination: str, id_: str) -> list[bytes]:
    """What went to a destination of an outcome."""
    rows = [row for row in await house.engine.deliveries() if row["destination"] == destination]
    return [row["body"] for row in rows if orjson.loads(row["meta"]).get("outcome") == id_]


async def test_late_data_and_a_tombstone_amend_the_windows_and_say_what_they_replace(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        old = [reading(house, number, 120, hours=72) for number in range(6)]
        await house.hand_in("reconcile", encode(old))
        before = await standing(house)
        day = next(key for key in before if key.startswith("day"))
        assert before[day].figures["in_range"] == 100
        assert {each["status"] for each in await sent(house, before[day].id)} == {"final"}

        await house.hand_in("reconcile", encode([reading(house, number, 50, hours=73) for number in range(6)]))
        amended = await standing(house)
        assert amended.keys() == before.keys()
        for window, each in amended.items():
            assert (each.status.value, each.cause.value) == ("amended", "late-reading"), window
            assert (each.replaces, each.figures["in_range"], each.counts["hypo_2"]) == (before[window].id, 50, 1)
        for resource in await sent(house, amended[day].id):
            assert resource["status"] == "amended"
            provenance = next(part for part in resource["contained"] if part["resourceType"] == "Provenance")
            assert provenance["entity"][-1]["what"]["identifier"]["value"] == before[day].id

        (first,), (second,) = [await delivered(house, "ehr-outcomes", each[day].id) for each in (before, amended)]
        assert parse(first).get("OBR-3") == parse(second).get("OBR-3")
        assert (set(parse(first).values("OBX-11")), set(parse(second).values("OBX-11"))) == ({"F"}, {"C"})

        gone = reading(house, 0, 120, hours=72, status=Status.ENTERED_IN_ERROR)
        gone_again = SourceId(road=Road.CLOUD, system="cloud", value="72/0", version="2")
        await house.hand_in("reconcile", encode([msgspec.structs.replace(gone, source=gone_again)]))
        withdrawn = await standing(house)
        assert withdrawn[day].cause.value == "reading-withdrawn"
        assert (withdrawn[day].replaces, withdrawn[day].readings) == (amended[day].id, 11)
        assert (await house.engine.books()).balance


async def test_a_rebuild_issues_nothing_where_the_near_real_time_lane_has_been(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        for days in (3, 2, 1):
            await house.hand_in("reconcile", encode([reading(house, n, 100 + days, hours=24 * days) for n in range(6)]))
        before = await standing(house)
        yesterday = house.engine.clock.now().date() - timedelta(days=1)
        chosen = computing(configuration(), "outcomes")
        assert await ask_for_rebuild(house.engine.tools, chosen, (yesterday, yesterday)) == 1
        await house.engine.until(house.engine.idle)
        assert await standing(house) == before
        earlier = date.fromordinal(yesterday.toordinal() - 1)
        await ask_for_rebuild(house.engine.tools, chosen, (earlier, earlier))
        await house.engine.until(house.engine.idle)
        made = (await standing(house)).keys() - before.keys()
        assert made == {f"{name} {earlier.isoformat()}" for name in ("7d", "14d", "30d", "90d")}


async def test_a_day_becomes_final_by_the_clock_without_another_reading(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.hand_in("reconcile", encode([reading(house, number, 120) for number in range(6)]))
        before = await standing(house)
        day = f"day {house.engine.clock.now().date()}"
        assert before[day].status.value == "partial"
        await house.hand_in("outcomes-due", b"{}")
        assert await standing(house) == before
        await house.engine.advance(14 * 3600)
        await house.hand_in("outcomes-due", b"{}")
        ended = await standing(house)
        assert (ended[day].status.value, ended[day].cause.value) == ("final", "window-ended")
        assert ended[day].replaces == before[day].id
        assert {key.split()[0] for key in ended.keys() - before.keys()} == {"7d", "14d", "30d", "90d"}
        assert {each["status"] for each in await sent(house, ended[day].id)} == {"final"}
        await house.hand_in("outcomes-due", b"{}")
        await house.hand_in("outcomes-check", b"{}")
        assert await standing(house) == ended
        assert (await house.engine.books()).balance


async def test_lineage_walks_from_the_raw_message_to_the_posted_figure_and_back(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.hand_in("reconcile", encode([reading(house, number, 120, hours=30) for number in range(4)]))
        tools = house.engine.tools
        raw = (await house.engine.messages())[0]["id"]
        day = next(each for name, each in (await standing(house)).items() if name.startswith("day"))

        down = await walk(tools, day.id)
        assert down[0].startswith(f"outcome {day.id}: glucose day")
        assert "  rests on: 4 readings from 4 records" in down
        assert f"    raw message {raw}: 4 new" in down
        assert any(line.startswith("  excluded: no-reading, ") for line in down)
        assert sum(line.startswith("  posted: outcomes-fhir-out to fhir-outcomes, sent") for line in down) == 8

        up = await walk(tools, raw)
        assert sum(line.startswith(f"raw message {raw}, record ") for line in up) == 4
        assert sum(line.startswith("  posted: fhir-out to fhir, sent") for line in up) == 4
        assert any(line.startswith(f"outcome {day.id}") for line in up)
        reading_id = next(line for line in up if "reading " in line).split("reading ")[1].split()[0]
        assert any(line.startswith(f"outcome {day.id}") for line in await walk(tools, reading_id))
        assert (await walk(tools, f"{day.series}-gmi"))[0] == down[0]
        assert await walk(tools, "nobody") == []
        assert "MRN-0001" not in "\n".join(down + up)


async def test_lineage_is_the_same_after_a_replay_a_check_and_a_correction(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.hand_in("reconcile", encode([reading(house, number, 120, hours=30) for number in range(4)]))
        tools = house.engine.tools
        raw = (await house.engine.messages())[0]["id"]
        day = next(each for name, each in (await standing(house)).items() if name.startswith("day"))
        before = await walk(tools, day.id)

        plan = await plan_replay(tools, [raw], configuration())
        assert await perform(tools, plan) == 1
        await house.engine.until(house.engine.idle)
        await house.hand_in("outcomes-check", b"{}")
        assert await walk(tools, day.id) == before
        assert any(line.startswith(f"outcome {day.id}") for line in await walk(tools, raw))

        fixed = SourceId(road=Road.CLOUD, system="cloud", value="30/0", version="2")
        late = reading(house, 0, 50, hours=30, source=fixed, status=Status.CORRECTED)
        await house.hand_in("reconcile", encode([late]))
        again = next(each for name, each in (await standing(house)).items() if name.startswith("day"))
        after = await walk(tools, again.id)
        assert f"  replaces: {day.id}" in after
        assert f"  replaced by: {again.id}" in await walk(tools, day.id)
        assert [line for line in await walk(tools, day.id) if "rests on" in line] == [
            line for line in before if "rests on" in line
        ]
        assert sum(line.startswith("  posted: outcomes-fhir-out") for line in after) == 8
        assert any(line.startswith(f"outcome {again.id}") for line in await walk(tools, raw))
