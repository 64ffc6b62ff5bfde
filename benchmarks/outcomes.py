"""How fast outcomes are: `python benchmarks/outcomes.py [--patients 2000]`.

Patients are simulated: 14 days of readings 5 minutes apart, with clock jitter, single readings missing and pauses of 10
minutes to 3 hours. Times are CPU time of one core, the best of five runs; wall time beside it shows what else ran.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import platform
from collections.abc import Callable
from datetime import date, timedelta
from time import perf_counter, process_time
from zoneinfo import ZoneInfo

import numpy as np

from clinical.outcomes import (
    ISLET,
    Element,
    Kind,
    Readings,
    core,
    day_elements,
    days_ending,
    element,
    outcome,
    outcomes,
    readings,
    rolling_elements,
    slots,
)
from clinical.outcomes.levels import I64
from clinical.outcomes.zone import day_start

PER_DAY = 288
ZONE = ZoneInfo("Europe/Dublin")
LAST_DAY = date(2024, 6, 30)
WINDOWS = (1, 7, 14, 30, 90)


def simulate(patients: int, days: int, seed: int = 1) -> tuple[I64, I64, I64]:
    """Times, levels in mg/dL and each patient's first place in them: a daily wave, meals, and noise with memory."""
    generator = np.random.default_rng(seed)
    count = days * PER_DAY
    place = np.arange(count)
    phase = generator.uniform(0, 2 * np.pi, (patients, 1))
    wave = 2 * np.pi * place / PER_DAY
    curve = 145 + 30 * np.sin(wave + phase) + 30 * np.sin(3 * wave + 2 * phase)
    noise, memory = np.empty((patients, count)), np.zeros(patients)
    for column in range(count):
        memory = 0.98 * memory + generator.normal(0, 5, patients)
        noise[:, column] = memory
    level = np.clip(np.round(curve + noise), 40, 400).astype(np.int64)
    start = day_start(LAST_DAY - timedelta(days=days - 1), ZONE)
    millis = start + place * 300_000 + generator.integers(0, 4000, (patients, count))
    kept = generator.random((patients, count)) > 0.01
    for row in kept:
        for begin in generator.integers(0, count - 36, days // 2):
            row[begin : begin + generator.integers(2, 36)] = False
    return millis[kept], level[kept], np.concatenate([[0], np.cumsum(kept.sum(axis=1))])


def best(work: Callable[[], object], times: int = 5) -> tuple[float, float]:
    """Least CPU and wall seconds."""
    measured = []
    for _ in range(times):
        cpu, wall = process_time(), perf_counter()
        work()
        measured.append((process_time() - cpu, perf_counter() - wall))
    return min(cpu for cpu, _ in measured), min(wall for _, wall in measured)


def bench_core(patients: int) -> None:
    """The core set, gaps filled for events, all kinds of event, from arrays."""
    millis, level, edges = simulate(patients, 14)
    small = level.astype(np.int16)
    found = core(millis, small, edges, 300, ISLET)
    cpu, wall = best(lambda: core(millis, small, edges, 300, ISLET))
    shares = found.bands.sum(axis=0) / found.n.sum()
    print(f"core set: {patients:,} patients, {millis.size:,} readings; bands {np.round(100 * shares, 1).tolist()} %")
    events = zip((kind.word for kind in Kind), found.event_counts.mean(axis=0), strict=True)
    print("  events a patient: " + ", ".join(f"{word} {mean:.1f}" for word, mean in events))
    print(f"  {patients / cpu:,.0f} patients/s of CPU, {patients / wall:,.0f} of wall time")


def bench_backfill() -> None:
    """12 late readings in a 90-day history: slots and element of the day anew, then every window."""
    millis, level, _ = simulate(1, 90)
    given = readings(millis, level)
    whole = days_ending(LAST_DAY, 90, ZONE)
    days = dict(zip(whole.days(), day_elements(slots(given), whole, ISLET), strict=True))
    today = days_ending(LAST_DAY, 1, ZONE)
    cpu, wall = best(lambda: _update(given, today.start_millis, days), 20)
    print(f"backfill of 12 readings into 90 days, windows of {WINDOWS} days")
    print(f"  {1000 * cpu:.2f} ms of CPU, {1000 * wall:.2f} of wall time")
    cpu, _ = best(lambda: outcome(element(slots(given), whole, ISLET), whole, ISLET))
    print(f"the 90 days from all readings: {1000 * cpu:.2f} ms")


def _update(given: Readings, since: int, days: dict[date, Element]) -> None:
    near = given.part(given.millis >= since - 12 * 3_600_000)
    days[LAST_DAY] = element(slots(near), days_ending(LAST_DAY, 1, ZONE), ISLET)
    rolling = rolling_elements(days, LAST_DAY, WINDOWS, ISLET)
    outcomes([(found, days_ending(LAST_DAY, count, ZONE)) for count, found in rolling.items()], ISLET)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=2000)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores")
    print(f"load when it began: {os.getloadavg()[0]:.1f}")
    bench_core(options.patients)
    bench_backfill()


if __name__ == "__main__":
    main()
