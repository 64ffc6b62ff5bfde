"""The catalogue of sensors: how often each reads, what it can measure, how long it warms up and lasts.

Every figure names its source. A device that is not here gets `ASSUMED`, whose figures are safe to work with, and the
mark that says so. Ranges are kept in both units as the devices cut values off: no limit is ever converted.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from clinical import units
from clinical.events import plain
from clinical.records import Device

LABEL: Final = "product labelling, not checked against the document"


class Figure(NamedTuple):
    """A number, and who says so."""

    value: int
    source: str


class Range(NamedTuple):
    """What can be measured, in steps of each unit (1 mg/dL, 0.1 mmol/L). `clamped`: values beyond come as the limits
    themselves, so that a reading on a limit says only that the truth lies there or beyond."""

    mg_dl: tuple[int, int]
    mmol_l: tuple[int, int]
    clamped: bool
    source: str

    def limits(self, unit: str) -> tuple[int, int]:
        """Lowest and highest value in steps of a glucose unit (UCUM)."""
        return self.mg_dl if unit == units.MG_DL else self.mmol_l


class Model(NamedTuple):
    """A sensor. `names`: how sources write model or generation. `known` is false for the default only."""

    vendor: str
    name: str
    names: tuple[str, ...]
    interval_seconds: Figure
    measures: Range
    warm_up_minutes: Figure
    wear_hours: Figure
    known: bool = True


_DEXCOM_API: Final = "Dexcom API documentation"
_FIVE_MINUTES: Final = 300
_DEXCOM_RANGE: Final = Range((40, 400), (22, 222), False, f"{_DEXCOM_API}; 39 and 401 or low and high lie beyond")
_LIBRE_500: Final = Range((40, 500), (22, 278), True, "Tidepool's device checklist; seen in real LibreView exports")
_40_TO_400: Final = Range((40, 400), (22, 222), False, LABEL)
_G7_WARM_UP: Final = Figure(27, "default of G7SensorKit; marketed as 30")
_LIBRE_WARM_UP: Final = Figure(60, "LibreLinkUp sensor.w and xDrip")
_LIBRE_15: Final = Figure(900, "LibreView exports: a value every 15 minutes")


def _model(
    vendor: str,
    name: str,
    names: Iterable[str],
    interval: Figure,
    measures: Range,
    warm_up: Figure,
    wear: Figure,
) -> Model:
    return Model(vendor, name, (name, *names), interval, measures, warm_up, wear)


_EVERY_5: Final = Figure(_FIVE_MINUTES, _DEXCOM_API)
MODELS: Final = (
    _model(
        "Dexcom",
        "Dexcom G6",
        ("g6", "g6+", "g6 pro", "dexcomPro", "g6pro"),
        _EVERY_5,
        _DEXCOM_RANGE,
        Figure(120, "xDrip default"),
        Figure(240, LABEL),
    ),
    _model("Dexcom", "Dexcom ONE", ("one",), _EVERY_5, _DEXCOM_RANGE, Figure(120, LABEL), Figure(240, LABEL)),
    _model(
        "Dexcom", "Dexcom G7", ("g7",), _EVERY_5, _DEXCOM_RANGE, _G7_WARM_UP, Figure(252, "G7SensorKit, with grace")
    ),
    _model(
        "Dexcom",
        "Dexcom G7 15 Day",
        ("g715day", "g7 15 day"),
        _EVERY_5,
        _DEXCOM_RANGE,
        _G7_WARM_UP,
        Figure(372, "G7SensorKit: 15 days by its sessionLength, with grace"),
    ),
    _model("Dexcom", "Dexcom ONE+", ("one plus",), _EVERY_5, _DEXCOM_RANGE, _G7_WARM_UP, Figure(252, LABEL)),
    _model("Dexcom", "Dexcom G5", ("g5",), _EVERY_5, _DEXCOM_RANGE, Figure(120, LABEL), Figure(168, LABEL)),
    _model("Dexcom", "Dexcom G4", ("g4",), _EVERY_5, _DEXCOM_RANGE, Figure(120, LABEL), Figure(168, LABEL)),
    _model(
        "Abbott",
        "FreeStyle Libre",
        ("libre", "libre 1", "freestyle libre 14 day", "freestyle librelink"),
        _LIBRE_15,
        _LIBRE_500,
        _LIBRE_WARM_UP,
        Figure(336, LABEL),
    ),
    _model("Abbott", "FreeStyle Libre 2", ("libre 2",), _LIBRE_15, _LIBRE_500, _LIBRE_WARM_UP, Figure(336, LABEL)),
    _model(
        "Abbott",
        "FreeStyle Libre 3",
        ("libre 3",),
        Figure(_FIVE_MINUTES, "LibreView export; the app shows one a minute"),
        _LIBRE_500,
        _LIBRE_WARM_UP,
        Figure(336, LABEL),
    ),
    _model("Abbott", "FreeStyle Libre Pro", ("libre pro",), _LIBRE_15, _LIBRE_500, _LIBRE_WARM_UP, Figure(336, LABEL)),
    _model(
        "Medtronic",
        "Guardian Sensor 3",
        ("guardian 3", "guardian connect", "guardian sensor (3)"),
        Figure(_FIVE_MINUTES, "CareLink JSON: 288 values a day"),
        _40_TO_400,
        Figure(120, LABEL),
        Figure(168, LABEL),
    ),
    _model(
        "Medtronic",
        "Guardian 4 Sensor",
        ("guardian 4", "guardian(tm) 4 sensor"),
        Figure(_FIVE_MINUTES, "CareLink JSON: 288 values a day"),
        Range((40, 400), (22, 222), False, "CareLink states SG_BELOW_40_MGDL and SG_ABOVE_400_MGDL"),
        Figure(120, LABEL),
        Figure(168, LABEL),
    ),
    _model(
        "Medtronic",
        "Simplera Sync",
        ("simplera",),
        Figure(_FIVE_MINUTES, "CareLink JSON: 288 values a day"),
        Range((40, 400), (22, 222), False, "CareLink states SG_BELOW_40_MGDL and SG_ABOVE_400_MGDL"),
        Figure(120, LABEL),
        Figure(168, LABEL),
    ),
    _model(
        "Senseonics",
        "Eversense E3",
        ("e3", "eversense"),
        Figure(_FIVE_MINUTES, "DMS exports"),
        _40_TO_400,
        Figure(1440, LABEL),
        Figure(180 * 24, LABEL),
    ),
    _model(
        "Senseonics",
        "Eversense 365",
        ("365",),
        Figure(_FIVE_MINUTES, "DMS exports"),
        _40_TO_400,
        Figure(1440, LABEL),
        Figure(365 * 24, LABEL),
    ),
)

_ASSUMPTION: Final = "assumed: the device is not in the catalogue"
ASSUMED: Final = Model(
    "unknown",
    "unknown",
    (),
    Figure(_FIVE_MINUTES, _ASSUMPTION),
    Range((40, 400), (22, 222), False, _ASSUMPTION),
    Figure(120, _ASSUMPTION),
    Figure(240, _ASSUMPTION),
    known=False,
)
"""The commonest interval, the narrowest range and an average wear. Whoever uses it should say so (`known`)."""


def _key(vendor: str, written: str) -> tuple[str, str]:
    """The maker, and the model's name without the maker's and the brand's; `ONE+` is another than `ONE`."""
    maker, name = plain(vendor), plain(written.replace("+", " plus"))
    return maker, name.removeprefix(maker).removeprefix("freestyle")


_BY_NAME: Final = {_key(model.vendor, written): model for model in MODELS for written in model.names}


def model_of(device: Device | None) -> Model:
    """The catalogue's entry for what a source says of a device, by generation first, then by model; else `ASSUMED`.

    A name must be known as a whole: a `Libre 4` is not a Libre.
    """
    return _found(device.vendor, device.model, device.generation) if device is not None else ASSUMED


@lru_cache(maxsize=1024)
def _found(vendor: str | None, model: str | None, generation: str | None) -> Model:
    keys = (_key(vendor or "", written) for written in (generation, model) if written)
    return next((_BY_NAME[key] for key in keys if key in _BY_NAME), ASSUMED)
