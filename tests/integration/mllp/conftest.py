"""What the tests of MLLP share."""

from collections.abc import AsyncIterator

import pytest
import trustme

from simulators.hospital import HospitalReceiver
from tests.integration.mllp.parties import Door


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """A listener for ORU^R01 whose messages are all accepted."""
    async with Door(accepts=("ORU^R01",)) as door:
        yield door
        assert door.says_nothing_of_patients()


@pytest.fixture
async def hospital() -> AsyncIterator[HospitalReceiver]:
    async with HospitalReceiver() as hospital:
        yield hospital
