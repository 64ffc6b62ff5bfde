"""Writing segments from values: each leaf is escaped, empty ends are left off."""

from collections.abc import Mapping, Sequence

from clinical.hl7v2.delimiters import Delimiters

Part = str | tuple[str, ...]
"""A component: one value, or its sub-components."""

Field = str | tuple[Part, ...] | Sequence[tuple[Part, ...]]
"""A field: one value, its components (a tuple), or its repetitions (a list of tuples)."""

STANDARD = Delimiters.of("|", "^~\\&")


def segment(name: str, fields: Mapping[int, Field], delimiters: Delimiters = STANDARD) -> str:
    """A segment's text without its end; fields by number. For MSH, 1 and 2 are written by themselves."""
    texts = [""] * max(fields, default=0)
    for number, field in fields.items():
        texts[number - 1] = _field(field, delimiters)
    if name == "MSH":
        texts[:2] = [delimiters.encoding_chars]
    return delimiters.field.join([name, *texts]).rstrip(delimiters.field)


def _field(field: Field, delimiters: Delimiters) -> str:
    if isinstance(field, str):
        return delimiters.escaped(field)
    if isinstance(field, tuple):
        return _joined(delimiters.component, [_part(part, delimiters) for part in field])
    return _joined(delimiters.repetition, [_field(repetition, delimiters) for repetition in field])


def _part(part: Part, delimiters: Delimiters) -> str:
    if isinstance(part, str):
        return delimiters.escaped(part)
    return _joined(delimiters.subcomponent, [delimiters.escaped(leaf) for leaf in part])


def _joined(sep: str, texts: list[str]) -> str:
    return sep.join(texts).rstrip(sep)
