"""Names of time zones that are not IANA's: Windows', Java's and plain offsets, as devices and their clouds write them.

Windows names after the Unicode CLDR table windowsZones (territory 001). Java's display names are two words of one zone
("Central European Summer Time" too names Europe's middle, whatever the season). Abbreviations are not read: `IST` is
Ireland, Israel and India.
"""

import re
from datetime import timedelta, timezone
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WINDOWS = MappingProxyType(
    {
        "utc": "Etc/UTC",
        "coordinated universal time": "Etc/UTC",
        "hawaiian": "Pacific/Honolulu",
        "alaskan": "America/Anchorage",
        "pacific": "America/Los_Angeles",
        "us mountain": "America/Phoenix",
        "mountain": "America/Denver",
        "central america": "America/Guatemala",
        "central": "America/Chicago",
        "canada central": "America/Regina",
        "central mexico": "America/Mexico_City",
        "sa pacific": "America/Bogota",
        "eastern": "America/New_York",
        "us eastern": "America/Indiana/Indianapolis",
        "venezuela": "America/Caracas",
        "atlantic": "America/Halifax",
        "sa western": "America/La_Paz",
        "pacific sa": "America/Santiago",
        "paraguay": "America/Asuncion",
        "newfoundland": "America/St_Johns",
        "e. south america": "America/Sao_Paulo",
        "sa eastern": "America/Cayenne",
        "argentina": "America/Buenos_Aires",
        "montevideo": "America/Montevideo",
        "greenland": "America/Nuuk",
        "azores": "Atlantic/Azores",
        "cape verde": "Atlantic/Cape_Verde",
        "gmt": "Europe/London",
        "greenwich": "Atlantic/Reykjavik",
        "morocco": "Africa/Casablanca",
        "w. europe": "Europe/Berlin",
        "central europe": "Europe/Budapest",
        "romance": "Europe/Paris",
        "central european": "Europe/Warsaw",
        "w. central africa": "Africa/Lagos",
        "namibia": "Africa/Windhoek",
        "gtb": "Europe/Bucharest",
        "e. europe": "Europe/Chisinau",
        "fle": "Europe/Kyiv",
        "middle east": "Asia/Beirut",
        "egypt": "Africa/Cairo",
        "syria": "Asia/Damascus",
        "jordan": "Asia/Amman",
        "israel": "Asia/Jerusalem",
        "south africa": "Africa/Johannesburg",
        "turkey": "Europe/Istanbul",
        "kaliningrad": "Europe/Kaliningrad",
        "libya": "Africa/Tripoli",
        "arabic": "Asia/Baghdad",
        "arab": "Asia/Riyadh",
        "belarus": "Europe/Minsk",
        "russian": "Europe/Moscow",
        "e. africa": "Africa/Nairobi",
        "iran": "Asia/Tehran",
        "arabian": "Asia/Dubai",
        "azerbaijan": "Asia/Baku",
        "georgian": "Asia/Tbilisi",
        "caucasus": "Asia/Yerevan",
        "mauritius": "Indian/Mauritius",
        "afghanistan": "Asia/Kabul",
        "west asia": "Asia/Tashkent",
        "ekaterinburg": "Asia/Yekaterinburg",
        "pakistan": "Asia/Karachi",
        "india": "Asia/Kolkata",
        "sri lanka": "Asia/Colombo",
        "nepal": "Asia/Kathmandu",
        "bangladesh": "Asia/Dhaka",
        "myanmar": "Asia/Yangon",
        "se asia": "Asia/Bangkok",
        "china": "Asia/Shanghai",
        "singapore": "Asia/Singapore",
        "taipei": "Asia/Taipei",
        "w. australia": "Australia/Perth",
        "tokyo": "Asia/Tokyo",
        "korea": "Asia/Seoul",
        "cen. australia": "Australia/Adelaide",
        "aus central": "Australia/Darwin",
        "e. australia": "Australia/Brisbane",
        "aus eastern": "Australia/Sydney",
        "tasmania": "Australia/Hobart",
        "lord howe": "Australia/Lord_Howe",
        "new zealand": "Pacific/Auckland",
        "fiji": "Pacific/Fiji",
        "samoa": "Pacific/Apia",
    }
)
# Java's names where they are not the Windows name with another season.
_JAVA = MappingProxyType(
    {
        "western european": "Europe/Lisbon",
        "eastern european": "Europe/Bucharest",
        "greenwich mean": "Europe/London",
        "british": "Europe/London",
        "irish": "Europe/Dublin",
        "moscow": "Europe/Moscow",
        "arizona": "America/Phoenix",
        "japan": "Asia/Tokyo",
        "gulf": "Asia/Dubai",
        "hong kong": "Asia/Hong_Kong",
        "australian western": "Australia/Perth",
        "australian central": "Australia/Adelaide",
        "australian eastern": "Australia/Sydney",
        "hawaii-aleutian": "Pacific/Honolulu",
        "alaska": "America/Anchorage",
        "brasilia": "America/Sao_Paulo",
    }
)
_SEASON = re.compile(r"\s+(?:(?:standard|daylight|summer|winter)\s+)?time$")
_OFFSET = re.compile(r"(?:utc|gmt)?\s*([+-])(\d{1,2}):?([0-5]\d)?")
_WIDEST_MINUTES = 14 * 60


@lru_cache(maxsize=512)
def zone_of(name: str) -> ZoneInfo | timezone | None:
    """The zone that a name means, or None if it is not known for sure; `UTC+5:30` is a fixed offset.

    An IANA name is itself. A fixed offset has no summer time: what it says holds for the moment it was written.
    """
    text = name.strip()
    key = _SEASON.sub("", " ".join(text.casefold().split()))
    known = _WINDOWS.get(key) or _JAVA.get(key)
    if known is not None:
        return ZoneInfo(known)
    offset = _OFFSET.fullmatch(key)
    if offset is not None:
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        signed = -minutes if offset[1] == "-" else minutes
        return timezone(timedelta(minutes=signed)) if minutes <= _WIDEST_MINUTES else None
    return _iana(text)


def _iana(name: str) -> ZoneInfo | None:
    if "/" not in name:  # EST, CET, GMT0: IANA has some abbreviations, and they mean fixed or half-forgotten zones
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
