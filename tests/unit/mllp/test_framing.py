"""MLLP blocks, however they are cut, joined and ended."""

import sys
from contextlib import suppress
from itertools import pairwise
from typing import SupportsIndex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mllp.framing import Decoder, FrameTooLarge, enclose

ONE = b"MSH|^~\\&|A|B\rPID|1\r"
TWO = b"MSH|^~\\&|C|D\rPID|2\r"


def taken(decoder: Decoder, *pieces: bytes) -> list[bytes]:
    found = []
    for piece in pieces:
        decoder.feed(piece)
        while (content := decoder.take()) is not None:
            found.append(content)
    return found


@pytest.mark.parametrize("end", [b"\x1c\r", b"\x1c\n", b"\x1c\r\n"], ids=["1C 0D", "1C 0A", "1C 0D 0A"])
def test_a_block_split_at_every_byte_is_the_same_block(end: bytes) -> None:
    stream = b"\x0b" + ONE + end + b"\x0b" + TWO + end
    for cut in range(len(stream) + 1):
        decoder = Decoder(1000)
        assert taken(decoder, stream[:cut], stream[cut:]) == [ONE, TWO], f"cut at {cut}"
        assert decoder.junk == 0
    assert taken(Decoder(1000), *(bytes([byte]) for byte in stream)) == [ONE, TWO]


def test_a_bare_end_before_the_next_block_ends_the_block() -> None:
    stream = b"\x0b" + ONE + b"\x1c\x0b" + TWO + b"\x1c\r"
    for cut in range(len(stream) + 1):
        assert taken(Decoder(1000), stream[:cut], stream[cut:]) == [ONE, TWO], f"cut at {cut}"


def test_a_bare_end_with_nothing_behind_it_waits_and_can_be_taken_when_nothing_follows() -> None:
    decoder = Decoder(1000)
    assert taken(decoder, b"\x0b" + ONE + b"\x1c") == []
    assert decoder.inside
    assert decoder.take_unended() == ONE
    assert not decoder.inside
    assert taken(decoder, b"\r\x0b" + TWO + b"\x1c\r") == [TWO]
    assert decoder.junk == 0


def test_an_unfinished_block_is_not_taken_for_an_unended_one() -> None:
    decoder = Decoder(1000)
    assert taken(decoder, b"\x0b" + ONE) == []
    assert decoder.take_unended() is None
    assert decoder.inside


def test_an_end_byte_inside_the_content_does_not_end_it() -> None:
    assert taken(Decoder(1000), b"\x0bab\x1ccd\x1c\x1c\r") == [b"ab\x1ccd\x1c"]


def test_junk_outside_blocks_is_dropped_and_counted_and_blanks_are_not_junk() -> None:
    decoder = Decoder(1000)
    stream = b"hello\x0b" + ONE + b"\x1c\r\n\0\0 \x1c\r" + b"xyz\x0b" + TWO + b"\x1c\r!"
    assert taken(decoder, stream) == [ONE, TWO]
    assert decoder.junk == len(b"hello") + len(b"xyz") + len(b"!")


def test_a_second_start_inside_a_block_begins_again() -> None:
    stream = b"\x0bMSH|half\x0b\x0b" + ONE + b"\x1c\r"
    for cut in range(len(stream) + 1):
        decoder = Decoder(1000)
        assert taken(decoder, stream[:cut], stream[cut:]) == [ONE], f"cut at {cut}"
        assert decoder.restarts >= 1


def test_the_longest_block_is_taken_and_one_byte_more_is_refused() -> None:
    assert taken(Decoder(10), b"\x0b" + b"x" * 10, b"\x1c", b"\r") == [b"x" * 10]
    assert taken(Decoder(10), b"\x0b" + b"x" * 10 + b"\x1c\r") == [b"x" * 10]
    with pytest.raises(FrameTooLarge):
        taken(Decoder(10), b"\x0b" + b"x" * 11 + b"\x1c\r")


def test_an_oversize_block_is_found_out_before_it_ends_and_keeps_how_it_begins() -> None:
    decoder = Decoder(100)
    decoder.feed(b"\x0b" + ONE + b"x" * 100)
    with pytest.raises(FrameTooLarge) as caught:
        decoder.take()
    assert caught.value.prefix.startswith(ONE)


