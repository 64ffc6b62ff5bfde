"""Reading HL7 v2: ours beside python-hl7 and hl7apy, on the same messages in the same run.

`header` reads what routing and acknowledging need; `typed` opens the message and gives code, number, unit, status and
time of every OBX; `records` is all that `oru_to_records` does. The libraries parse and give the same fields as
text.
"""

import gc
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import hl7
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from clinical.hl7v2 import header, parse
from clinical.hl7v2.dtm import read_dtm
from clinical.hl7v2.results import Rules, read_results
from clinical.time import Written

_RULES = Rules(zone=ZoneInfo("Europe/Dublin"))
_RECEIVED = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
_START = datetime(2026, 11, 19, tzinfo=UTC)
_OBX = (
    "OBX|{n}|NM|99504-3^Glucose [Mass/volume] in Interstitial fluid^LN||{value}|mg/dL^mg/dL^UCUM|70-180|N|||F|||"
    "{time}+0000||||G7-8K2L^Dexcom|{time}+0000"
)


def oru(readings: int) -> bytes:
    """An ORU^R01 with so many sensor readings, five minutes apart; one makes about 700 bytes."""
    lines = [
        "MSH|^~\\&|GLUCOLINK^2.16.840.1.113883.19.4^ISO|ST MARYS^2.16.840.1.113883.19.5^ISO|ISLET|HUB|"
        "20261120101500+0000||ORU^R01^ORU_R01|GL-2026112010150000042|P|2.5.1|||AL|NE||UNICODE UTF-8",
        "PID|1||MRN-00012345^^^STM^MR~9876543210^^^NHS^NH||DOE^JANE^A^^MS||19800101|F|||1 MAIN ST^^DUBLIN^^D01^IE||"
        "+35315550100",
        "PV1|1|O|DIAB^^^STM||||1234^SMITH^ANNA",
        "ORC|RE|ORD-7781|FIL-99120^GLUCOLINK",
        "OBR|1|ORD-7781|FIL-99120^GLUCOLINK|CGM^Continuous glucose^L|||20261119000000+0000|||||||||1234^SMITH^ANNA|"
        "||||20261120101500+0000||LAB|F",
    ]
    for n in range(readings):
        moment = (_START + timedelta(minutes=5 * n)).strftime("%Y%m%d%H%M%S")
        lines.append(_OBX.format(n=n + 1, value=80 + n * 7 % 180, time=moment))
    return "".join(line + "\r" for line in lines).encode()


def typed(raw: bytes) -> list[tuple[str, Decimal, str, str, Written]]:
    """Code, number, unit, status and time (with its offset and precision) of every OBX."""
    rows = parse(raw).rows("OBX", 3, 5, 6, 11, 14)
    return [(code, Decimal(value), unit, status, read_dtm(time)) for code, value, unit, status, time in rows]


def records(raw: bytes) -> int:
    results = read_results(parse(raw), _RULES, _RECEIVED)
    return sum(map(len, results.records.values()))


def python_hl7(raw: bytes) -> list[tuple[str, ...]]:
    message = hl7.parse(raw.decode())
    return [
        (str(segment[3][0][0]), str(segment[5]), str(segment[6][0][0]), str(segment[11]), str(segment[14]))
        for segment in message.segments("OBX")
    ]


def hl7apy_message(raw: bytes) -> Any:
    return parse_message(raw.decode(), validation_level=VALIDATION_LEVEL.TOLERANT)


READERS: dict[str, Callable[[bytes], object]] = {
    "header": header,
    "typed": typed,
    "records": records,
    "python-hl7": python_hl7,
    "hl7apy": hl7apy_message,
}


def per_second(read: Callable[[bytes], object], raw: bytes, seconds: float) -> float:
    """How many messages a second of CPU time, in the best of three rounds that take `seconds` together: what else the
    machine does counts little."""
    best = 0.0
    twins = raw, bytes(bytearray(raw))  # in turn, since the reader remembers what it opened last
    for _ in range(3):
        count, step = 0, 2
        started = time.process_time()
        while (passed := time.process_time() - started) < seconds / 3:
            for turn in range(step):
                read(twins[turn & 1])
            count += step
            if passed < seconds / 60:
                step *= 2
        best = max(best, count / passed)
    return best


def retained_kib(read: Callable[[bytes], object], raw: bytes) -> float:
    """Memory that one opened message holds."""
    read(raw)
    another = bytes(bytearray(raw))  # not what the reader has just opened
    gc.collect()
    tracemalloc.start()
    kept = read(another)
    size = tracemalloc.get_traced_memory()[0] / 1024
    tracemalloc.stop()
    del kept
    return size


def run(seconds: float) -> dict[str, dict[str, float]]:
    """Messages a second by reader, `bytes`, and the KiB that an opened message holds, for a message with one reading
    and for a day of 288. `seconds` is the time for all readers and both messages together."""
    share = seconds / (2 * len(READERS))
    results: dict[str, dict[str, float]] = {}
    for name, readings in (("one reading", 1), ("day of 288", 288)):
        raw = oru(readings)
        figures: dict[str, float] = {"bytes": len(raw)}
        for reader, read in READERS.items():
            figures[reader] = per_second(read, raw, share)
        figures["typed KiB"] = retained_kib(typed, raw)
        figures["opened KiB"] = retained_kib(_opened, raw)
        figures["python-hl7 KiB"] = retained_kib(lambda body: hl7.parse(body.decode()), raw)
        results[name] = figures
    return results


def _opened(raw: bytes) -> object:
    message = parse(raw)
    for segment in message.segments:
        segment.leaf(1)
    return message


def show(seconds: float) -> None:
    """Measure and print."""
    for kind, figures in run(seconds * len(READERS)).items():
        print(kind)
        for what, figure in figures.items():
            print(f"  {what:15} {figure:12,.1f}{' messages/s' if what in READERS else ''}")
