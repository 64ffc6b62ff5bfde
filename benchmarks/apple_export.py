"""A big Apple Health export through a running engine: `python benchmarks/apple_export.py [MEGABYTES]` (1000).

Makes an export in a temporary folder, puts it where `islet run` looks for it, and waits until every record made of it
is written out. Tells how fast it was stored and how fast it was written, and the engine's highest resident memory.
"""

import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

CHANNEL = """\
channel: apple
description: What the benchmark runs, the shipped channel with a folder behind it
source: {{type: apple_health_reader, folder: {folder}/in, pattern: "*.xml", every: 1s, settled_for: 1s, batch: {batch}}}
transform:
  - {{type: apple_health_to_records, timezone: UTC, patient: {{system: STM, file_name: "{{patient}}_*"}}}}
destinations:
  - {{name: out, type: file_writer, folder: {folder}/out}}
"""
BATCH = 2000
WANTED_EVERY = 2
"""Of so many samples one is a heart rate; the others are left out, like most of a real export."""

_DEVICE = "&lt;&lt;HKDevice: 0x28&gt;, name:Watch, manufacturer:Apple, model:Watch, hardware:Watch2,4, software:9&gt;"
_START = datetime(2016, 1, 1, tzinfo=UTC)


def write_export(path: Path, size: int) -> int:
    """Heart rates and samples that nobody reads, until the file has `size` bytes; how many heart rates."""
    wanted = number = 0
    with path.open("w") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<HealthData locale="en_IE">\n')
        while file.tell() < size:
            rows = [_sample(number + place) for place in range(1000)]
            wanted += 1000 // WANTED_EVERY
            number += 1000
            file.write("".join(rows))
        file.write("</HealthData>\n")
    return wanted


def _sample(number: int) -> str:
    wanted = number % WANTED_EVERY == 0
    kind, unit = ("HeartRate", "count/min") if wanted else ("ActiveEnergyBurned", "kcal")
    at = f"{_START + timedelta(seconds=45 * number):%Y-%m-%d %H:%M:%S} +0000"
    return (
        f' <Record type="HKQuantityTypeIdentifier{kind}" sourceName="Watch" sourceVersion="9" device="{_DEVICE}" '
        f'unit="{unit}" creationDate="{at}" startDate="{at}" endDate="{at}" value="{60 + number % 40}">\n'
        f'  <MetadataEntry key="HKMetadataKeyHeartRateMotionContext" value="0"/>\n </Record>\n'
    )


def _peak_mib(process: int) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError("no VmHWM: this needs Linux")


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _until(path: Path, files: int, engine: "subprocess.Popen[bytes]") -> float:
    """When `path` holds so many whole files."""
    while engine.poll() is None:
        if path.is_dir() and sum(1 for name in os.listdir(path) if not name.startswith(".")) >= files:
            return time.monotonic()
        time.sleep(0.2)
    raise RuntimeError("the engine stopped; its log is above")


def main(megabytes: int) -> None:
    with tempfile.TemporaryDirectory(prefix="islet-bench-") as place:
        folder = Path(place)
        for name in ("channels", "in", "out"):
            (folder / name).mkdir()
        (folder / "channels" / "apple.yaml").write_text(CHANNEL.format(folder=folder, batch=BATCH))
        (folder / "routes.yaml").write_text("routes: {}\n")
        wanted = write_export(folder / "export.part", megabytes * 1_000_000)
        size = (folder / "export.part").stat().st_size / 1e6
        command = [sys.executable, "-m", "engine", "run", "--project", place, "--store", f"{place}/bench.db"]
        engine = subprocess.Popen(command)
        try:
            _until(folder / "in", 1, engine)  # it is up when it has made its folders
            (folder / "export.part").rename(folder / "in" / "P-1_export.xml")
            began = time.monotonic()
            stored = _until(folder / "in" / "processed", 1, engine) - began
            written = _until(folder / "out", -(-wanted // BATCH), engine) - began
            memory, used = _peak_mib(engine.pid), _cpu_seconds(engine.pid)
        finally:
            engine.terminate()
            engine.wait(60)
    print(f"{size:,.0f} MB, {wanted:,} records: stored {size / stored:.1f} MB/s, written {size / written:.1f} MB/s")
    print(f"engine: peak {memory:.0f} MiB resident, {size / used:.1f} MB per second of CPU")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
