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
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import IO, Final

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
    seconds: float,
    connections: Sequence[int],
    *,
    shared: bool = False,
    workers: int = 1,
    turns: int = 1,
    beside: bool = False,
) -> list[dict[str, float]]:
    """Measure for each number of connections, on a fresh store each; prints a table row each as it comes.

    `shared`: PostgreSQL and RabbitMQ instead of the embedded default, servers of our own in a temporary folder.
    `turns`: how often; `beside`: the bare path (`engine.cli.bench.bare`) before each, then what share of it the engine
    reaches. The last p99 is that at half of the load that the engine has just taken.
    """
    with ExitStack() as around:
        place = around.enter_context(_servers()) if shared else _file

        def in_workers(folder: Path) -> list[str]:
            return [*place(folder), "--workers", str(workers)]

        print(_HEAD, flush=True)
        results = []
        for number in connections:
            pairs = []
            for _ in range(turns):
                bare = _turn(_bare, place, number, seconds) if beside else None
                pairs.append((bare, _turn(_engine, in_workers, number, seconds)))
            results += [engine for _, engine in pairs]
            _show_medians(number, pairs)
        return results


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


_HEAD: Final = (
    "             connections  ACKed/s  end to end/s  ACK p50 ms   p95   p99  p99 at half load   CPU µs/message"
    "   memory MiB"
)
_Result = dict[str, float]
_Start = Callable[[Path, int, int, Sequence[str]], AbstractContextManager[int]]
"""Starts a server in a folder, on a port, with a sink's port and options; gives its process."""


def _turn(start: _Start, place: Place, connections: int, seconds: float) -> _Result:
    with tempfile.TemporaryDirectory(prefix="islet-bench-") as name, _sink() as sink:
        folder, port = Path(name), _free_port()
        with start(folder, port, sink, place(folder)) as process:
            result = _measured(process, port, sink, connections, seconds, at_half=start is _engine)
    half = f"{result['half_p99']:>16.1f}" if "half_p99" in result else f"{'':16}"
    print(
        f"{start.__name__.strip('_'):>12} {connections:>11}  {result['acked_per_second']:>7.0f}  "
        f"{result['end_to_end_per_second']:>12.0f}  {result['p50']:>10.2f} {result['p95']:>5.1f} "
        f"{result['p99']:>5.1f}  {half}   {result['cpu_micros']:>14.0f}   {result['memory_mib']:>10.0f}",
        flush=True,
    )
    return result


def _show_medians(connections: int, pairs: Sequence[tuple[_Result | None, _Result]]) -> None:
    if len(pairs) > 1:
        speed = median(engine["end_to_end_per_second"] for _, engine in pairs)
        print(f"      median {connections:>11}  {'':7}  {speed:>12.0f}", flush=True)
    shares = [engine["end_to_end_per_second"] / bare["end_to_end_per_second"] for bare, engine in pairs if bare]
    if shares:
        print(f"the engine's share of the bare path: {median(shares):.2f}", flush=True)


def _measured(process: int, port: int, sink: int, connections: int, seconds: float, *, at_half: bool) -> _Result:
    _load(port, 4, 1.0, "W")  # warm up: imports, connections, caches
    _drained(sink, None)
    before, begun, used = _count(sink), time.perf_counter(), _cpu_seconds(process)
    loaded = _load(port, connections, seconds, "C")
    _drained(sink, before + int(loaded["acked"]))
    took = time.perf_counter() - begun
    used, memory = _cpu_seconds(process) - used, _memory_mib(process)
    speed = loaded["acked"] / took
    half = {"half_p99": _load(port, connections, seconds, "H", speed / 2)["p99"]} if at_half else {}
    _drained(sink, None)
    return {
        "connections": connections,
        "acked_per_second": loaded["acked"] / loaded["seconds"],
        "end_to_end_per_second": speed,
        "cpu_micros": used / loaded["acked"] * 1e6,
        "memory_mib": memory,
        **{name: loaded[name] for name in ("p50", "p95", "p99")},
        **half,
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
def _engine(folder: Path, port: int, sink: int, options: Sequence[str]) -> Iterator[int]:
    (folder / "channels").mkdir()
    (folder / "channels" / "bench.yaml").write_text(_CHANNEL.format(port=port, sink=sink))
    (folder / "routes.yaml").write_text("routes: {}\n")
    command = [sys.executable, "-m", "engine", "run", "--project", str(folder), *options]
    with (folder / "engine.log").open("w") as log, _listening(command, port, log) as process:
        yield process


@contextmanager
def _bare(folder: Path, port: int, sink: int, options: Sequence[str]) -> Iterator[int]:
    command = [sys.executable, "-m", "engine.cli.bench.bare", str(port), str(sink), *options[1::2]]
    with (folder / "bare.log").open("w") as log, _listening(command, port, log) as process:
        yield process


@contextmanager
def _listening(command: Sequence[str], port: int, log: IO[str]) -> Iterator[int]:
    process = subprocess.Popen(command, stderr=log)
    try:
        _until_listening(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _until_listening(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("what is to be measured did not start; its log is in the benchmark's folder")


def _load(port: int, connections: int, seconds: float, run: str, rate: float = 0) -> dict[str, float]:
    command = [sys.executable, "-m", "engine.cli.bench.mllp_load", str(port), str(connections), str(seconds), run]
    command += [str(rate)] if rate else []
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
