"""Real messages at the listener: each is answered, and what is taken is taken as it is."""

from pathlib import Path

import pytest

from tests.integration.mllp.parties import Door, block

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "hl7v2"
OTHER_FORMATS = {
    "batch/dex_BatchMessage.hl7",  # JSON with a message inside
    "oru/dex_ELR_Exceptionmessage.hl7",  # JSON with a message inside
    "oru/dex_ELR_message.hl7",
}
SEVERAL = {
    "batch/cosyte_batch_multi-batch-file.hl7": 3,
    "edge/cosyte_stream_large-batch.ndhl7": 12,
    "edge/cosyte_stream_mixed-terminators.hl7": 2,
    "edge/cosyte_vendor-quirks_duplicate-required-segment.hl7": 2,
}


async def test_every_sample_is_answered_and_all_but_other_formats_are_taken_as_they_are() -> None:
    if not SAMPLES.is_dir():
        pytest.skip(
            f"REAL SAMPLES ARE NOT HERE: {SAMPLES} is missing, so no real message has been through the listener"
        )
    files = {str(path.relative_to(SAMPLES)): path.read_bytes() for path in sorted(SAMPLES.rglob("*hl7"))}
    async with Door() as door:
        peer = await door.peer()
        for name, content in files.items():
            await peer.send(block(content))
            answers = [await peer.answer() for _ in range(SEVERAL.get(name, 1))]
            wanted = "AR" if name in OTHER_FORMATS else "AA"
            assert [answer.code for answer in answers] == [wanted] * len(answers), name
        bodies = [message.arrival.body for message in door.taken]
        whole = [content for name, content in files.items() if name not in OTHER_FORMATS and name not in SEVERAL]
        assert len(whole) == 176
        assert [body for body in bodies if body in set(whole)] == whole
        assert len(bodies) == len(whole) + sum(SEVERAL.values())
