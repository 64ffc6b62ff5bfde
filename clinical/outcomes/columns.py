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

from clinical.outcomes.cleaning import Readings
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
        known = set(self.table["key"].tolist())
        new = {row.key: row for row in rows if row.key not in known}
        if not new:
            return self
        sensors = self.sensors + tuple(sorted({row.sensor for row in new.values()} - set(self.sensors)))
        return Columns(sensors, np.concatenate([self.table, _table(list(new.values()), sensors)]), self.spans)

    def since(self, millis: int) -> "Columns":
        """Those from this moment on."""
        return Columns(self.sensors, self.table[self.table["millis"] >= millis], self.spans)

    def count(self, since: int) -> int:
        """How many there are from this moment on."""
        return int((self.table["millis"] >= since).sum())

    def readings(self) -> Readings:
        """As arrays, with sensors numbered by name."""
        place = np.argsort(np.argsort(np.array(self.sensors or [""]))).astype(np.int64)
        table = self.table
        return Readings(
            table["millis"],
            table["steps"].astype(np.int64),
            table["unit"].astype(np.int64),
            table["interval"].astype(np.int64),
            table["detection"].astype(np.int64),
            place[table["sensor"]],
            np.zeros(table.size, np.int64),
        )

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
    return Columns(stored.sensors, np.frombuffer(stored.columns, _LAYOUT), spans)


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
