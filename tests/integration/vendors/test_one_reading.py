"""One sensor's readings, told by Dexcom's cloud, the pump, Glooko and the phone: one reading each, through the shipped
channels, in whichever order the four come."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import select

from engine.cli.readings import GlucoseWords
from ledger.tables import reading_source
from tests.integration.channels.shipped import House, a_house
from tests.unit.vendors.apple_files import a_sample, an_export
from tests.unit.vendors.tandem_files import a_body, egv

MRN: Final = "MRN-0001"
FACTOR: Final = Decimal("18.01558800000541")  # of HealthKit's own unit
SUMMER: Final = datetime(2026, 7, 20, 8, 0, 52, tzinfo=UTC)  # 9:00:52 by Dublin's clocks
WINTER: Final = datetime(2026, 11, 20, 8, 0, 7, tzinfo=UTC)
VALUES: Final = (101, 182, 95, 139, 400, 401, 39, 40, 77, 256)


def times(first: datetime) -> list[datetime]:
    return [first + timedelta(minutes=5 * number) for number in range(len(VALUES))]


def dublin(at: datetime, first: datetime) -> datetime:
    return at + timedelta(hours=1 if first == SUMMER else 0)


# --- four tellings of the same readings


def dexcom(first: datetime) -> bytes:
    """To the second, newest first; 401 and 39 stand for what lies beyond."""
    records = [
        {
            "recordId": f"r{number}",
            "systemTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "displayTime": f"{dublin(at, first):%Y-%m-%dT%H:%M:%S}+0{1 if first == SUMMER else 0}:00",
            "transmitterTicks": 300 * number,
            "value": value,
            "unit": "mg/dL",
            "trend": "flat",
            "status": {401: "high", 39: "low"}.get(value),
            "transmitterGeneration": "g7",
        }
        for number, (at, value) in enumerate(zip(times(first), VALUES, strict=True))
    ]
    return json.dumps({"recordType": "egv", "recordVersion": "3.0", "userId": "u", "records": records[::-1]}).encode()


def tandem(first: datetime) -> bytes:
    """By the pump's wall clock, 12 seconds late; beyond the range there is a status and the value 0."""
    events = []
    for number, (at, value) in enumerate(zip(times(first), VALUES, strict=True)):
        status = {401: 1, 39: 2}.get(value, 0)
        local = dublin(at, first) + timedelta(seconds=12)
        events.append(egv(number + 1, f"{local:%Y-%m-%dT%H:%M:%S}", 0 if status else value, status=status))
    return a_body(*events)


def glooko(first: datetime) -> bytes:
    """To the minute, by the person's clock, in mmol/L with one decimal."""
    rows = [
        "Name:Sample Person,Date Range:2026-07-20 - 2026-11-20",
        "Timestamp,CGM Glucose Value (mmol/l),Serial Number",
    ]
    for at, value in zip(times(first), VALUES, strict=True):
        shown = dublin(at, first)
        number = min(max(Decimal(value) / Decimal("18.018"), Decimal("2.2")), Decimal("22.2"))
        rows.append(f"{shown.month}/{shown.day}/{shown.year} {shown.hour}:{shown.minute:02},{number:.1f},SENSOR")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("cgm_data_1.csv", "\n".join(rows) + "\n")
    return packed.getvalue()


def health_kit(first: datetime) -> bytes:
    """As the sensor's app wrote them, in mmol/L by HealthKit's factor, with the offset of wherever it was exported."""
    samples = [
        a_sample(
            "BloodGlucose",
            f"{Decimal(min(max(value, 40), 400)) / FACTOR:.14f}",
            "mmol&lt;180.1558800000541&gt;/L",
            start=f"{at + timedelta(hours=2):%Y-%m-%d %H:%M:%S} +0200",
            source="Dexcom G7",
        )
        for at, value in zip(times(first), VALUES, strict=True)
    ]
    return an_export(*samples)


Telling = Callable[[datetime], bytes]
TELLINGS: Final[Mapping[str, tuple[Telling, Mapping[str, str]]]] = {
    "dexcom-in": (dexcom, {}),
    "tandem-events-in": (tandem, {"file_name": f"{MRN}_pump.b64"}),
    "glooko-in": (glooko, {"file_name": f"{MRN}_export.zip"}),
    "apple-health-in": (health_kit, {"file_name": f"{MRN}_export.zip"}),
}


async def tell(house: House, channels: Sequence[str], first: datetime) -> None:
    for channel in channels:
        telling, meta = TELLINGS[channel]
        assert await house.hand_in(channel, telling(first), **meta) in ("accepted", "processed")


async def in_the_ledger(house: House) -> tuple[list[Mapping[str, str]], dict[str, set[str]]]:
    """The readings as they stand; and of each, who told of it."""
    queries = house.engine.tools.journal.queries
    sources: dict[str, set[str]] = {}
    for reading_id, system in await queries.all(select(reading_source.c.reading_id, reading_source.c.system)):
        sources.setdefault(reading_id, set()).add(system)
    return list(await GlucoseWords().kept(queries)), sources


@pytest.mark.parametrize("first", [SUMMER, WINTER], ids=["summer", "winter"])
@pytest.mark.parametrize("order", list(permutations(TELLINGS))[::5], ids=" ".join)
async def test_four_vendors_tell_of_one_reading(order: tuple[str, ...], first: datetime, tmp_path: Path) -> None:
    async with a_house(tmp_path, MRN) as house:
        await tell(house, order, first)
        kept, sources = await in_the_ledger(house)
        states = await house.engine.states()
        assert (states.get("review"), states.get("held")) == (None, None)
        assert (await house.engine.books()).balance
    assert len(kept) == len(VALUES)
    assert {row["analyte"] for row in kept} == {"interstitial-glucose"}
    assert set(map(frozenset, sources.values())) == {frozenset({"dexcom", "tandem", "glooko", "apple-health"})}


@pytest.mark.parametrize("order", [("dexcom-in", "glooko-in"), ("glooko-in", "dexcom-in")], ids=" ".join)
async def test_the_sensors_own_cloud_is_what_a_reading_is_read_from(order: tuple[str, ...], tmp_path: Path) -> None:
    async with a_house(tmp_path, MRN) as house:
        await tell(house, order, WINTER)
        kept, _ = await in_the_ledger(house)
    assert [(row["from"], row["value"], row["unit"]) for row in kept] == [
        ("cloud", str(min(max(value, 40), 400)), "mg/dL") for value in VALUES
    ]


async def test_readings_a_minute_apart_stay_two(tmp_path: Path) -> None:
    """Another sensor of the same person, by its own cloud and by the phone."""
    async with a_house(tmp_path, MRN) as house:
        await tell(house, ["dexcom-in"], WINTER)
        await tell(house, ["apple-health-in"], WINTER + timedelta(minutes=1))
        kept, _ = await in_the_ledger(house)
    assert len(kept) == 2 * len(VALUES)
