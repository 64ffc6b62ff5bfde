"""Medtronic CareLink Connect's JSON to records: 700 series and Guardian 4, Guardian Connect, and old Paradigm answers.

One document is the last 24 hours of a pump: 288 sensor values (0: none, with the reason), markers (boluses, automatic
basal doses, meals, meters), notifications. Names and birth dates in it are not read.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from clinical import units
from clinical.records import (
    Analyte,
    AnyRecord,
    Detection,
    Device,
    DeviceEvent,
    Glucose,
    Instant,
    Original,
    Quantity,
    Road,
    SourceId,
    Status,
)
from clinical.trends import CARELINK
from clinical.vendors.carelink_clock import PumpClock, wall_of
from clinical.vendors.carelink_markers import PumpMaker, notification_records, read_marker
from clinical.vendors.event_tables import CARELINK_SENSOR_STATES
from clinical.vendors.json_fields import Fields, in_order, not_this, read_document, write_document
from clinical.vendors.making import LEAST_MG_DL, Maker, Measured, Whose, deeds, glucose
from clinical.vendors.parsing import Flaw, Parsed, Problem

SYSTEM: Final = "carelink"
RULE: Final = "carelink-connect"

_KEPT: Final = (
    "clientTimeZoneName",
    "currentServerTime",
    "lastMedicalDeviceDataUpdateServerTime",
    "medicalDeviceTime",
    "sMedicalDeviceTime",
    "medicalDeviceFamily",
    "cgmInfo",
)
_FINE: Final = frozenset({"NO_ERROR_MESSAGE", "NORMAL", ""})
_BEYOND: Final = {"SG_BELOW_40_MGDL": Detection.BELOW, "SG_ABOVE_400_MGDL": Detection.ABOVE}
_LIMITS: Final = {units.MG_DL: (40, 400), units.MMOL_L: (22, 222)}
_SENSORS: Final = {"MMT-5120": "Simplera Sync", "MMT-7040": "Guardian 4 Sensor", "MMT-7020": "Guardian Sensor 3"}
_UNITS: Final = {
    "MGDL": units.MG_DL,
    "MG_DL": units.MG_DL,
    "MMOL": units.MMOL_L,
    "MMOLL": units.MMOL_L,
    "MMOL_L": units.MMOL_L,
}
# Looked up once: in Python 3.11 that takes as long as building a small struct.
_INTERSTITIAL, _FINAL, _CLOUD = Analyte.INTERSTITIAL_GLUCOSE, Status.FINAL, Road.CLOUD


def read_carelink(body: bytes, whose: Whose) -> Parsed:
    """Records of one document, alone or in `patientData`. Raises Unreadable (line and column)."""
    document = read_document(body)
    if isinstance(document, dict) and isinstance(document.get("patientData"), dict):
        document = document["patientData"]
    if not isinstance(document, dict) or not any(isinstance(document.get(name), list) for name in ("sgs", "markers")):
        raise not_this("an answer of CareLink Connect: it has neither sgs nor markers", "not-carelink")
    return _Document(document, whose).read()


class _Document:
    def __init__(self, document: Mapping[str, Any], whose: Whose) -> None:
        self._document, self._whose = document, whose
        self._clock = PumpClock(document, whose.zone)
        self._fields = Fields(document)
        self._sgs = _with_last(_list(document, "sgs"), document.get("lastSG"))
        self._unit = self._glucose_unit()
        maker = Maker(whose, Road.CLOUD, SYSTEM, RULE)
        pump, self._sensor = self._devices()
        self._pump = PumpMaker(maker, pump, self._shown())
        self._records: list[AnyRecord] = []
        self._problems: list[Problem] = []
        self._skipped = 0
        self._known: dict[tuple[Any, str], Measured] = {}

    def read(self) -> Parsed:
        self._read_sgs()
        self._read_markers()
        self._read_notifications()
        return Parsed(in_order(self._records), self._problems, self._skipped, self._clock.pairs(self._document))

    def _glucose_unit(self) -> str | None:
        """`bgUnits` says what the app shows; sensor values came in mg/dL whatever it said. No value of one unit is a
        value of the other."""
        values = [sg["sg"] for sg in self._sgs if isinstance(sg, dict) and _is_number(sg.get("sg")) and sg["sg"] > 0]
        shown = self._shown()
        if shown == units.MG_DL or (values and min(values) >= LEAST_MG_DL):
            return units.MG_DL
        return shown if all(value < LEAST_MG_DL for value in values) else None

    def _shown(self) -> str | None:
        """The unit that the app shows, and that meters' values are written in."""
        shown = self._document.get("bgUnits") or self._document.get("bgunits")
        return _UNITS.get(shown) if isinstance(shown, str) else None

    def _devices(self) -> tuple[Device, Device]:
        """The pump, and the sensor that it reads."""
        about, cgm = _object(self._document, "medicalDeviceInformation"), _object(self._document, "cgmInfo")
        family = self._fields.word("medicalDeviceFamily")
        model = about.word("modelNumber") or ("Guardian Connect" if family == "GUARDIAN" else family)
        serial = about.word("deviceSerialNumber") or self._fields.word("medicalDeviceSerialNumber")
        pump = Device(vendor="Medtronic", model=model and model.strip(), serial=serial)
        product = (cgm.word("sensorProductModel") or "").strip()
        sensor = Device(
            vendor="Medtronic",
            model=_SENSORS.get(product, product) or pump.model,
            serial=cgm.word("sensorSerialNumber") or serial,
        )
        return pump, sensor

    def _problem(self, name: str, place: int, flaw: Flaw, item: Any) -> None:
        path = f"{name}[{place}]" + (f".{flaw.field_name}" if flaw.field_name else "")
        lists: dict[str, Any] = {"sgs": [item]} if name == "sgs" else {"sgs": [], name: [item]}
        if name == "notificationHistory.clearedNotifications":
            lists = {"sgs": [], "notificationHistory": {"clearedNotifications": [item]}}
        kept = {key: self._document[key] for key in _KEPT if key in self._document}
        pump = {"modelNumber": self._pump.device.model, "deviceSerialNumber": self._pump.device.serial}
        shown = {units.MG_DL: "MGDL", units.MMOL_L: "MMOL_L"}.get(
            (self._unit if name == "sgs" else self._shown()) or ""
        )
        only = {**kept, "medicalDeviceInformation": pump, "bgUnits": shown, **lists}
        self._problems.append(Problem(path, flaw.code, flaw.text, write_document(only)))

    # --- sensor values

    def _read_sgs(self) -> None:
        walls = self._walls("sgs", self._sgs, ("timestamp", "datetime"))
        clocked = self._clock.instants([wall for _, wall in walls])
        last, trend = self._last()
        run: list[tuple[int, Instant]] = []
        state = ""
        for order, (place, wall) in enumerate(walls):
            item = self._sgs[place]
            try:
                effective, remark = clocked.instant(order, wall, "timestamp")
                self._whose.check(effective, "timestamp")
                said = item.get("sensorState") or ""
                if self._is_reading(item, said):
                    arrow = trend if wall == last else None
                    self._records.append(self._glucose(item, said, effective, remark, arrow))
                    said = ""
            except Flaw as flaw:
                self._problem("sgs", place, flaw, item)
                continue
            if said != state or said in _FINE:
                self._end(state, run)
                run, state = [], said
            run.append((place, effective))
        self._end(state, run)

    def _walls(self, name: str, items: Sequence[Any], times: Sequence[str]) -> list[tuple[int, datetime]]:
        """Those that have a time, with their place. One without is a slot that nothing came for."""
        found = []
        for place, item in enumerate(items):
            try:
                if not isinstance(item, dict):
                    raise Flaw("", "not-an-object", "is not an object")  # noqa: TRY301 - said where it is found
                named = next((field for field in times if item.get(field)), None)
                if named is None:
                    self._skipped += 1
                    continue
                found.append((place, wall_of(item[named], named)))
            except Flaw as flaw:
                self._problem(name, place, flaw, item)
        return found

    def _last(self) -> tuple[datetime | None, str | None]:
        """The trend belongs to the last value only."""
        last, trend = self._document.get("lastSG"), self._fields.word("lastSGTrend")
        try:
            wall = wall_of(last.get("timestamp") or last.get("datetime"), "lastSG") if isinstance(last, dict) else None
        except Flaw:
            return None, None
        return wall, CARELINK.trend(trend)

    def _is_reading(self, item: Mapping[str, Any], state: Any) -> bool:
        """Raises Flaw for what is neither a number nor 0 with a state."""
        value = item.get("sg")
        if not isinstance(state, str) or len(state) > 64 or not state.isprintable():
            raise Flaw("sensorState", "field-invalid", "is no word")
        if not _is_number(value):
            raise Flaw("sg", "value-missing" if value is None else "value-not-a-number", "is not a number")
        return value != 0 or state in _BEYOND

    def _glucose(
        self, item: Mapping[str, Any], state: str, effective: Instant, remark: str | None, trend: str | None
    ) -> Glucose:
        value = item["sg"]
        measured = self._known.get((value, state))
        if measured is None:
            measured = self._known[value, state] = self._measured(value, state)
        later = "filled in later by the device" if item.get("isBackfill") is True else None
        identity, whose = self._pump.identity(self._sensor, "sg", effective), self._whose
        time = item.get("timestamp") or item.get("datetime")
        done = deeds(RULE, "1", remark, measured.remark, later) if remark or measured.remark or later else ()
        return Glucose(
            patient=whose.patient,
            effective=effective,
            status=_FINAL,
            source=SourceId(road=_CLOUD, system=SYSTEM, value=identity, version=whose.version),
            original=Original(value=str(value)[:64], unit=self._unit, code=state or None, time=time),
            device=self._sensor,
            done=done,
            analyte=_INTERSTITIAL,
            value=measured.value,
            detection=measured.detection,
            trend=trend,
        )

    def _measured(self, value: Any, state: str) -> Measured:
        if self._unit is None:
            raise Flaw("sg", "unit-missing", "has no unit: bgUnits and the values do not tell one")
        low, high = _LIMITS[self._unit]
        detection = _BEYOND.get(state)
        if detection is not None:
            limit = low if detection is Detection.BELOW else high
            return Measured(Quantity(steps=limit, unit=self._unit), detection, f"state {state}: limit kept")
        return glucose(Decimal(value), self._unit, "sg", low=low, high=high)

    def _end(self, state: str, run: Sequence[tuple[int, Instant]]) -> None:
        """Slots in a row without a value and with one reason are one event; those at the very beginning of the 24 hours
        began before them, and an earlier answer told it."""
        if not run or state in _FINE:
            return
        if run[0][0] == 0:
            self._skipped += len(run)
            return
        begin, end = run[0][1], run[-1][1]
        entry = self._pump.entry(f"state|{state}", begin, Original(code=state), device=self._sensor)
        self._records.append(DeviceEvent(**entry, event=CARELINK_SENSOR_STATES.word(state), until=end))

    # --- markers and notifications

    def _read_markers(self) -> None:
        items = _list(self._document, "markers")
        walls = self._walls("markers", items, ("timestamp", "displayTime", "dateTime", "datetime"))
        clocked = self._clock.instants([wall for _, wall in walls])
        for order, (place, wall) in enumerate(walls):
            try:
                effective, remark = clocked.instant(order, wall, "timestamp")
                made = read_marker(self._pump, items[place], self._whose.check(effective, "timestamp"), remark)
            except Flaw as flaw:
                self._problem("markers", place, flaw, items[place])
            else:
                self._records += made
                self._skipped += not made

    def _read_notifications(self) -> None:
        seen: set[str] = set()
        for name, items in self._notifications():
            walls = self._walls(name, items, ("triggeredDateTime", "dateTime", "datetime"))
            clocked = self._clock.instants([wall for _, wall in walls])
            for order, (place, wall) in enumerate(walls):
                try:
                    effective, remark = clocked.instant(order, wall, "dateTime")
                    made = notification_records(self._pump, items[place], effective, remark, seen)
                except Flaw as flaw:
                    self._problem(name, place, flaw, items[place])
                else:
                    self._records += made

    def _notifications(self) -> Iterator[tuple[str, Sequence[Any]]]:
        history = self._document.get("notificationHistory")
        if isinstance(history, dict):
            for name in ("clearedNotifications", "activeNotifications"):
                yield f"notificationHistory.{name}", _list(history, name)
        if isinstance(self._document.get("lastAlarm"), dict):
            yield "lastAlarm", [self._document["lastAlarm"]]


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    found = document.get(name)
    return found if isinstance(found, list) else []


def _with_last(sgs: list[Any], last: Any) -> list[Any]:
    """The latest value stands in the list too, but for answers whose list ends before it."""
    if not isinstance(last, dict):
        return sgs
    times = {str(sg.get("timestamp") or sg.get("datetime")) for sg in sgs if isinstance(sg, dict)}
    return sgs if str(last.get("timestamp") or last.get("datetime")) in times else [*sgs, last]


def _object(document: Mapping[str, Any], name: str) -> Fields:
    found = document.get(name)
    return Fields(found if isinstance(found, dict) else {})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 <= value < 10_000
