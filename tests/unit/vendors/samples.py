"""Real files of vendors that lie beside the checkout."""

from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[3].parent / "shared" / "samples" / "vendors"


def real(path: str) -> bytes:
    """A real file; without it the test says loudly that it was not tried."""
    file = SAMPLES / path
    if not file.is_file():
        pytest.skip(f"REAL SAMPLE MISSING: {file} is not there, so this real file was NOT tried")
    return file.read_bytes()
