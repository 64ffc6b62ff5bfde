"""The world around the demo's engine: people with sensors, a CGM cloud, a hospital and a FHIR server."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from simulators.dexcom import DexcomCloud
from simulators.fhir_server import FhirServer
from simulators.hospital import HospitalReceiver
from simulators.series import Point, glucose_series, oru_messages

DAYS = 2
_READINGS_IN_A_MESSAGE = 3


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a sensor: an account in the cloud, a number at the hospital, and our own id."""

    account: str
    mrn: str
    patient: str
    points: Sequence[Point]
    messages: Sequence[bytes]
    """What the hospital sends about the same readings; empty for somebody it does not know."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is outside of the engine, listening on loopback."""

    people: Sequence[Person]
    tokens: dict[str, str]
    """Account → its first refresh token."""
    cloud: DexcomCloud
    fhir: FhirServer
    receiver: HospitalReceiver


def people(now: datetime) -> list[Person]:
    """Four people and two days of readings until now: three of them are the hospital's patients too."""
    start = (now - timedelta(days=DAYS)).replace(second=0, microsecond=0)
    made = []
    for number, account in enumerate(("aoife", "sean", "niamh", "conor"), start=1):
        points = [point for point in glucose_series(account, start, DAYS) if point.instant < now]
        mrn = f"MRN-000{number}"
        told = [] if account == "conor" else _told(points, mrn, number)
        made.append(Person(account, mrn, f"patient-{number}", points, told))
    return made


def _told(points: Sequence[Point], mrn: str, number: int) -> list[bytes]:
    """The hospital's copy in mmol/L. It disagrees about two readings and corrects one of its own later."""
    third = len(points) // 3
    far = {third + number: 45, 2 * third + number: -40 if points[2 * third + number].mg_dl > 110 else 40}
    right = {third // 2: points[third // 2].mg_dl + 27}
    factor = "18" if number == 2 else "18.0182"  # some senders divide by 18
    return oru_messages(
        points, mrn, per_message=_READINGS_IN_A_MESSAGE, factor=factor, conflicts=far, corrections=right
    )


@asynccontextmanager
async def world(now: datetime | None = None) -> AsyncIterator[World]:
    """Start the simulators. Nobody has uploaded anything yet."""
    everybody = people(now or datetime.now(UTC))
    async with AsyncExitStack() as stack:
        cloud = await stack.enter_async_context(DexcomCloud())
        receiver = await stack.enter_async_context(HospitalReceiver())
        fhir = FhirServer()
        await fhir.start()
        stack.push_async_callback(fhir.stop)
        tokens = {person.account: cloud.add_account(person.account, person.points[:1]) for person in everybody}
        yield World(everybody, tokens, cloud, fhir, receiver)
