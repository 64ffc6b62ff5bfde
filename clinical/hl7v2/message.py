"""A message as a list of segments that are split only where somebody looks.

Text is decoded once; everything below a segment stays raw until it is asked for, and is un-escaped at the leaf. The
bytes are kept, so that whatever is not edited is written as it came.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from clinical.hl7v2.charset import FALLBACK, Charset, decode
from clinical.hl7v2.delimiters import NULL, Delimiters
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.header import end_of_first_segment, first_repetition, start_of
from clinical.hl7v2.paths import ALL, Path, parse_path
from clinical.hl7v2.rows import rows
from clinical.hl7v2.segment import HEADERS, HeaderSegment, Raw, Segment

_LINE_ENDS = re.compile("[\r\n]+")
_LINES = re.compile(b"([\r\n]+)")


class Message:
    """A message that has been opened by `parse`. Immutable: `but` gives another one."""

    __slots__ = ("_names", "_segments", "_split", "_text", "charset", "delimiters", "raw")

    def __init__(self, raw: bytes, delimiters: Delimiters, charset: Charset, text: str) -> None:
        self.raw = raw
        self.delimiters = delimiters
        self.charset = charset
        self._text = text
        self._split: list[str] | None = None
        self._names: list[str] | None = None
        self._segments: list[Segment | None] = []

    def __repr__(self) -> str:
        return f"<HL7 v2 message of {len(self.segments)} segments>"

    @property
    def segments(self) -> Sequence[Segment]:
        """All of them, in order; the first is MSH."""
        return [self._segment(number) for number in range(len(self._lines))]

    def all(self, name: str) -> list[Segment]:
        """Every segment of that name, in order."""
        return [self._segment(number) for number in self._places(name)]

    def first(self, name: str) -> Segment | None:
        found = self._places(name)
        return self._segment(found[0]) if found else None

    def rows(self, name: str, *fields: int) -> list[tuple[str, ...]]:
        """The first leaf of each of these fields, of every segment of that name, in order: what `leaf` gives, for
        messages with hundreds of equal segments, at a fraction of the cost. Two fields or more, in ascending order,
        and no header's."""
        assert name not in HEADERS
        return rows(self._text, name, fields, self.delimiters, self.charset.codec)

    @property
    def _lines(self) -> list[str]:
        """The segments as text. Blank lines are none."""
        if self._split is None:
            text = self._text
            lines = _LINE_ENDS.split(text) if "\n" in text else text.split("\r")
            self._split = [line for line in lines if line.strip(" \t")]
            self._segments = [None] * len(self._split)
        return self._split

    def _places(self, name: str) -> Sequence[int]:
        """Where the segments of that name stand."""
        if self._names is None:
            lines, sep = self._lines, self.delimiters.field
            self._names = [line[:3] for line in lines if line[3:4] == sep]
            if len(self._names) < len(lines) or not "".join(self._names).isupper():  # as few do
                self._names = [line.partition(sep)[0].upper() for line in lines]
        return [number for number, found in enumerate(self._names) if found == name]

    def _segment(self, number: int) -> Segment:
        lines = self._split or self._lines
        made = self._segments[number]
        if made is None:
            line = lines[number]
            header = number == 0 or line.partition(self.delimiters.field)[0].upper() in HEADERS
            kind = HeaderSegment if header else Segment
            made = self._segments[number] = kind(line, self.delimiters, self.charset.codec)
        return made

    def get(self, path: str) -> str:
        """The first value at a path, `""` if there is none. Raises Hl7Error for a path that is none."""
        return next(iter(self.values(path)), "")

    def get_raw(self, path: str) -> Raw:
        """As `get`, with escapes and parts as they stand: to be written elsewhere by `but`."""
        parsed = parse_path(path)
        return next((text for segment in self._of(parsed) for text in segment.raw_values(parsed)), Raw(""))

    def values(self, path: str) -> list[str]:
        """Every value at a path: of all segments and repetitions that the path does not single out."""
        parsed = parse_path(path)
        named = self._of(parsed)
        return (
            named[0].values(parsed) if len(named) == 1 else [one for segment in named for one in segment.values(parsed)]
        )

    def _of(self, path: Path) -> list[Segment]:
        return [self._segment(number) for number in self._places_of(path)]

    def _places_of(self, path: Path) -> Sequence[int]:
        found = self._places(path.segment)
        return found[path.occurrence - 1 : path.occurrence] if path.occurrence else found

    def part(self, segments: Iterable[Segment | None]) -> bytes:
        """A message of these segments, each as it came, ended by carriage returns."""
        text = "".join(segment.text + "\r" for segment in segments if segment is not None)
        return text.encode(self.charset.codec)

    def but(self, changes: Mapping[str, str]) -> "Message":
        """This message with other values at these paths; values are escaped as they are written, unless `Raw`.

        A path without an index means every segment of that name, and of a repeating field the first repetition;
        `[*]` means all of either. Fields and parts that were not there are made. `'""'` writes a deleted value.
        Untouched segments keep their bytes. Raises Hl7Error if a path cannot be written, a segment is not there, or
        a value has no form in the message's character set.
        """
        raw = self.edited(changes)
        return self if raw is self.raw else parse(raw, self.charset.codec)

    def edited(self, changes: Mapping[str, str]) -> bytes:
        """The bytes of `but(changes)`, without opening them."""
        edited: dict[int, list[str]] = {}
        for text, value in changes.items():
            path = _writable(parse_path(text))
            places = self._places_of(path)
            if not places:
                raise Hl7Error("there is no such segment to write to", str(path), "no-segment")
            escaped = self._written(value, path)
            for number in places:
                if number not in edited:
                    edited[number] = self._lines[number].split(self.delimiters.field)
                _put_field(edited[number], path, escaped, self.delimiters)
        raw = self._rewritten(edited) if edited else self.raw
        if any(path.startswith("MSH-18") for path in changes):
            self._check_charset(raw)
        return raw

    def _written(self, value: str, path: Path) -> str:
        if value == NULL:
            return value
        if not isinstance(value, Raw):
            return self.delimiters.escaped(value)
        levels = [self.delimiters.field, self.delimiters.repetition]
        levels += [self.delimiters.component] if path.component is not None else []
        levels += [self.delimiters.subcomponent] if path.subcomponent is not None else []
        if any(sep and sep in value for sep in levels):
            raise Hl7Error("a value with parts has no place there; write it to a whole field", str(path), "bad-path")
        return value

    def _check_charset(self, raw: bytes) -> None:
        made = parse(raw, self.charset.codec)
        if made.charset.codec != self.charset.codec and not raw.isascii():
            raise Hl7Error("another character set needs the text written anew, which this edit does not", "MSH-18")

    def _rewritten(self, edited: Mapping[int, Sequence[str]]) -> bytes:
        """The bytes with some segments replaced; all else, line ends included, as it was."""
        start, last = start_of(self.raw), max(edited)
        raw = self.raw[start:] if start else self.raw
        usual = b"\n" not in raw
        pieces = raw.split(b"\r", last + 1) if usual else _LINES.split(raw)  # behind the last one all stays
        if usual and len(pieces) > last and not all(piece.strip(b" \t") for piece in pieces[: last + 1]):
            pieces = raw.split(b"\r")  # blank lines are none
        number = -1
        for index in range(0, len(pieces), 1 if usual else 2):
            if pieces[index].strip(b" \t"):
                number += 1
                if number in edited:
                    pieces[index] = self._encoded(self.delimiters.field.join(edited[number]))
                if number == last:
                    break
        return self.raw[:start] + (b"\r" if usual else b"").join(pieces)

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode(self.charset.codec)
        except UnicodeEncodeError:
            raise Hl7Error(
                "the value has a character that the message's character set (MSH-18) does not have",
                text[:3].upper(),
                "charset",
            ) from None


