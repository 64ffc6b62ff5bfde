"""Pump events made for tests, after the published layout."""

import base64
import struct
from datetime import datetime

EPOCH = datetime(2008, 1, 1)  # noqa: DTZ001 - the pump's wall clock


def seconds(local: str) -> int:
    return int((datetime.fromisoformat(local) - EPOCH).total_seconds())


def an_event(number: int, sequence: int, at: str, said: bytes) -> bytes:
    return struct.pack(">HII", number, seconds(at), sequence) + said.ljust(16, b"\0")


def egv(
    sequence: int,
    at: str,
    value: int,
    *,
    number: int = 399,
    status: int = 0,
    rate: int = 0,
    kind: int = 1,
    state: int = 32,
    measured: str | None = None,
) -> bytes:
    when = struct.pack(">I", seconds(measured or at))
    if number in (372, 480):
        head = struct.pack(">hBBHbB", rate, kind, status, value, -60, state)
    else:
        head = struct.pack(">bBHHbB", rate, kind, status, value, -60, state)
    return an_event(number, sequence, at, head + when)


def bolus(sequence: int, at: str, delivered: float, requested: float, *, number: int = 20, bolus_id: int = 7) -> bytes:
    return an_event(number, sequence, at, struct.pack(">HHfff", bolus_id, 3, 0.5, delivered, requested))


def request(sequence: int, at: str, *, kind: int = 1, grams: int = 45, bolus_id: int = 7) -> bytes:
    return an_event(64, sequence, at, struct.pack(">BBHHH", 0, kind, bolus_id, 120, grams))


def request_more(sequence: int, at: str, *, minutes: int = 15, bolus_id: int = 7) -> bytes:
    return an_event(65, sequence, at, struct.pack(">BBHHH", 50, 1, bolus_id, 0, minutes))


def basal(sequence: int, at: str, milliunits: int, *, source: int = 3) -> bytes:
    return an_event(279, sequence, at, struct.pack(">HHHH", 0, source, 0, milliunits))


def alarm(sequence: int, at: str, code: int, *, number: int = 5) -> bytes:
    return an_event(number, sequence, at, struct.pack(">I", code))


def a_body(*events: bytes) -> bytes:
    return base64.b64encode(b"".join(events))
