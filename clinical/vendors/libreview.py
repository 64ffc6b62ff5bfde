"""Abbott LibreView's CSV export to records: glucose of sensor and strip, insulin, carbohydrate, notes.

Sensors cut values off: 40 and 500 mg/dL, 2.2 and 27.8 mmol/L stand for what lies beyond, and are recognised in their
own unit. The reader's clock is not put forward in summer, the phone's is: each serial number has its own clock.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from clinical.records import Device, Road
from clinical.vendors.libreview_records import RULE, SENSOR, SYSTEM, LibreRow, RowReader, Stream
from clinical.vendors.libreview_table import Export, open_export
from clinical.vendors.libreview_time import FIELD, MINUTES, DeviceClock, stamps_of_changing_days
from clinical.vendors.making import Maker, Whose
from clinical.vendors.parsing import Flaw, Parsed, Unreadable
from clinical.vendors.sheets import Row
from clinical.vendors.tables import name_text
from clinical.vendors.wall_clock import WallClock


class Settings(NamedTuple):
    """`dates`: `day-first` or `month-first` where a file does not tell. `summer_time`: None finds out for each device
    whether its clock is put forward. `views`: keep the scans of a Libre 3, which only say that somebody looked."""

    dates: str | None = None
    if_twice: str | None = None
    summer_time: bool | None = None
    views: bool = False


def read_libreview(body: bytes, whose: Whose, settings: Settings = Settings()) -> Parsed:  # noqa: B008 - immutable
    """Records of one export of one patient; `whose.zone` is where the devices' clocks were.

    Raises Unreadable, with the line, for a file that is no LibreView export, is garbled or cut, and for one whose dates
    can be read in two ways.
    """
    if whose.zone is None:
        raise Unreadable("the export has no offsets: set `timezone`", code="timezone-missing")
    export = open_export(body, settings.dates)
    reader = RowReader(export, Maker(whose, Road.CSV, SYSTEM, RULE))
    _Reading(export, whose, whose.zone, settings, reader).read()
    return reader.gathered.parsed()


class _Reading:
    """One pass over the rows; those of an hour in which clocks change wait until all are seen."""

    def __init__(self, export: Export, whose: Whose, zone: ZoneInfo, settings: Settings, reader: "RowReader") -> None:
        self._export, self._zone, self._settings, self._reader = export, zone, settings, reader
        self._latest = whose.latest_millis()
        self._devices: dict[tuple[str, str], Device] = {}
        self._seen: dict[tuple[tuple[str, str], str], dict[str, Sequence[str]]] = {}
        self._others: dict[tuple[str | None, str, str], list[Sequence[str]]] = {}
        self._clocks: dict[str, DeviceClock] = {}
        self._changing = stamps_of_changing_days(export, zone)
        self._waiting: dict[tuple[str, str], list[LibreRow]] = {}
        self._streams: dict[tuple[str, str, str], Stream] = {}

    def read(self) -> None:
        reader, clocks, latest = self._reader, self._clocks, self._latest
        for line, cells in self._not_plain():
            try:
                row = self._row(line, cells)
                if row is None:
                    reader.gathered.skipped += 1
                    continue
                serial = row.device.serial or ""
                clock = clocks.get(serial) or self._clock(serial)
                effective = clock.instant(row.stamp)
                if effective is None:
                    self._waiting.setdefault((serial, row.kind), []).append(row)
                else:
                    reader.read(row, effective, None, latest)
                    self._begin_stream(row, clock)
            except Flaw as flaw:
                reader.problem(line, cells, flaw)
        for (serial, kind), rows in self._waiting.items():
            self._read_waiting(rows, self._clock(serial), self._changing.get((serial, kind), ()))

    def _not_plain(self) -> Iterator[Row]:
        """Makes records of plain sensor values, which nearly all rows are, and yields the others: of another kind, with
        a new value, at a time that was there before, or in an hour in which clocks change."""
        export, reader, streams, latest = self._export, self._reader, self._streams, self._latest
        time, model, number, type_ = (export.places[name] for name in ("time", "device", "serial", "type"))
        width, value_of, minute_of = len(export.header), reader.values.get, MINUTES.get
        take, make = reader.gathered.records.append, reader.plain
        for row in export.rows:
            cells = row[1]
            stream = streams.get((cells[model], cells[number], cells[type_])) if len(cells) == width else None
            if stream is not None:
                stamp = cells[time]
                hour, minute = stream.clock.hour(stamp), stamp[14:16]
                value, past = value_of(cells[stream.place]), minute_of(minute)
                if (
                    hour is not None
                    and past is not None
                    and value is not None
                    and hour.millis + past <= latest
                    and stream.seen.setdefault(stamp, cells) is cells
                ):
                    take(make(stream, hour, past, minute, value, cells, stamp))
                    continue
            yield row

    def _begin_stream(self, row: LibreRow, clock: DeviceClock) -> None:
        """Rows like this one are plain from now on."""
        column = SENSOR.get(row.kind)
        places, serial = self._export.places, row.device.serial
        if column is None or serial is None or row.number:
            return
        named = row.cells[places["device"]], row.cells[places["serial"]]
        key = *named, row.cells[places["type"]]
        if key not in self._streams:
            seen = self._seen[named, row.kind]
            self._streams[key] = Stream(row.device, clock, places[column[0]], f"{serial}|{row.kind}|", seen)

    def _read_waiting(self, rows: Sequence[LibreRow], clock: DeviceClock, beside: Sequence[str]) -> None:
        """Rows of one kind stand in the order in which they happened, or in its reverse. `beside`: the times of all
        rows of their kind on such days."""
        written = []
        for row in rows:
            try:
                written.append((row, clock.written(row.stamp)))
            except Flaw as flaw:
                self._reader.problem(row.line, row.cells, flaw)
        walls = [stamp.wall for _, stamp in written]
        found = WallClock(
            self._zone,
            walls,
            if_twice=self._settings.if_twice,
            summer_time=clock.summer_time,
            beside=[stamp.wall for text in beside if (stamp := clock.written_or_none(text))],
        )
        for place, (row, stamp) in enumerate(written):
            try:
                effective, remark = found.instant(place, stamp, FIELD)
                self._reader.read(row, effective, remark, self._latest)
            except Flaw as flaw:
                self._reader.problem(row.line, row.cells, flaw)

    def _clock(self, serial: str) -> DeviceClock:
        if serial not in self._clocks:
            told = self._settings.summer_time is None
            stamps = [stamp for (of, _), found in self._changing.items() if told and of == serial for stamp in found]
            self._clocks[serial] = DeviceClock(self._export.order, self._zone, stamps, self._settings.summer_time)
        return self._clocks[serial]

    def _row(self, line: int, cells: Sequence[str]) -> LibreRow | None:
        """None for what says nothing, and for a row that stands there twice. Raises Flaw."""
        places, width = self._export.places, len(self._export.header)
        if len(cells) != width and (len(cells) < width or any(cells[width:])):
            raise Flaw("Row", "row-width", "has other columns than the header: columns have moved")
        kind = cells[places["type"]].strip()
        named = cells[places["device"]], cells[places["serial"]]
        device = self._devices.get(named)
        if device is None:
            device = self._devices[named] = _device(*named)
        if kind in "16" and self._says_nothing(cells, kind, device):
            return None
        stamp = cells[places["time"]].strip()
        seen = self._seen.get((named, kind))
        if seen is None:
            seen = self._seen[named, kind] = {}
        first = seen.setdefault(stamp, cells)
        if first is cells:
            return LibreRow(line, cells, kind, stamp, device, "")
        others = self._others.setdefault((device.serial, kind, stamp), [first])
        if cells in others:
            return None
        others.append(cells)
        return LibreRow(line, cells, kind, stamp, device, f"#{len(others)}")

    def _says_nothing(self, cells: Sequence[str], kind: str, device: Device) -> bool:
        """A clock that was set, an empty note, and a Libre 3's app that was looked at."""
        if kind == "6":
            notes = self._export.places["notes"]
            return notes < 0 or not cells[notes].strip()
        return kind == "1" and not self._settings.views and (device.model or "").endswith("Libre 3")


def _device(model: str, serial: str) -> Device:
    return Device(
        vendor="Abbott",
        model=name_text(model, "Device") or None,
        serial=name_text(serial, "Serial Number") or None,
    )
