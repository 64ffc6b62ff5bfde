"""Abbott LibreLinkUp's answers to records: `connections`, `graph`, `logbook` (nightscout-librelink-up, pylibrelinkup).

Times are written the American way in every language: `FactoryTimestamp` is UTC, `Timestamp` the person's wall clock.
The ticket with its token, names and birth dates are not read. `isHigh` and `isLow` speak of alarms, not of the range.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from clinical import units
from clinical.drift import Pair
from clinical.records import Analyte, AnyRecord, Device, DeviceEvent, Glucose, Instant, Original, Road
from clinical.trends import LIBRE_LINK_UP
from clinical.vendors.json_fields import Fields, in_order, read_document, write_document
from clinical.vendors.making import Maker, Whose, glucose, moment, utc_millis
from clinical.vendors.parsing import Flaw, Parsed, Problem, Unreadable

SYSTEM: Final = "librelinkup"
RULE: Final = "librelinkup"

_FORMAT: Final = "%m/%d/%Y %I:%M:%S %p"
_MMOL, _MG = 0, 1
_LOW, _HIGH = 40, 500
_NEAR: Final = Decimal("1.5")
_MOST_WARM_UP_MINUTES: Final = 1440
_QUARTER_MILLIS, _MOST_DRIFT_MILLIS = 900_000, 300_000
_MOST_PAIRS: Final = 12


def read_librelinkup(body: bytes, whose: Whose, *, patient_id: str | None = None) -> Parsed:
    """Records of one person's answer. `connections` lists all whom an account follows: of several,
    `patient_id` says which.

    Raises Unreadable for an answer that says no, names another server, or is none.
    """
    data = _data(read_document(body))
    reader = _Reader(Maker(whose, Road.CLOUD, SYSTEM, RULE))
    if isinstance(data, dict):
        connection = data.get("connection")
        reader.sensor(connection if isinstance(connection, dict) else {})
        for sensor in _many(data, "activeSensors"):
            reader.sensor(sensor if isinstance(sensor, dict) else {})
        reader.latest("data.connection", connection)
        reader.each("data.graphData", _many(data, "graphData"))
    elif any(isinstance(item, dict) and "glucoseMeasurement" in item for item in data):
        place, connection = _followed(data, patient_id)
        reader.sensor(connection)
        reader.latest(f"data[{place}]", connection)
    else:
        reader.each("data", data)
    return Parsed(in_order(reader.records), reader.problems, reader.skipped, reader.clock())


def _data(document: Any) -> Any:
    if not isinstance(document, dict) or not {"status", "data"} & document.keys():
        raise Unreadable("this is not an answer of LibreLinkUp: it has no data", code="not-librelinkup")
    if document.get("status", 0) != 0:
        raise Unreadable("LibreLinkUp said no: log in again", code="librelinkup-refused", path="status")
    data = document.get("data")
    if isinstance(data, dict) and data.get("redirect") is True:
        raise Unreadable(
            "the account lives on another server: ask there", code="librelinkup-region", path="data.region"
        )
    if isinstance(data, list) or (isinstance(data, dict) and ("connection" in data or "graphData" in data)):
        return data
    raise Unreadable("the answer holds no glucose: it is one of another question", code="not-librelinkup", path="data")


def _followed(connections: Sequence[Any], patient_id: str | None) -> tuple[int, Mapping[str, Any]]:
    found = [
        (place, one)
        for place, one in enumerate(connections)
        if isinstance(one, dict) and patient_id in (None, one.get("patientId"))
    ]
    if len(found) != 1:
        text = "the account follows several people, or not this one: say whose data it is by `patientId`"
        raise Unreadable(text, code="patient-ambiguous", path="data")
    return found[0]


class _Reader:
    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self._sensors: dict[str, int] = {}
        self._seen: set[int] = set()
        self._pairs: list[Pair] = []
        self.records: list[AnyRecord] = []
        self.problems: list[Problem] = []
        self.skipped = 0

    def sensor(self, holder: Mapping[str, Any]) -> None:
        """Its activation and warm-up. A sensor may stand there several times, also after its end."""
        found = holder.get("sensor")
        if not isinstance(found, dict):
            return
        sensor = Fields(found, "sensor")
        try:
            serial, activated = sensor.text("sn", 64), sensor.number("a")
            if serial is None or activated is None or serial in self._sensors:
                return
            begin = self._maker.whose.at_millis(activated * 1000, sensor.path("a"))
            minutes = sensor.number("w")
        except Flaw as flaw:
            problem = {"status": 0, "data": {"connection": {"sensor": found}, "graphData": []}}
            self.problems.append(Problem(flaw.field_name, flaw.code, flaw.text, write_document(problem)))
            return
        self._sensors[serial] = begin.millis
        device = Device(vendor="Abbott", serial=serial)
        entry = self._maker.entry(f"{serial}|start", begin, Original(), device=device)
        self.records.append(DeviceEvent(**entry, event="sensor-start"))
        if minutes is not None and 0 < minutes <= _MOST_WARM_UP_MINUTES:
            entry = self._maker.entry(f"{serial}|warm-up", begin, Original(value=str(minutes)), device=device)
            end = moment(begin.millis + int(minutes) * 60_000)
            self.records.append(DeviceEvent(**entry, event="warm-up", until=end))

    def clock(self) -> Sequence[Pair]:
        """A dozen pairs at most, over the whole time that the answer tells of."""
        return self._pairs[:: -(-len(self._pairs) // _MOST_PAIRS) or 1]

    def latest(self, path: str, connection: Any) -> None:
        """The one with an arrow; `glucoseItem` is the same again, and may have another arrow."""
        if isinstance(connection, dict) and isinstance(connection.get("glucoseMeasurement"), dict):
            self._read(f"{path}.glucoseMeasurement", connection["glucoseMeasurement"])

    def each(self, path: str, items: Sequence[Any]) -> None:
        for place, item in enumerate(items):
            self._read(f"{path}[{place}]", item)

    def _read(self, path: str, item: Any) -> None:
        try:
            if not isinstance(item, dict):
                raise Flaw("", "not-an-object", "is not an object")  # noqa: TRY301 - said where it is found
            made = self._glucose(Fields(item))
        except Flaw as flaw:
            where = f"{path}.{flaw.field_name}" if flaw.field_name else path
            only = write_document({"status": 0, "data": {"graphData": [item]}})
            self.problems.append(Problem(where, flaw.code, flaw.text, only))
            return
        if made.effective.millis in self._seen:
            self.skipped += 1
        else:
            self._seen.add(made.effective.millis)
            self.records.append(made)

    def _glucose(self, item: Fields) -> Glucose:
        effective = self._instant(item)
        value = item.needed("ValueInMgPerDl")
        self._check_unit(item, value)
        measured = glucose(value, units.MG_DL, "ValueInMgPerDl", low=_LOW, high=_HIGH, clamped=True)
        text, time = item.original("ValueInMgPerDl"), item.word("Timestamp")
        original = Original(value=text, unit=units.MG_DL, code=item.original("type"), time=time)
        serial = self._serial_at(effective)
        entry = self._maker.entry(
            self._maker.whose.digest("glucose", effective.millis),
            effective,
            original,
            device=Device(vendor="Abbott", serial=serial),
            remarks=(measured.remark,),
        )
        return Glucose(
            **entry,
            analyte=Analyte.INTERSTITIAL_GLUCOSE,
            value=measured.value,
            detection=measured.detection,
            trend=LIBRE_LINK_UP.trend(item.original("TrendArrow")),
        )

    def _check_unit(self, item: Fields, mg_dl: Decimal) -> None:
        """`Value` is what the app shows; it must be the same reading."""
        shown, unit = item.number("Value"), item.number("GlucoseUnits")
        if shown is None or unit is None:
            return
        factor = {_MMOL: units.MG_DL_PER_MMOL_L, _MG: Decimal(1)}.get(int(unit))
        if factor is None or abs(shown * factor - mg_dl) > _NEAR:
            raise item.flaw(
                "Value", "unit-contradicted", "is another value than ValueInMgPerDl in the unit that is named"
            )

    def _serial_at(self, effective: Instant) -> str | None:
        """The sensor that was active then: the last one that began before."""
        begun = [(millis, serial) for serial, millis in self._sensors.items() if millis <= effective.millis]
        return max(begun)[1] if begun else None

    def _instant(self, item: Fields) -> Instant:
        """The factory clock's; what the phone's clock lacks beside it is kept."""
        utc = _stamp(item, "FactoryTimestamp")
        if utc is None:
            raise item.flaw("FactoryTimestamp", "time-missing", "is missing: the other time has no offset")
        shown = _stamp(item, "Timestamp")
        millis = utc_millis(utc)
        if shown is None:
            return self._maker.whose.at_millis(millis, "FactoryTimestamp")
        quarters = round((utc_millis(shown) - millis) / _QUARTER_MILLIS)
        lacks = millis - (utc_millis(shown) - quarters * _QUARTER_MILLIS)
        if abs(lacks) > _MOST_DRIFT_MILLIS:
            return self._maker.whose.at_millis(millis, "FactoryTimestamp")
        self._pairs.append(Pair(utc_millis(shown), millis))
        instant = self._maker.whose.at_millis(millis, "FactoryTimestamp", quarters * 15)
        return msgspec.structs.replace(instant, local=shown.isoformat(), drift_millis=lacks) if lacks else instant


def _stamp(item: Fields, name: str) -> datetime | None:
    text = item.text(name, 32)
    if text is None:
        return None
    try:
        return datetime.strptime(text, _FORMAT)  # noqa: DTZ007 - which clock it is, the field says
    except ValueError:
        raise item.flaw(name, "time-unreadable", "is not a time such as 12/30/2022 4:47:40 PM") from None


def _many(data: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = data.get(name)
    return found if isinstance(found, list) else ()
