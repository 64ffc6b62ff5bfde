"""What a file or body is, by what only that format holds: names of fields, headers, marks at the beginning.

Every format has marks; all of one of its sets must be there. What has none whole is refused with the format that comes
nearest. Nothing of the content is kept or told but the names of formats.
"""

import base64
import io
import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from clinical.vendors.json_fields import read_document
from clinical.vendors.parsing import Unreadable
from clinical.vendors.sheets import as_csv, xlsx_rows

_DEEP, _WIDE = 4, 5
_HEAD = 65_536


class Format(NamedTuple):
    """A format, the step that reads it (None: no step does), and sets of marks of which one must be there whole."""

    name: str
    step: str | None
    marks: Sequence[frozenset[str]]


def _format(name: str, step: str | None, *marks: str) -> Format:
    return Format(name, step, [frozenset(one.split("|")) for one in marks])


# Marks of JSON: names of fields, and `name=value` for short words.
JSON_FORMATS: Final = (
    _format("Dexcom API v3: EGVs", "dexcom_egvs_to_records", "recordtype=egv|records"),
    _format("Dexcom API v3: events", "dexcom_events_to_records", "recordtype=event|records"),
    _format("Dexcom API v3: calibrations", "dexcom_events_to_records", "recordtype=calibration|records"),
    _format("Dexcom API v3: alerts", "dexcom_events_to_records", "recordtype=alert|records"),
    _format("Dexcom API v3: devices", None, "recordtype=device|records"),
    _format("Dexcom API v3: data range", None, "recordtype=datarange|egvs", "calibrations|egvs|events|start|end"),
    _format("Dexcom API v2: EGVs", "dexcom_egvs_to_records", "egvs|unit|rateunit"),
    _format("Dexcom Share", "dexcom_share_to_records", "wt|value|trend", "st|dt|value"),
    _format(
        "Nightscout", "nightscout_to_records", "sgv|date", "eventtype|created_at", "mbg|date", "defaultprofile|store"
    ),
    _format("Tidepool", "tidepool_to_records", "type|time|deviceid", "type|time|uploadid"),
    _format("Health Auto Export", "health_auto_export_to_records", "data|metrics|units"),
    _format(
        "Fitbit",
        "fitbit_to_records",
        "activities-heart",
        "activities-steps",
        "weight|logid|bmi",
        "activities-heart-intraday",
    ),
    _format("Google Health", "fitbit_to_records", "datapoints|datasource"),
    _format(
        "Health Connect",
        "health_connect_to_records",
        *(f"recordtype={kind}record" for kind in ("bloodglucose", "heartrate", "steps", "weight", "bloodpressure")),
    ),
    _format("Open mHealth", "open_mhealth_to_records", "effective_time_frame", "header|schema_id|body"),
    _format(
        "LibreLinkUp",
        "librelinkup_to_records",
        "glucosemeasurement",
        "graphdata|connection",
        "factorytimestamp|valueinmgperdl",
    ),
    _format("CareLink Connect", "carelink_to_records", "sgs|markers", "lastsg|lastsgtrend", "medicaldevicefamily|sgs"),
    _format("Eversense NOW", "eversense_to_records", "eventtypeid|eventdate|deleted", "currentglucose|cgtime"),
    _format("NovoPen", "novopen_to_records", "readat|reports|pen"),
    _format("FHIR", "validate_fhir", "resourcetype"),
    _format("Islet records", None, "records|record|effective|source"),
)
# Marks of text: words of the first lines, letter case apart.
TEXT_FORMATS: Final = (
    _format("HL7 v2", "oru_to_records", "msh|^~\\&".replace("|", "\0")),
    _format("Dexcom Clarity CSV", "clarity_csv_to_records", "event type|event subtype|source device id"),
    _format(
        "LibreView CSV",
        "libreview_csv_to_records",
        "device timestamp|record type|serial number",
        "glucose data|generated on",
        "patient report|generated on",
    ),
    _format(
        "CareLink CSV",
        "carelink_csv_to_records",
        "-------|index",
        "raw-type|raw-values",
        "bolus number|new device time",
    ),
    _format("Eversense export", "eversense_to_records", "eventdatestr|eventtimestr|value"),
    _format("Tandem t:connect CSV", "tconnect_csv_to_records", "devicetype|eventdatetime", "eventdatetime|iob"),
    _format(
        "Glooko CSV",
        "glooko_csv_to_records",
        "timestamp|cgm glucose value",
        "timestamp|insulin type",
        "timestamp|alarm/event",
        "date range:|timestamp",
    ),
)
XML_FORMATS: Final = {
    "HealthData": ("Apple Health", "apple_health_to_records"),
    "ClinicalDocument": ("CDA", None),
}
_ROOT: Final = re.compile(rb"<(?:\w+:)?([A-Za-z]\w*)[\s>/]")


class Found(NamedTuple):
    """`name` for people, `step` that reads it, if one does."""

    name: str
    step: str | None