def parse(raw: bytes, default_charset: str = FALLBACK) -> Message:
    """Open a message. Any line ends, blank lines and a byte order mark are taken.

    The character set is MSH-18's; where that is empty or unknown, UTF-8 if the bytes are that, else
    `default_charset` (a codec). Raises Hl7Error if there is no MSH, or its separators cannot be used; never anything
    else, whatever the bytes.
    """
    global _last  # noqa: PLW0603 - see below
    last = _last
    if last is not None and last[0] is raw and last[1] == default_charset:
        return last[2]
    start = start_of(raw)
    msh = raw[start : end_of_first_segment(raw, start)].split(raw[start + 3 : start + 4], 18)
    declared = first_repetition(msh[17].decode("ascii", "replace")) if len(msh) > 17 else ""
    text, charset = decode(raw[start:] if start else raw, declared, default_charset)
    delimiters = Delimiters.of(text[3:4], msh[1].decode("iso8859-1"))
    message = Message(raw, delimiters, charset, text)
    _last = raw, default_charset, message
    return message


# A filter and the steps after it open the same bytes one after the other. Messages are not changed once made, and
# one assignment of a tuple is safe between threads.
_last: tuple[bytes, str, Message] | None = None


def _writable(path: Path) -> Path:
    if path.field is None:
        raise Hl7Error("names a whole segment; write a field, such as PID-3.4", str(path), "bad-path")
    if path.segment in HEADERS and path.field <= 2:
        raise Hl7Error("the separators of a message cannot be changed", str(path), "bad-path")
    return path


def _put_field(fields: list[str], path: Path, escaped: str, delimiters: Delimiters) -> None:
    """Put an escaped value at a path of a segment that has been split into fields."""
    assert path.field is not None
    index = path.field - (1 if path.segment in HEADERS else 0)
    if index >= len(fields):
        fields += [""] * (index + 1 - len(fields))
    below = (delimiters.component, delimiters.subcomponent)
    wanted = [number for number in (path.component, path.subcomponent) if number is not None]
    if not all(below[: len(wanted)]):
        raise Hl7Error("MSH-2 names no separator for such a part", str(path), "bad-path")
    sep = delimiters.repetition
    if not wanted and not path.repetition and not (sep and sep in fields[index]):
        fields[index] = escaped
        return
    parts = fields[index].split(sep) if sep else [fields[index]]
    if path.repetition == ALL:
        parts = [_put(part, wanted, below, escaped) for part in parts]
    else:
        number = path.repetition or 1
        if number > 1 and not sep:
            raise Hl7Error("MSH-2 names no separator for repetitions", str(path), "bad-path")
        parts += [""] * (number - len(parts))
        parts[number - 1] = _put(parts[number - 1], wanted, below, escaped)
    fields[index] = sep.join(parts)


def _put(text: str, wanted: Sequence[int], seps: Sequence[str], escaped: str) -> str:
    if not wanted:
        return escaped
    parts = text.split(seps[0])
    parts += [""] * (wanted[0] - len(parts))
    parts[wanted[0] - 1] = _put(parts[wanted[0] - 1], wanted[1:], seps[1:], escaped)
    return seps[0].join(parts)
