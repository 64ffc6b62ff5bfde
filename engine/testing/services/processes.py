"""A server as a process of its own, with its children: started, watched, killed, stopped and continued."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 30.0


def free_port() -> int:
    """A port on the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """One program that serves. `log` takes what it says."""

    def __init__(self, command: Sequence[str], log: Path, *, env: Mapping[str, str], user: str | None = None) -> None:
        self._command = command
        self._log = log
        self._env = env
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, ready: Callable[[], bool]) -> None:
        """Returns when `ready`. Raises RuntimeError with the end of its log if it does not come up."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self._env),
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
                cwd=self._log.parent,
                start_new_session=True,
            )
        end = time.monotonic() + START_SECONDS
        while not ready():
            if not self.running or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"{self._command[0]} did not start: {self.last_words()}")
            time.sleep(0.05)

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""

    def end(self, how: signal.Signals) -> None:
        """Ask it to end, and make it if it does not."""
        if self._process is None:
            return
        self.signal_all(signal.SIGCONT)
        if self.running:
            self._process.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to it and its children; returns when they are gone."""
        if self._process is None:
            return
        family = self._family()
        _signal(family, signal.SIGKILL)
        self._process.wait()
        end = time.monotonic() + STOP_SECONDS
        while any(_alive(pid) for pid in family) and time.monotonic() < end:
            time.sleep(0.01)
        self._process = None

    def signal_all(self, what: signal.Signals) -> None:
        """To it and its children."""
        _signal(self._family(), what)

    def _family(self) -> list[int]:
        if self._process is None or self._process.poll() is not None:
            return []
        parents = _parents()
        family = [self._process.pid]
        for pid in family:  # grows while it is walked
            family += [child for child, parent in parents.items() if parent == pid]
        return family


def _parents() -> dict[int, int]:
    """Each process on this machine and its parent."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    return found


def _signal(pids: Sequence[int], what: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, what)


def _alive(pid: int) -> bool:
    """A process whose first thread is gone may have others, which keep its ports open."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" or len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except OSError:
        return False
