"""What feeds `islet bench outcomes`: sensors' readings by a clock of its own, in a process of its own.

`python -m engine.cli.bench.outcomes_feed PORT RATE PATIENTS SECONDS` tells each patient's half day over TCP, waits for
a line, then sends `RATE` readings a second, each of another patient in turn, whether or not they are taken as fast. A
message is a line: the patient's order key, when it was sent (microseconds since 1970), and a body of records. It prints
the CPU seconds that the second part took.
"""

import socket
import sys
import time
from collections.abc import Iterator

from clinical import units
from clinical.records import (
    Analyte,
    Device,
    Glucose,
    Instant,
    Original,
    PatientRef,
    Quantity,
    Road,
    SourceId,
    Status,
    encode,
)

BEFORE = 144
"""Readings of each patient before the time that is measured."""
_EVERY_MILLIS = 300_000
_RECENT_MILLIS = 1_500_000
_CLOSEST_MILLIS = 90_000
_PORTIONS_A_SECOND = 50


def reading(patient: int, number: int, millis: int) -> Glucose:
    """As a cloud gives it."""
    steps = 70 + (number * 7 + patient) % 180
    return Glucose(
        patient=PatientRef(system="bench", value=str(patient), id=f"p{patient}"),
        analyte=Analyte.INTERSTITIAL_GLUCOSE,
        value=Quantity(steps=steps, unit=units.MG_DL),
        effective=Instant(millis=millis, how="device-utc"),
        status=Status.FINAL,
        source=SourceId(road=Road.CLOUD, system="bench", value=f"{patient}-{number}"),
        original=Original(value=str(steps), unit=units.MG_DL),
        device=Device(vendor="Dexcom", model="G7", serial=str(patient)),
    )


def apart(rate: int, patients: int, seconds: float) -> int:
    """Milliseconds from one reading of a patient to the next, all of them recent. Raises ValueError if they would be
    too close together."""
    turns = -(-int(rate * seconds) // patients)
    millis = _RECENT_MILLIS // (turns + 1)
    if millis < _CLOSEST_MILLIS:
        raise ValueError(f"{turns} readings of each patient are too many; take more patients, or fewer seconds")
    return millis


def _line(patient: int, records: list[Glucose]) -> bytes:
    return b"p%d %d %s\n" % (patient, time.time_ns() // 1000, encode(records))


def _half_days(patients: int) -> Iterator[bytes]:
    since = time.time_ns() // 1_000_000 - _RECENT_MILLIS - _EVERY_MILLIS * BEFORE
    for patient in range(patients):
        yield _line(patient, [reading(patient, n, since + _EVERY_MILLIS * n) for n in range(BEFORE)])


def _portion(first: int, count: int, patients: int, between: int) -> bytes:
    lines = []
    for number in range(first, first + count):
        turn, patient = divmod(number, patients)
        millis = time.time_ns() // 1_000_000 - _RECENT_MILLIS + (turn + 1) * between
        lines.append(_line(patient, [reading(patient, BEFORE + turn, millis)]))
    return b"".join(lines)


def main(port: int, rate: int, patients: int, seconds: float) -> None:
    """Send all of it; ends when the last one has been sent."""
    between, count = apart(rate, patients, seconds), int(rate * seconds)
    with socket.create_connection(("127.0.0.1", port)) as line:
        for half_day in _half_days(patients):
            line.sendall(half_day)
        line.recv(1)
        cpu, started, sent = time.process_time(), time.perf_counter(), 0
        while sent < count:
            due = min(count, int((time.perf_counter() - started) * rate) + 1)
            line.sendall(_portion(sent, due - sent, patients, between))
            sent = due
            time.sleep(1 / _PORTIONS_A_SECOND)
    sys.stdout.write(str(time.process_time() - cpu))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
