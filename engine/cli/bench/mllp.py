"""The whole path: MLLP in, durable journal, filter, transformer, HTTP out; each part in a process of its own."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

_CHANNEL = """\
channel: bench
description: What the benchmark runs
source: {{type: mllp_listener, port: {port}, accepts: [ORU^R01]}}
filter:
  keep_when:
    - {{field: OBX-3.1, in: [41653-7, 14743-9]}}
transform:
  - type: set_fields
    set: {{MSH-5: REGISTRY, MSH-6: STM}}
destinations:
  - {{name: sink, type: http_sender, url: "http://127.0.0.1:{sink}/", at_once: 32}}
"""


def run(
    seconds: float, connections: Sequence[int], *, shared: bool = False, workers: int = 1
) -> list[dict[str, float]]:
    """Measure for each number of connections, on a fresh store each; prints a table row each as it comes.

    `shared`: PostgreSQL and RabbitMQ instead of the embedded default, servers of our own in a temporary folder.
    """
    with ExitStack() as around:
        place = around.enter_context(_servers()) if shared else _file
        return _run(seconds, connections, place, workers)


Place = Callable[[Path], list[str]]
"""Arguments of `islet run` that name a fresh journal, and the broker."""


def _file(folder: Path) -> list[str]:
    return ["--store", str(folder / "bench.db")]


@contextmanager
def _servers() -> Iterator[Place]:
    from engine.testing.services import PrivatePostgres, PrivateRabbitMq

    with tempfile.TemporaryDirectory(prefix="islet-bench-") as folder:
        Path(folder).chmod(0o755)  # the servers run under accounts of their own
        homes = [Path(folder) / name for name in ("postgres", "rabbitmq")]
        for home in homes:
            home.mkdir()
        with PrivatePostgres(homes[0]) as postgres, PrivateRabbitMq(homes[1]) as rabbitmq:
            yield lambda _: ["--journal", postgres.new_database(), "--broker", rabbitmq.new_vhost()]


def _run(seconds: float, connections: Sequence[int], place: Place, workers: int) -> list[dict[str, float]]:
    print("connections  ACKed/s  end to end/s  ACK p50 ms   p95   p99   engine CPU µs/message   memory MiB", flush=True)
    results = []
    for number in connections:
        with tempfile.TemporaryDirectory(prefix="islet-bench-") as folder, _sink() as sink:
            result = _measure(Path(folder), sink, number, seconds, [*place(Path(folder)), "--workers", str(workers)])
        results.append(result)
        print(
            f"{number:>11}  {result['acked_per_second']:>7.0f}  {result['end_to_end_per_second']:>12.0f}  "
            f"{result['p50']:>10.2f} {result['p95']:>5.1f} {result['p99']:>5.1f}   {result['cpu_micros']:>21.0f}   "
            f"{result['memory_mib']:>10.0f}",
            flush=True,
        )
    return results


def _measure(folder: Path, sink: int, connections: int, seconds: float, options: Sequence[str]) -> dict[str, float]:
    port = _free_port()
    (folder / "channels").mkdir()
    (folder / "channels" / "bench.yaml").write_text(_CHANNEL.format(port=port, sink=sink))
    (folder / "routes.yaml").write_text("routes: {}\n")
    with _engine(folder, port, options) as engine:
        _load(port, 4, 1.0, "W")  # warm up: imports, connections, caches
        _drained(sink, None)
        before, start, used = _count(sink), time.perf_counter(), _cpu_seconds(engine)
        loaded = _load(port, connections, seconds, "C")
        _drained(sink, before + int(loaded["acked"]))
        took = time.perf_counter() - start
        used, memory = _cpu_seconds(engine) - used, _memory_mib(engine)
    return {
        "connections": connections,
        "acked_per_second": loaded["acked"] / loaded["seconds"],
        "end_to_end_per_second": loaded["acked"] / took,
        "cpu_micros": used / loaded["acked"] * 1e6,
        "memory_mib": memory,
        **{name: loaded[name] for name in ("p50", "p95", "p99")},
    }


@contextmanager
def _sink() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-m", "engine.cli.bench.http_sink"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def _engine(folder: Path, port: int, options: Sequence[str]) -> Iterator[int]:
    log = (folder / "engine.log").open("w")
    command = [sys.executable, "-m", "engine", "run", "--project", str(folder), *options]
    process = subprocess.Popen(command, stderr=log)
    try:
        _until_listening(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _until_listening(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the engine did not start; its log is in the benchmark's folder")


def _load(port: int, connections: int, seconds: float, run: str) -> dict[str, float]:
    command = [sys.executable, "-m", "engine.cli.bench.mllp_load", str(port), str(connections), str(seconds), run]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    loaded: dict[str, float] = json.loads(done.stdout)
    return loaded


def _drained(sink: int, wanted: int | None) -> None:
    """Until the sink has `wanted`; without a number, until it gets no more."""
    last, end = -1, time.monotonic() + 120
    while time.monotonic() < end:
        count = _count(sink)
        if count == (last if wanted is None else wanted):
            return
        last = count
        time.sleep(0.3 if wanted is None else 0.01)
    raise RuntimeError(f"after two minutes the sink has {last} of {wanted} messages")


def _count(sink: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{sink}/") as answer:
        return int(answer.read())


def _cpu_seconds(process: int) -> float:
    """User and system time of all its threads and workers, from /proc; 0 where there is none."""
    return sum(_ticks(one) for one in (process, *_children(process))) / os.sysconf("SC_CLK_TCK")


def _ticks(process: int) -> int:
    stat = Path(f"/proc/{process}/stat")
    if not stat.exists():
        return 0
    fields = stat.read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children")
    return [int(number) for number in listed.read_text().split()] if listed.exists() else []


def _memory_mib(process: int) -> float:
    """Resident memory of it and its workers, from /proc; 0 where there is none."""
    kib = 0
    for one in (process, *_children(process)):
        status = Path(f"/proc/{one}/status")
        found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text()) if status.exists() else None
        kib += int(found[1]) if found else 0
    return kib / 1024


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
