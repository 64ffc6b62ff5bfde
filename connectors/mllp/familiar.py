"""What a peer's messages have in common: hardly any sender changes more of MSH than its time and its control id."""

from typing import Final, Self

from clinical.hl7v2 import Header

_LONGEST: Final = 1000


class Familiar:
    """An MSH that was read and let in. A hot path: the next one may differ in MSH-7 and MSH-10, and nothing else of it
    is read again."""

    __slots__ = ("_after", "_before", "_kind", "_rest", "_security", "_separator", "_start", "_type")

    def __init__(self, fields: list[str], found: Header) -> None:
        sep = self._separator = found.field_sep
        self._start = (sep.join(fields[:6]) + sep).encode()
        _, self._security, self._kind, _, self._rest = fields[6:]
        self._before = (
            sep,
            found.encoding_chars,
            found.sending_application,
            found.sending_facility,
            found.receiving_application,
            found.receiving_facility,
        )
        self._type = found.message_type
        self._after = (
            found.processing_id,
            found.version,
            found.accept_ack,
            found.application_ack,
            found.charset,
            found.codec,
        )

    @classmethod
    def of(cls, content: bytes, found: Header) -> Self | None:
        """To know messages like this one by, which has this header; None where its MSH is out of the common."""
        msh = content[: max(content.find(b"\r"), 0)]
        if not msh.startswith(b"MSH") or len(msh) > _LONGEST or not msh.isascii() or b"\n" in msh:
            return None
        fields = msh.decode("ascii").split(found.field_sep, 10)
        return cls(fields, found) if len(fields) == 11 else None

    def header(self, content: bytes) -> Header | None:
        """The header of a message with such an MSH; None for all others."""
        start = self._start
        end = content.find(b"\r")
        if end < 0 or not content.startswith(start):
            return None
        try:
            line = content[len(start) : end].decode("ascii")
            time, security, kind, control_id, rest = line.split(self._separator, 4)
        except ValueError:  # no ASCII, or too few fields
            return None
        if kind != self._kind or rest != self._rest or security != self._security or "\n" in line:
            return None
        return Header(*self._before, time, self._type, control_id, *self._after)
