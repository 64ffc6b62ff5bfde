"""MLLP blocks in a stream of bytes: `0B` content `1C 0D` (HL7 v2 transport, MLLP release 1).

Blocks come split and joined anywhere, and not every peer ends them alike; the decoder takes what cannot be
misread: `1C 0D`, `1C 0A`, `1C 0D 0A` and a bare `1C` before the next `0B`.
"""

from typing import Final

START: Final = b"\x0b"
END: Final = b"\x1c\r"
RESERVED: Final = b"\x0b\x1c"
"""Bytes that no content may hold."""

_START_BYTE: Final = 0x0B
_END_BYTE: Final = b"\x1c"
_CARRIAGE_RETURN: Final = 0x0D
_AFTER_END: Final = b"\r\n\x0b"  # what may follow 1C when it ends a block
_BLANKS: Final = b"\0\t\n\r\x1c "  # between blocks these mean nothing: line ends, padding, a second end
_PREFIX_BYTES: Final = 4096


class FrameTooLarge(Exception):
    """A block is longer than agreed. `prefix` is how it begins, enough to answer it."""

    def __init__(self, prefix: bytes) -> None:
        self.prefix = prefix
        super().__init__("the MLLP block is longer than agreed")


def enclose(content: bytes) -> bytes:
    """The block with this content. Raises ValueError if the content holds a byte that would end or restart it."""
    if _END_BYTE in content or START in content:
        raise ValueError("the content holds a byte 0B or 1C, which MLLP keeps for itself")
    return b"\x0b%b\x1c\r" % content


class Decoder:
    """Takes bytes as they come and gives the content of whole blocks, one at a time.

    Pulled, not pushed: who has no room for another block leaves the bytes here and asks again later. Every byte is
    looked at once, so one block of 50 MB in many pieces costs no more than 50 MB in many blocks.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.inside = False
        """A block has begun and has not ended yet."""
        self.junk = 0
        """Bytes outside blocks, blanks left out; all of them were dropped."""
        self.restarts = 0
        """Blocks given up because another one began inside them."""
        self._buffer = bytearray()  # inside: content so far; outside: bytes not looked at
        self._seen = 0  # the content up to here holds neither end nor start

    def whole(self, data: bytes) -> bytes | None:
        """The content of `data`, if nothing was left over and it is one block from end to end, as nearly always where
        a sender waits for each answer; else it is to be fed."""
        end = len(data) - 2
        if (
            data.rfind(START) == 0
            and data.find(_END_BYTE) == end
            and data[-1] == _CARRIAGE_RETURN
            and end <= self.max_size + 1
            and not (self._buffer or self.inside)
        ):
            return data[1:end]
        return None

    def feed(self, data: bytes) -> None:
        """Add what came; `take` finds what it makes whole."""
        self._buffer += data

    def take(self) -> bytes | None:
        """The content of the next whole block, or None until more bytes come.

        Raises FrameTooLarge as soon as a block is longer than `max_size`; what follows is then not to be relied on.
        """
        buffer = self._buffer
        if not buffer or not (self.inside or self._enter()):
            return None
        while (end := buffer.find(_END_BYTE, self._seen)) >= 0:
            if buffer.rfind(START, self._seen, end) >= 0:
                end -= self._restart(end)
            if end + 1 == len(buffer):
                self._seen = end  # what comes next tells if it is the end
                break
            if buffer[end + 1] in _AFTER_END:
                return self._leave(end, end + 1 if buffer[end + 1] == _START_BYTE else end + 2)
            self._seen = end + 1
        else:
            if buffer.rfind(START, self._seen) >= 0:
                self._restart(len(buffer))
            self._seen = len(buffer)
        self._check_size(self._seen)
        return None

    def take_unended(self) -> bytes | None:
        """The content of a block whose last byte so far is a bare `1C`: for when nothing follows it any more."""
        if not (self.inside and self._buffer.endswith(_END_BYTE)):
            return None
        return self._leave(len(self._buffer) - 1, len(self._buffer))

    def _enter(self) -> bool:
        """Drop what stands before the next block; go inside if there is one."""
        start = self._buffer.find(START)
        if start:
            outside = self._buffer[:start] if start > 0 else self._buffer
            self.junk += len(outside.translate(None, _BLANKS))
        if start < 0:
            self._buffer.clear()
            return False
        del self._buffer[: start + 1]
        self.inside, self._seen = True, 0
        return True

    def _restart(self, end: int) -> int:
        """Begin again at the last start before `end`; how many bytes were given up."""
        start = self._buffer.rfind(START, self._seen, end) + 1
        del self._buffer[:start]
        self._seen = 0
        self.restarts += 1
        return start

    def _leave(self, end: int, after: int) -> bytes:
        self._check_size(end)
        with memoryview(self._buffer) as view:
            content = bytes(view[:end])
        del self._buffer[:after]
        self.inside = False
        return content

    def _check_size(self, size: int) -> None:
        if size > self.max_size:
            prefix = bytes(self._buffer[:_PREFIX_BYTES])
            self._buffer.clear()
            raise FrameTooLarge(prefix)
