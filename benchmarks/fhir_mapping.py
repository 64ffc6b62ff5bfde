"""Records to FHIR JSON, resources a second on one core, without models: `python benchmarks/fhir_mapping.py`.

`reading` is a sensor reading with its contained Device; `kinds` one of each kind of record that
tests/unit/fhir/kinds.py has.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clinical.fhir.frame import encode
from clinical.fhir.resource import to_resource
from clinical.records import AnyRecord, Device, Instant, Quantity
from tests.unit.fhir.builders import a_reading
from tests.unit.fhir.kinds import every_kind

_ROUNDS, _RECORDS = 7, 20_000


def readings() -> list[AnyRecord]:
    """As many different readings, five minutes apart."""
    device = Device(vendor="Dexcom", model="Dexcom G7", serial="SN-1")
    return [
        a_reading(
            value=Quantity(steps=80 + number % 200, unit="mg/dL"),
            reading_id=f"0197c1f0-0000-7000-8000-{number:012d}",
            effective=Instant(millis=1_795_168_800_000 + number * 300_000, how="offset", offset_minutes=60),
            device=device,
        )
        for number in range(_RECORDS)
    ]


def per_second(records: Sequence[AnyRecord]) -> float:
    """The median of a few rounds."""
    found = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        for record in records:
            encode(to_resource(record))
        found.append(len(records) / (time.perf_counter() - start))
    return sorted(found)[_ROUNDS // 2]


if __name__ == "__main__":
    kinds = every_kind()
    print(f"reading {per_second(readings()):>10,.0f} resources/s")
    print(f"kinds   {per_second(kinds * (_RECORDS // len(kinds))):>10,.0f} resources/s")
