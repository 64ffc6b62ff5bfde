"""Bytes that begin as MLLP and HL7 and go wrong somewhere: the same ones for the same seed."""

from collections.abc import Callable, Iterator
from random import Random

from tests.integration.mllp.parties import CANARY, block, oru

_MESSAGES = (
    oru("M1"),
    oru("M2", "ADT^A01"),
    oru("A1", "ACK^R01"),
    oru("M3").replace(b"\r", b"\n"),
    b"BHS|^~\\&|GLUCO|STM|ISLET|LAB|20261120||||B1\r" + oru("M4") + oru("M5") + b"BTS|3\r",
    oru("M6", extra="OBX|2|ED|PDF||" + "A" * 3000 + "\rDSC|1|F\r"),
    oru("M7").replace(b"|2.5.1\r", b"|2.5.1||1|AL|NE||8859/1\r").replace(b"STM", b"ST\xc4M"),
    b"\x06",
    b"",
    CANARY.encode(),
)
_SIGNS = (b"\x0b", b"\x1c", b"\r", b"\n", b"\0", b"|", b"^", b"~", b"\\", b"&", b"MSH", b"\rMSH|", b"\xff", b"\x15")


def _untouched(chance: Random, raw: bytes) -> bytes:
    return raw


def _sign_put_in(chance: Random, raw: bytes) -> bytes:
    place = chance.randrange(len(raw) + 1)
    return raw[:place] + chance.choice(_SIGNS) + raw[place:]


def _byte_changed(chance: Random, raw: bytes) -> bytes:
    place = chance.randrange(len(raw) + 1)
    return raw[:place] + bytes([chance.randrange(256)]) + raw[place + 1 :]


def _part_cut_out(chance: Random, raw: bytes) -> bytes:
    place = chance.randrange(len(raw) + 1)
    return raw[:place] + raw[place + chance.randrange(40) :]


def _part_repeated(chance: Random, raw: bytes) -> bytes:
    place = chance.randrange(len(raw) + 1)
    return raw[:place] + raw[place : place + 30] * chance.randrange(1, 4) + raw[place:]


def _end_cut_off(chance: Random, raw: bytes) -> bytes:
    return raw[: chance.randrange(len(raw) + 1)]


_CHANGES: tuple[Callable[[Random, bytes], bytes], ...] = (
    _untouched,
    _sign_put_in,
    _byte_changed,
    _part_cut_out,
    _part_repeated,
    _end_cut_off,
)


def changed(chance: Random, raw: bytes) -> bytes:
    """These bytes with up to three things gone wrong."""
    for _ in range(chance.randrange(4)):
        raw = chance.choice(_CHANGES)(chance, raw)
    return raw


def frames(chance: Random, count: int) -> bytes:
    """So many blocks, with something wrong inside them, around them or between them."""
    return b"".join(changed(chance, block(changed(chance, chance.choice(_MESSAGES)))) for _ in range(count))


def pieces(chance: Random, raw: bytes) -> Iterator[bytes]:
    """The same bytes in writes of any length."""
    while raw:
        length = chance.choice((1, 7, 300, 5000))
        yield raw[:length]
        raw = raw[length:]
