"""`python -m engine.testing.crash`: a long run on private servers. Prints its seed; exit code 1: something is wrong."""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

from engine.testing.crash.cluster import Cluster
from engine.testing.crash.faults import FAULTS
from engine.testing.crash.run import CrashRun
from engine.testing.services import PrivatePostgres, PrivateRabbitMq

say = partial(print, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--longest-pause", type=float, default=25.0, help="seconds; a lease lasts 15")
    parser.add_argument("--kinds", default=",".join(FAULTS), help="of faults, with commas")
    given = parser.parse_args()
    run = CrashRun(
        messages=given.messages,
        seed=given.seed,
        faults=given.faults,
        kinds=given.kinds.split(","),
        longest_pause_seconds=given.longest_pause,
        tell=say,
    )
    say(f"seed {given.seed}")
    with tempfile.TemporaryDirectory(prefix="islet-crash-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the servers run under accounts of their own
        for part in ("postgres", "rabbitmq", "engine"):
            (folder / part).mkdir()
        with PrivatePostgres(folder / "postgres") as postgres, PrivateRabbitMq(folder / "rabbitmq") as rabbitmq:
            cluster = Cluster(folder / "engine", postgres, rabbitmq, given.workers)
            verdict = asyncio.run(run.on(cluster))
        say(f"{verdict.acked} acknowledged, {verdict.requests} requests, {dict(verdict.faults)}")
        for problem in verdict.wrong:
            say(f"WRONG: {problem}")
        if verdict.wrong:
            kept = folder.with_name(f"islet-crash-{given.seed}.log")
            shutil.copy(cluster.log, kept)
            say(f"the engine's log: {kept}")
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
