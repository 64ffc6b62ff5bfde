"""What senders are seen to do, and what they get: the table is in docs/mllp.md, what is sent is here."""

import re
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from clinical.hl7v2 import parse_ack
from tests.integration.mllp.parties import CANARY, Door, Peer, block, let_run, oru

PAGE = Path(__file__).parents[3] / "docs" / "mllp.md"
CUT: Final = "cut"
ONE, TWO = oru("M1"), oru("M2")
LATIN = "Gerät".encode("latin-1")
Step = bytes | float | str
"""Bytes to send in one write, seconds to let pass, or CUT."""


def with_charset(name: bytes) -> bytes:
    return ONE.replace(b"GLUCO", LATIN).replace(b"|2.5.1\r", b"|2.5.1||||||" + name + b"\r")


def with_ends(*ends: bytes) -> bytes:
    lines = ONE.split(b"\r")[:-1]
    return b"".join(line + ends[place % len(ends)] for place, line in enumerate(lines))


SENT: dict[int, list[Step]] = {
    1: [block(ONE) + block(TWO)],
    2: [block(ONE), block(TWO)],
    3: [block(ONE)[:-1], b"\x0d"],
    4: [bytes([byte]) for byte in block(ONE)],
    5: [b"\x0b", ONE, b"\x1c\x0d"],
    6: [b"\x0b" + ONE + b"\x1c", block(TWO)],
    7: [b"\x0b" + ONE + b"\x1c", 4.0],
    8: [b"junk" + block(ONE)],
    9: [block(ONE) + b"\0\0\0" + block(TWO)],
    10: [b"\r\n" + block(ONE)],
    11: [block(ONE) + b"\n" + block(TWO) + b"\n"],
    12: [b"\x0b" + ONE + b"\x1c\n", b"\x0b" + TWO + b"\x1c\n"],
    13: [block(with_ends(b"\n"))],
    14: [block(with_ends(b"\r\n"))],
    15: [block(with_ends(b"\r", b"\n", b"\r\n"))],
    16: [block(ONE.removesuffix(b"\r"))],
    17: [block(ONE + TWO)],
    18: [block(b"BHS|^~\\&|GLUCO|STM\r" + ONE + TWO + b"BTS|2\r")],
    19: [block(b"")],
    20: [block(b"hello")],
    21: [ONE, 4.0],
    22: [b"POST / HTTP/1.1\r\nHost: islet\r\nContent-Length: 3\r\n\r\nM1\r", 4.0],
    23: [block(with_charset(b"8859/1"))],
    24: [block(with_charset(b""))],
    25: [block(with_charset(b"UNICODE UTF-8"))],
    26: [block(b"\xef\xbb\xbf" + ONE)],
    27: [block(ONE.replace(b"|2.5.1\r", b"|2.5.1|||AL|NE\r"))],
    28: [block(ONE.replace(b"|2.5.1\r", b"|2.5.1||||2\r"))],
    29: [block(oru(""))],
    30: [block(oru("M1", extra="OBX|2|ED|PDF||" + "A" * 1_000_000 + "\r"))],
    31: [block(ONE.replace(b"^~\\&", b"^~\\&#", 1))],
    32: [block(ONE.replace(b"|^~\\&|", b"|^~|", 1))],
    33: [b"\x0bMSH|^~\\&|GLUCO|STM|half" + block(TWO)],
    34: [block(ONE)[:-40], CUT],
    35: [block(ONE)[:-40], 32.0],
    36: [block(oru("M1", extra="OBX|2|ED|PDF||" + "A" * 3_000_000 + "\r"))],
    37: [block(oru("M1", "ACK^R01")) + block(b"MSH|^~\\&|||||||ACK|9|P|2.5.1\rMSA|AA|M1\r")],
    38: [block(ONE + b"DSC|1|F\r")],
    39: [block(oru("M1", "ADT^A01"))],
    40: [block(ONE.replace(b"OBX|", b"obx|") + b"ZGL|1|own\rQQQ|1\r")],
}


class Row(NamedTuple):
    """What the table says. Answers as `AA M1`, or the code alone where MSA-2 is empty."""

    number: int
    what: str
    answers: list[str]
    taken: int
    connection: str


def rows() -> list[Row]:
    pattern = r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| (\d+) \| (stays|closed) \|$"
    found = re.findall(pattern, PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [
        Row(int(number), what, [] if answers == "none" else answers.split(", "), int(taken), connection)
        for number, what, answers, taken, connection in found
    ]


def test_every_row_of_the_page_is_tried_and_everything_that_is_tried_is_on_the_page() -> None:
    assert [row.number for row in rows()] == list(SENT)


async def play(door: Door, peer: Peer, steps: list[Step]) -> None:
    for step in steps:
        if isinstance(step, bytes):
            await peer.send(step)
        elif step == CUT:
            await let_run()
            peer.writer.transport.abort()
        else:
            await let_run()
            await door.clock.advance(float(step))
        await let_run()


async def heard_until(peer: Peer, last: str) -> list[str]:
    """Code and MSA-2 of every answer before the one to `last`."""
    found = []
    while (answer := await peer.answer()).control_id != last:
        found.append(f"{answer.code} {answer.control_id}".strip())
    return found


async def heard_to_the_end(peer: Peer) -> list[str]:
    answers = [parse_ack(part.removeprefix(b"\x0b")) for part in (await peer.rest()).split(b"\x1c\r") if part]
    return [f"{answer.code} {answer.control_id}".strip() for answer in answers]


@pytest.mark.parametrize("prompt", [False, True], ids=["asked", "handed over"])
@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.number} {row.what}")
async def test_an_odd_sender_gets_what_the_page_says(row: Row, prompt: bool) -> None:
    async with Door(accepts=("ORU",), max_size="2 MB", prompt=prompt) as door:
        peer, other = await door.peer(), await door.peer()
        await play(door, peer, SENT[row.number])
        if row.connection == "closed":
            assert await heard_to_the_end(peer) == row.answers
        else:
            await peer.send(block(oru("LAST")))
            assert await heard_until(peer, "LAST") == row.answers
        assert (await other.ask(oru("OTHER"))).code == "AA"  # nobody else is harmed
        ids = [taken.arrival.meta["control_id"] for taken in door.taken]
        assert len(ids) - ids.count("LAST") - ids.count("OTHER") == row.taken
        assert CANARY not in repr(door.log.events)
