"""A day's readings as columns of bytes: what its element was made from, so that one more reading need only be added.

Kept beside the element of a day that is still growing. It holds the day and `CONTEXT_MILLIS` around it, as far as known
when it was made, and is the same as what would be read from the readings themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from clinical.outcomes.cleaning import ASIDE_MILLIS, Readings
from clinical.outcomes.levels import I64
from clinical.outcomes.reasons import Reason, Span


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One reading: a number that recognises it, and what counts of it. `unit`: its place in `levels.UNITS` or -1;
    `sensor`: the name of what measured it."""

    key: int
    millis: int
    steps: int
    unit: int
    interval_seconds: int
    detection: int
    sensor: str


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    sensors: tuple[str, ...]
    columns: bytes
    spans: tuple[tuple[int, int, int], ...]


_LAYOUT: Final = np.dtype(
    [
        ("key", "<i8"),
        ("millis", "<i8"),
        ("steps", "<i4"),
        ("interval", "<i2"),
        ("unit", "i1"),
        ("detection", "i1"),
        ("sensor", "<i2"),
    ]
)
_LARGEST: Final = np.iinfo(np.int32).max
_LONGEST: Final = np.iinfo(np.int16).max
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Readings in any order, and the time that device events exclude."""

    sensors: tuple[str, ...]
    table: NDArray[np.void]
    spans: tuple[Span, ...]

    def with_rows(self, rows: Sequence[Row]) -> "Columns":
        """With these too; one that is here already is not taken twice."""
        keys = self.table["key"]
        new = {row.key: row for row in rows if not (keys == row.key).any()}
        if not new:
            return self
        sensors = self.sensors + tuple(sorted({row.sensor for row in new.values()} - set(self.sensors)))
        added = _table(list(new.values()), sensors)
        return Columns(sensors, _rows_of(self.table.tobytes() + added.tobytes()), self.spans)

    def since(self, millis: int) -> "Columns":
        """Those from this moment on."""
        chosen = self.table["millis"] >= millis
        return self if chosen.all() else Columns(self.sensors, self.table[chosen], self.spans)

    def count(self, since: int) -> int:
        """How many there are from this moment on."""
        return int(np.count_nonzero(self.table["millis"] >= since))

    def readings(self) -> Readings:
        """As arrays, with sensors numbered by name."""
        return side_by_side([self])[0]

    def encode(self) -> bytes:
        spans = tuple((span.start_millis, span.end_millis, int(span.reason)) for span in self.spans)
        return _encoder.encode(_Stored(self.sensors, self.table.tobytes(), spans))


def columns(rows: Sequence[Row], spans: Sequence[Span]) -> Columns:
    """The columns of these readings."""
    sensors = tuple(sorted({row.sensor for row in rows}))
    return Columns(sensors, _table(rows, sensors), tuple(spans))


def decode(body: bytes) -> Columns:
    """What `Columns.encode` wrote."""
    stored = _decoder.decode(body)
    spans = tuple(Span(start, end, Reason(reason)) for start, end, reason in stored.spans)
    return Columns(stored.sensors, _rows_of(stored.columns), spans)


def side_by_side(many: Sequence[Columns]) -> tuple[Readings, I64]:
    """Those of many patients on one line of time, the `n`-th moved by `n * ASIDE_MILLIS`, sensors numbered by name for
    each patient apart; and by how much each is moved. A time that cannot be stays one that cannot be."""
    table = _rows_of(b"".join(each.table.tobytes() for each in many))
    owner = np.repeat(np.arange(len(many)), [each.table.size for each in many])
    firsts = np.cumsum([0, *(len(each.sensors) for each in many[:-1])])
    places = np.array([place for each in many for place in _places(each.sensors)] or [0], np.int64)
    shift = owner * ASIDE_MILLIS
    millis = table["millis"] if len(many) == 1 else np.clip(table["millis"], 0, ASIDE_MILLIS - 1) + shift
    found = Readings(
        millis,
        table["steps"].astype(np.int64),
        table["unit"].astype(np.int64),
        table["interval"].astype(np.int64),
        table["detection"].astype(np.int64),
        places[firsts[owner] + table["sensor"]],
        np.zeros(table.size, np.int64),
    )
    return found, shift


def _places(sensors: Sequence[str]) -> list[int]:
    """Of each its place among them by name."""
    by_name = {name: place for place, name in enumerate(sorted(sensors))}
    return [by_name[name] for name in sensors]


def _rows_of(body: bytes) -> NDArray[np.void]:
    return np.frombuffer(body, _LAYOUT)


def _table(rows: Sequence[Row], sensors: Sequence[str]) -> NDArray[np.void]:
    """Amounts beyond any sensor's are cut to what a column holds; they are as impossible there."""
    place = {name: number for number, name in enumerate(sensors)}
    return np.array(
        [
            (
                row.key,
                row.millis,
                max(-_LARGEST, min(row.steps, _LARGEST)),
                min(row.interval_seconds, _LONGEST),
                row.unit,
                row.detection,
                place[row.sensor],
            )
            for row in rows
        ],
        _LAYOUT,
    )


def key_of(id_: str) -> int:
    """A number for a reading's id (a UUID), from its random half."""
    return int.from_bytes(bytes.fromhex(id_.replace("-", "")[-16:]), "little", signed=True)
