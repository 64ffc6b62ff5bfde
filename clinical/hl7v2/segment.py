"""One segment, split where somebody looks. A hot path: a day of sensor readings has 288 of them."""

from collections.abc import Iterator, Sequence

from clinical.hl7v2.delimiters import Delimiters
from clinical.hl7v2.paths import Path

HEADERS = frozenset({"MSH", "FHS", "BHS"})


class Raw(str):
    """A value to be written as it stands: it is escaped already, and may have parts."""

    __slots__ = ()


class Segment:
    """One segment. `name` is in capitals (the whole line, where a line is no segment); `text` is the segment as it
    stands, without its end.

    Fields, repetitions, components and sub-components count from 1. What is not there reads as `""`; a deleted
    value reads as `'""'` (`NULL`).
    """

    __slots__ = ("_fields", "codec", "delimiters", "name", "text")

    def __init__(self, text: str, delimiters: Delimiters, codec: str) -> None:
        self.text = text
        field_sep = delimiters.field
        self.name = (text[:3] if text[3:4] == field_sep else text.partition(field_sep)[0]).upper()
        self.codec = codec
        self.delimiters = delimiters
        self._fields: list[str] | None = None

    def __repr__(self) -> str:
        return "<segment>"

    @property
    def fields(self) -> Sequence[str]:
        """Raw fields; `fields[n]` is field n, `fields[0]` the name."""
        if self._fields is None:
            self._fields = self.text.split(self.delimiters.field)
        return self._fields

    def raw(self, field: int) -> str:
        """The field as it stands, with all its repetitions."""
        fields = self._fields or self.fields
        return fields[field] if field < len(fields) else ""

    def repetitions(self, field: int) -> list[str]:
        """The repetitions of a field as they stand; none if it is empty."""
        text = self.raw(field)
        return text.split(self.delimiters.signs[0]) if text else []

    def leaf(self, field: int, component: int = 1, subcomponent: int = 1, repetition: int = 1) -> str:
        """The value of one leaf, un-escaped. A part without further parts is its own first part."""
        fields = self._fields or self.fields
        if field >= len(fields):
            return ""
        text = fields[field]
        if text.isalnum():  # then there is no separator and no escape in it
            return text if component == subcomponent == repetition == 1 else ""
        sep = self.delimiters.signs[0]
        if sep in text:
            parts = text.split(sep)
            text = parts[repetition - 1] if repetition <= len(parts) else ""
        elif repetition > 1:
            return ""
        return leaf_of(text, self.delimiters, self.codec, component, subcomponent)

    def leaf_of(self, text: str, component: int = 1, subcomponent: int = 1) -> str:
        """As `leaf`, of one repetition."""
        return leaf_of(text, self.delimiters, self.codec, component, subcomponent)

    def raw_values(self, path: Path) -> Iterator[Raw]:
        """What stands at a path in this segment, as it stands: one for each repetition."""
        return map(Raw, self._texts(path))

    def values(self, path: Path) -> list[str]:
        """What stands at a path in this segment: leaves un-escaped, what has parts as it stands."""
        _, component_sep, subcomponent_sep, escape = self.delimiters.signs
        texts = self._texts(path)
        for place, text in enumerate(texts):
            if escape in text and component_sep not in text and subcomponent_sep not in text and path.field is not None:
                texts[place] = self.delimiters.unescaped(text, self.codec)
        return texts

    def _texts(self, path: Path) -> list[str]:
        if path.field is None:
            return [self.text]
        found = self.repetitions(path.field)
        if path.repetition:
            found = found[path.repetition - 1 : path.repetition]
        return found if path.component is None else [self._part(text, path) for text in found]

    def _part(self, text: str, path: Path) -> str:
        _, component_sep, subcomponent_sep, _ = self.delimiters.signs
        if path.component is not None:
            text = _nth(text, component_sep, path.component)
        if path.subcomponent is not None:
            text = _nth(text, subcomponent_sep, path.subcomponent)
        return text


class HeaderSegment(Segment):
    """MSH, FHS or BHS: field 1 is the field separator itself, and field 2 holds the others, so neither has parts."""

    __slots__ = ()

    @property
    def fields(self) -> Sequence[str]:
        if self._fields is None:
            sep = self.delimiters.field
            name, *others = self.text.split(sep)
            self._fields = [name, sep, *others]
        return self._fields

    def repetitions(self, field: int) -> list[str]:
        if field > 2:
            return super().repetitions(field)
        return [text] if (text := self.raw(field)) else []

    def leaf(self, field: int, component: int = 1, subcomponent: int = 1, repetition: int = 1) -> str:
        if field > 2:
            return super().leaf(field, component, subcomponent, repetition)
        return self.raw(field) if component == subcomponent == repetition == 1 else ""

    def values(self, path: Path) -> list[str]:
        return self._texts(path) if (path.field or 3) <= 2 else super().values(path)

    def _part(self, text: str, path: Path) -> str:
        if path.field is None or path.field > 2:
            return super()._part(text, path)
        return text if (path.component or 1) == (path.subcomponent or 1) == 1 else ""


def leaf_of(text: str, delimiters: Delimiters, codec: str, component: int = 1, subcomponent: int = 1) -> str:
    """The value of one leaf of one repetition, un-escaped."""
    _, component_sep, subcomponent_sep, escape = delimiters.signs
    if component_sep in text:
        text = text.partition(component_sep)[0] if component == 1 else _nth(text, component_sep, component)
    elif component > 1:
        return ""
    if subcomponent_sep in text:
        text = _nth(text, subcomponent_sep, subcomponent)
    elif subcomponent > 1:
        return ""
    return delimiters.unescaped(text, codec) if escape in text else text


def _nth(text: str, sep: str, number: int) -> str:
    if number == 1:
        return text.partition(sep)[0]
    parts = text.split(sep, number)
    return parts[number - 1] if number <= len(parts) else ""
