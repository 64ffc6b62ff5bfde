"""Real messages at the listener: each is answered, and what is taken is taken as it is."""

from pathlib import Path

import pytest

from tests.integration.mllp.parties import Door, block

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "hl7v2"
NOT_ONE_MESSAGE = {
    "batch/cosyte_batch_multi-batch-file.hl7",
    "batch/dex_BatchMessage.hl7",  # JSON with a message inside
    "edge/cosyte_stream_large-batch.ndhl7",
    "edge/cosyte_stream_mixed-terminators.hl7",
    "edge/cosyte_vendor-quirks_duplicate-required-segment.hl7",  # two MSH
    "oru/dex_ELR_Exceptionmessage.hl7",  # JSON with a message inside
    "oru/dex_ELR_message.hl7",
}


async def test_every_sample_is_answered_and_all_but_batches_and_other_formats_are_taken() -> None:
    if not SAMPLES.is_dir():
        pytest.skip(
            f"REAL SAMPLES ARE NOT HERE: {SAMPLES} is missing, so no real message has been through the listener"
        )
    files = {str(path.relative_to(SAMPLES)): path.read_bytes() for path in sorted(SAMPLES.rglob("*hl7"))}
    refused = set()
    async with Door() as door:
        peer = await door.peer()
        for name, content in files.items():
            await peer.send(block(content))
            if (await peer.answer()).code != "AA":
                refused.add(name)
        assert refused == NOT_ONE_MESSAGE
        taken = [content for name, content in files.items() if name not in NOT_ONE_MESSAGE]
        assert [message.arrival.body for message in door.taken] == taken
        assert len(taken) == 176