def test_blocks_before_an_oversize_one_are_still_taken() -> None:
    decoder = Decoder(100)
    decoder.feed(enclose(ONE) + b"\x0b" + b"x" * 101)
    assert decoder.take() == ONE
    with pytest.raises(FrameTooLarge):
        decoder.take()


class _CountingBuffer(bytearray):
    """Counts the bytes that searches look at."""

    looked_at = 0

    def _range(self, start: SupportsIndex | None, end: SupportsIndex | None) -> int:
        return min(sys.maxsize if end is None else int(end), len(self)) - int(start or 0)

    def find(self, sub, start=None, end=None):  # type: ignore[no-untyped-def]
        found = super().find(sub, start, end)
        self.looked_at += self._range(start, end if found < 0 else found)
        return found

    def rfind(self, sub, start=None, end=None):  # type: ignore[no-untyped-def]
        self.looked_at += self._range(start, end)
        return super().rfind(sub, start, end)


def test_a_block_of_50_mb_in_many_pieces_is_looked_at_a_bounded_number_of_times() -> None:
    size = 50_000_000
    decoder = Decoder(size)
    buffer = decoder._buffer = _CountingBuffer()
    piece = b"x" * 50_000
    decoder.feed(b"\x0b")
    for _ in range(size // len(piece)):
        decoder.feed(piece)
        assert decoder.take() is None
    decoder.feed(b"\x1c\r")
    content = decoder.take()
    assert content is not None
    assert len(content) == size
    assert decoder._buffer is buffer
    assert buffer.looked_at <= 2 * size + 100


def test_enclosing_and_taking_is_the_identity_and_reserved_bytes_are_refused() -> None:
    assert taken(Decoder(1000), enclose(ONE)) == [ONE]
    for reserved in (b"\x0b", b"\x1c"):
        with pytest.raises(ValueError, match="0B or 1C"):
            enclose(b"MSH" + reserved)


def test_one_block_from_end_to_end_is_taken_without_being_kept() -> None:
    decoder = Decoder(len(ONE))
    assert decoder.whole(enclose(ONE)) == ONE
    assert not decoder._buffer
    others = [b"", b"\x0b", b"\x0b\x1c", ONE, enclose(ONE) + b"\n", enclose(ONE) * 2, b"\x0b" + ONE + b"\x1c\n"]
    others += [
        b"\x0b\x0b" + ONE[1:] + b"\x1c\r",
        b"\x0b" + ONE[1:] + b"\x1c\x1c\r",
        b"\x0bx" + ONE + b"\x1c\r",
        b"\x1c\r",
    ]
    for other in others:
        assert decoder.whole(other) is None, other
    decoder.feed(b"junk")
    assert decoder.whole(enclose(ONE)) is None


@given(st.binary(max_size=12))
def test_what_is_one_block_for_the_short_way_is_that_block_for_the_long_way(data: bytes) -> None:
    raw = b"\x0b" + data + b"\x1c\r"
    if (content := Decoder(1000).whole(raw)) is not None:
        assert taken(Decoder(1000), raw) == [content]


_CONTENT = st.binary(max_size=40).map(lambda raw: raw.translate(None, b"\x0b\x1c"))
_JUNK = st.binary(max_size=10).map(lambda raw: raw.translate(None, b"\x0b"))


@given(
    parts=st.lists(st.tuples(_JUNK, _CONTENT, st.sampled_from([b"\x1c\r", b"\x1c\n", b"\x1c\r\n", b"\x1c"]))),
    cuts=st.lists(st.integers(0, 400)),
)
def test_every_stream_of_blocks_and_junk_gives_its_blocks_however_it_is_cut(
    parts: list[tuple[bytes, bytes, bytes]], cuts: list[int]
) -> None:
    stream = b""
    for junk, content, end in parts:
        # A bare end works only right before the next block, so nothing stands between.
        stream += (b"" if stream.endswith(b"\x1c") else junk) + b"\x0b" + content + end
    stream += b"\r" if stream.endswith(b"\x1c") else b""
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(places)]
    assert taken(Decoder(1000), *pieces) == [content for _, content, _ in parts]


@given(st.lists(st.binary(max_size=60)))
def test_no_bytes_at_all_can_upset_the_decoder(pieces: list[bytes]) -> None:
    decoder = Decoder(100)
    with suppress(FrameTooLarge):
        for content in taken(decoder, *pieces):
            assert b"\x0b" not in content
            assert len(content) <= 100
