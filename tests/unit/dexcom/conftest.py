from collections.abc import Callable
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[3].parent / "shared" / "samples" / "vendors" / "dexcom"


@pytest.fixture
def sample() -> Callable[[str], bytes]:
    """Reads one of the real Dexcom files that lie beside the checkout."""

    def read(name: str) -> bytes:
        file = SAMPLES / name
        if not file.is_file():
            pytest.skip(f"REAL SAMPLE MISSING: {file} is not there, so this real file was NOT tried")
        return file.read_bytes()

    return read
