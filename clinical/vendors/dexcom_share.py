"""Dexcom Share, the followers' API, to glucose records.

Source: the public clients of `Publisher/ReadPublisherLatestGlucoseValues`:
`[{"WT": "Date(1638360273000)", "DT": "/Date(1638360273000-0500)/", "Value": 113, "Trend": "Flat"}]`, trends as numbers or words in any case, times with slashes or without.
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Final

from clinical import units
from clinical.records import Analyte, AnyRecord, Device, Glucose, Original, Road
from clinical.trends import DEXCOM_SHARE
from clinical.vendors.json_fields import Fields, items_of, not_this, read_document, read_each
from clinical.vendors.making import Maker, Whose, glucose
from clinical.vendors.parsing import Parsed

SYSTEM: Final = "dexcom-share"
RULE: Final = "dexcom-share"

_DATE = re.compile(r"/?Date\((\d{10,14})(?:([+-])(\d{2})(\d{2}))?\)/?", re.ASCII)


def read_share(body: bytes, whose: Whose) -> Parsed:
    """Records of one answer, mg/dL always; 39 and 401 mean Low and High. Raises Unreadable (line and column)."""
    found = items_of(read_document(body))
    if found is None:
        raise not_this("an answer of Dexcom Share: it is no list", "not-share")
    return read_each(found[1], partial(_read, Maker(whose, Road.CLOUD, SYSTEM, RULE)))


def _read(maker: Maker, item: Fields) -> Sequence[AnyRecord]:
    written = item.text("DT", 64) or item.text("WT", 64) or item.text("ST", 64)
    match = _DATE.fullmatch(written) if written else None
    if match is None:
        raise item.flaw("DT", "time-unreadable", "is not a time such as Date(1638360273000-0500)")
    sign, hours, minutes = match[2], match[3], match[4]
    offset = (int(hours) * 60 + int(minutes)) * (-1 if sign == "-" else 1) if sign else None
    at = maker.whose.at_millis(int(match[1]), "DT", offset)
    measured = glucose(item.needed("Value"), units.MG_DL, "Value", low=40, high=400)
    original = Original(value=item.original("Value"), unit=units.MG_DL, time=written)
    entry = maker.entry(
        maker.whose.digest(at.millis), at, original, device=Device(vendor="Dexcom"), remarks=(measured.remark,)
    )
    trend = DEXCOM_SHARE.trend(item.original("Trend"))
    return [
        Glucose(
            **entry,
            analyte=Analyte.INTERSTITIAL_GLUCOSE,
            value=measured.value,
            detection=measured.detection,
            trend=trend,
        )
    ]
