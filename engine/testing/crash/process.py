"""An engine as a process of its own, to be killed at a moment that the test chooses."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path

START_SECONDS = 30.0
STOP_SECONDS = 30.0


class EngineProcess:
    """Runs `python SCRIPT ARGUMENTS` again and again.

    The script prints `ready PORT` once it takes messages. `up` is set while it does; `port` changes with each start.
    """

    def __init__(self, script: Path, arguments: Sequence[str], error_log: Path) -> None:
        self._command = (sys.executable, str(script), *arguments)
        self._error_log = error_log
        self._process: Process | None = None
        self.port = 0
        self.up = asyncio.Event()
        self.starts = 0

    async def start(self) -> None:
        """Returns when it takes messages. Raises RuntimeError with its last words if it does not come up."""
        with self._error_log.open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(*self._command, stdout=PIPE, stderr=errors)
        assert self._process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = await self._process.stdout.readline()
        word, _, port = line.decode().partition(" ")
        if word != "ready":
            await self._process.wait()
            raise RuntimeError(f"the engine did not start: {self._error_log.read_text()[-2000:]}")
        self.port = int(port)
        self.starts += 1
        self.up.set()

    async def kill(self) -> None:
        """SIGKILL: it gets no chance to finish anything."""
        assert await self._end(signal.SIGKILL) == -signal.SIGKILL, "it had ended before it was killed"

    async def terminate(self) -> int:
        """SIGTERM: it finishes what it has in hand. Returns its exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> int:
        assert self._process is not None, "start comes first"
        self.up.clear()
        if self._process.returncode is None:
            self._process.send_signal(how)
        async with asyncio.timeout(STOP_SECONDS):
            # communicate, not wait: it also lets go of the pipe
            await self._process.communicate()
        code = self._process.returncode
        assert code is not None
        self._process = None
        return code

    async def close(self) -> None:
        """Make sure that nothing is left running."""
        if self._process is not None:
            await self._end(signal.SIGKILL)
