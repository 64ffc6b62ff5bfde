"""`islet demo` as people run it: a process, without a terminal."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_LIMIT_SECONDS = 60


@pytest.mark.slow
def test_the_demo_ends_in_a_minute_with_books_that_balance_and_one_observation_for_each_reading(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "engine", "demo", "--seconds", "4"],
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    assert "The books balance." in said
    assert "WRONG" not in said
    readings = re.search(r"records told of (\d+) readings", said)
    observations = re.search(r"(\d+) Observations on the FHIR server", said)
    assert readings is not None
    assert observations is not None
    assert int(readings[1]) == int(observations[1]) > 1500
    last = next(line for line in said.splitlines() if line.startswith("all is through"))
    counted = {word: int(number) for word, number in re.findall(r"(\w+) (\d+)[,;]", last)}
    assert counted["conflicts"] == 6
    assert counted["corrected"] == 3
    assert counted["held"] == 8  # six conflicts, the result without a unit, and the one with a code nobody knows
    assert "OBX|" in said
    assert re.search(r"Observation/\d+ version 2: .* corrected", said)
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []  # nothing is left behind
