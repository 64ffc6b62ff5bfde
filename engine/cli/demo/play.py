"""What happens in the demo: days pass at speed in the cloud and at the hospital, and some things go wrong."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import chain, zip_longest
from typing import TypeVar

from engine.cli.demo.world import Person, World
from simulators.dexcom import EGVS_PATH
from simulators.hospital import HospitalSender

T = TypeVar("T")

_TURNS_A_SECOND = 4

_HEAD = (
    "MSH|^~\\&|CGMFEED|STM|ISLET|STM|{at}||ORU^R01^ORU_R01|{control}|P|2.5.1||||||UNICODE UTF-8\r"
    "PID|1||{mrn}^^^STM^MR||Murphy^Aoife||19800101|U\r"
    "OBR|1||{control}^STM|{order}|||{at}|||||||||||||||{at}|||F\r"
)
_GLUCOSE = "105272-9^Glucose [Moles/volume] in Interstitial fluid^LN"
_POTASSIUM = "2823-3^Potassium [Moles/volume] in Serum or Plasma^LN"


async def play(world: World, port: int, seconds: float) -> None:
    """Upload and send for about so long; `port` is the engine's MLLP listener."""
    turns = max(4, round(seconds * _TURNS_A_SECOND))
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with HospitalSender("127.0.0.1", port, attempts=3) as hospital:
        for turn in range(turns):
            await _trouble(world, hospital, turn, turns)
            for person in world.people:
                world.cloud.add_readings(person.account, _share(person.points, turn, turns))
            await hospital.send_all(_interleaved(world.people, turn, turns))
            await asyncio.sleep(max(0.0, start + (turn + 1) / _TURNS_A_SECOND - loop.time()))


def _share(all_: Sequence[T], turn: int, turns: int) -> Sequence[T]:
    """The part of a sequence that belongs to one turn."""
    return all_[len(all_) * turn // turns : len(all_) * (turn + 1) // turns]


def _interleaved(people: Sequence[Person], turn: int, turns: int) -> Iterator[bytes]:
    shares = [_share(person.messages, turn, turns) for person in people]
    return (message for message in chain.from_iterable(zip_longest(*shares)) if message is not None)


async def _trouble(world: World, hospital: HospitalSender, turn: int, turns: int) -> None:
    """The bad moments, each in its turn."""
    aoife = world.people[0]
    if turn == turns // 4:  # the network swallowed the ACK: the hospital sends the same messages once more
        await hospital.send_all(aoife.messages[:3])
    elif turn == turns // 3:
        await hospital.send(_without_unit(aoife))
        await hospital.send(_potassium(aoife))
    elif turn == turns // 2:  # the FHIR server is overwhelmed, then ill
        world.fhir.throttle(1, times=2)
        world.fhir.fail(503, times=4)


def _without_unit(person: Person) -> bytes:
    """Three results from before the other readings, the second without its unit: that one is held, the others go on."""
    times = [_stamp(person, minutes) for minutes in (30, 20, 10)]
    results = (("6.1", "mmol/L"), ("6.4", ""), ("6.6", "mmol/L"))
    lines = [
        f"OBX|{n}|NM|{_GLUCOSE}|{n}|{value}|{unit}|||||F|||{at}\r"
        for n, (at, (value, unit)) in enumerate(zip(times, results, strict=True), start=1)
    ]
    return (_HEAD.format(control="NO-UNIT-1", mrn=person.mrn, order=_GLUCOSE, at=times[0]) + "".join(lines)).encode()


def _potassium(person: Person) -> bytes:
    """A result that is no glucose: the channel knows no such code, so it is held for somebody to say what it is."""
    at = _stamp(person, 60)
    head = _HEAD.format(control="POTASSIUM-1", mrn=person.mrn, order=_POTASSIUM, at=at)
    return (head + f"OBX|1|NM|{_POTASSIUM}||4.1|mmol/L|||||F|||{at}\r").encode()


def _stamp(person: Person, minutes: int) -> str:
    """So long before this person's first reading, as HL7 writes it."""
    return (person.points[0].instant - timedelta(minutes=minutes)).strftime("%Y%m%d%H%M%S%z")


async def all_fetched(world: World) -> None:
    """Return when the engine has stored everything that the cloud had when this was called.

    The source takes its accounts in turn and asks for the next answer only once the last is stored, so two further
    answers for every account are enough.
    """
    seen = len(world.cloud.requests)
    while True:
        asked = [
            request.account
            for request in world.cloud.requests[seen:]
            if request.path == EGVS_PATH and request.status == 200
        ]
        if all(asked.count(person.account) >= 2 for person in world.people):
            return
        await asyncio.sleep(0.1)
