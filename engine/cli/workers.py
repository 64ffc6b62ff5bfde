"""Several engines of one command: the parent starts them, starts again what dies, and stops them in order."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

from engine.contracts.plugins import Log
from engine.model.retry import RetryPolicy

_RESTART = RetryPolicy(first_wait_seconds=0.5, longest_wait_seconds=30.0)
_STEADY_SECONDS = 60.0
_LOOK_SECONDS = 0.1
CANNOT_RUN = 2
"""Exit code of a worker that cannot run as it is configured; starting it again would not help."""


class Workers:
    """Child processes, one for each number. `command` gives the arguments of `islet` for a number."""

    def __init__(self, command: Sequence[str], count: int, log: Log) -> None:
        self._command = command
        self._log = log
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._started_at: dict[int, float] = {}
        self._failures = dict.fromkeys(range(1, count + 1), 0)
        self._start_at = dict.fromkeys(range(1, count + 1), 0.0)
        self._stopping = False

    def run(self, grace_seconds: float) -> int:
        """Until a signal comes or a worker says that it cannot run; the exit code."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)
        code = 0
        while not self._stopping and code != CANNOT_RUN:
            self._start_due()
            time.sleep(_LOOK_SECONDS)
            code = self._look()
        self._end(grace_seconds)
        return 1 if code == CANNOT_RUN else 0

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _start_due(self) -> None:
        now = time.monotonic()
        for number in self._failures:
            if number not in self._running and self._start_at[number] <= now:
                command = [sys.executable, "-m", "engine", *self._command, "--worker", str(number)]
                self._running[number] = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - our own command
                self._started_at[number] = now

    def _look(self) -> int:
        """Notes what has ended; the exit code of the last that did."""
        code, now = 0, time.monotonic()
        for number, process in tuple(self._running.items()):
            if (ended := process.poll()) is None:
                continue
            code = ended
            del self._running[number]
            steady = now - self._started_at[number] >= _STEADY_SECONDS
            self._failures[number] = 1 if steady else self._failures[number] + 1
            wait = _RESTART.back_off(self._failures[number], 0.5)
            self._start_at[number] = now + wait
            self._log.error("worker_ended", count=number, status=ended, seconds=round(wait, 1))
        return code

    def _end(self, grace_seconds: float) -> None:
        for process in self._running.values():
            process.terminate()
        end = time.monotonic() + grace_seconds + 10.0
        for process in self._running.values():
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