def sniff(body: bytes) -> Found:
    """What the body is. Raises Unreadable `format-unknown` with the nearest guess, or as JSON that is broken."""
    head = body[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n\x0b")
    if not head:
        raise Unreadable("there is nothing in it", code="empty")
    if body[:4] == b"PK\x03\x04":
        return _packed(body)
    if head[:1] in b"{[":
        marks = _json_marks(read_document(body))
        return _nearest(JSON_FORMATS, lambda mark: mark in marks, "JSON")
    if head[:3] == b"MSH" and len(head) > 8:
        return Found("HL7 v2", "oru_to_records")
    if head[:1] == b"<":
        return _xml(body[:_HEAD])
    if _is_pump_events(head):
        return Found("Tandem Source pump events", "tandem_events_to_records")
    encoding = "utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    text = body[:_HEAD].decode(encoding, "replace").casefold()
    first = "\n".join(text.splitlines()[:40])
    if not first.isprintable() and "\x00" in first:
        raise Unreadable("it is neither text nor a zip: no format that is known", code="format-unknown")
    return _text(first)


def _text(first: str) -> Found:
    """By the first lines, in small letters."""
    if _is_clarity(first):
        return Found("Dexcom Clarity CSV", "clarity_csv_to_records")
    if _is_libreview(first):
        return Found("LibreView CSV", "libreview_csv_to_records")
    return _nearest(TEXT_FORMATS, lambda mark: mark in first, "text")


def _nearest(formats: Sequence[Format], there: Callable[[str], bool], what: str) -> Found:
    best, best_share = None, 0.0
    for one in formats:
        for wanted in one.marks:
            share = sum(map(there, wanted)) / len(wanted)
            if share == 1.0:
                return Found(one.name, one.step)
            if share > best_share:
                best, best_share = one, share
    guess = f"; the nearest is {best.name}, of which something is missing" if best else ""
    known = ", ".join(one.name for one in formats[:6])
    text = f"this {what} is no format that is known{guess or f' (such as {known})'}"
    raise Unreadable(text, code="format-unknown")


def _json_marks(document: Any) -> frozenset[str]:
    return frozenset(_walk(document, 0))


def _walk(value: Any, depth: int) -> Iterator[str]:
    if depth > _DEEP:
        return
    if isinstance(value, dict):
        for key, inner in list(value.items())[:200]:
            yield key.casefold()
            if isinstance(inner, str) and len(inner) <= 32:
                yield f"{key.casefold()}={inner.casefold()}"
            yield from _walk(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value[:_WIDE]:
            yield from _walk(inner, depth + 1)


_CLARITY_COLUMNS = range(12, 15)


def _is_clarity(first: str) -> bool:
    """Its headers are translated: it is known by its columns, the unit in the eighth, and its English `EGV`."""
    header = first.split("\n", 1)[0]
    cells = header.split(max(",;\t", key=header.count))
    unit = len(cells) in _CLARITY_COLUMNS and ("(mg/dl)" in cells[7] or "(mmol/l)" in cells[7])
    indexed = cells[0].strip(' "\ufeffï»¿').startswith(("index", "indice", "índice"))
    return unit and (indexed or "egv" in first)


_LIBREVIEW_COLUMNS = 15
_UNIT = re.compile("mg/dl|mmol/l")


def _is_libreview(first: str) -> bool:
    """Its headers are translated too: known by its columns, the unit in the fifth, and a moment of UTC above."""
    above = ""
    for line in first.split("\n", 5)[:5]:
        cells = line.split(max(",;\t", key=line.count))
        if len(cells) >= _LIBREVIEW_COLUMNS and _UNIT.search(cells[4]) and not _UNIT.search("".join(cells[:4])):
            return " utc" in above
        above += line
    return False


_EVENT_BYTES, _MOST_EVENT, _EVENT_SECONDS = 26, 1000, (63_000_000, 900_000_000)


def _is_pump_events(head: bytes) -> bool:
    """Base64 of 26-byte events, each with a number and a time between 2010 and 2036."""
    if not re.fullmatch(rb'"?[A-Za-z0-9+/=\s]{36,}"?', head):
        return False
    events = base64.b64decode(re.sub(rb'[\s"]', b"", head)[:208])
    whole = [events[place : place + 10] for place in range(0, len(events) - _EVENT_BYTES + 1, _EVENT_BYTES)]
    heads = [struct.unpack(">HI", event[:6]) for event in whole]
    return bool(heads) and all(
        number & 0xFFF <= _MOST_EVENT and _EVENT_SECONDS[0] < seconds < _EVENT_SECONDS[1] for number, seconds in heads
    )


def _workbook(body: bytes) -> Found:
    """By the first rows of the first sheet, as CSV."""
    first = as_csv(list(islice(xlsx_rows(body), 40))).decode().casefold()
    try:
        return _text(first)
    except Unreadable:
        return Found("XLSX workbook", "map_xlsx")


def _xml(head: bytes) -> Found:
    roots = [
        match[1].decode() for match in _ROOT.finditer(re.sub(rb"<[!?][^\[>]*(?:\[.*?\])?[^>]*>", b"", head, flags=re.S))
    ]
    found = XML_FORMATS.get(roots[0]) if roots else None
    if found is None and b"<HealthData" in head:
        found = XML_FORMATS["HealthData"]
    if found is None:
        raise Unreadable("this XML is no format that is known (such as Apple Health)", code="format-unknown")
    return Found(*found)


_PACKED: Final[Mapping[str, tuple[str, str | None]]] = {
    "export.xml": ("Apple Health, zipped", "apple_health_reader (a source)"),
    "cgm_data_1.csv": ("Glooko, zipped", "glooko_csv_to_records"),
}


def _packed(body: bytes) -> Found:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            names = [name.lower() for name in packed.namelist()[:10_000]]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, UnicodeError, OSError):
        raise Unreadable("the zip is damaged; send it again", code="zip-damaged") from None
    if any(name.endswith("xl/workbook.xml") for name in names):
        return _workbook(body)
    for ending, found in _PACKED.items():
        if any(name.endswith(ending) for name in names):
            return Found(*found)
    raise Unreadable("this zip holds nothing that is known (such as Apple Health's export.xml)", code="format-unknown")
