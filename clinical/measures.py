"""What is measured besides glucose: its codes (LOINC, MDC), its unit and the aliases of that unit, and what a body
can have at all.

LOINC as the FHIR vital-signs profiles and the personal health device guide use it; MDC after ISO/IEEE 11073-10101
(partition 2), 10441 (partition 129) and 10419, insulin pumps (partition 128).
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from clinical import units
from clinical.codes import LOINC, MDC, code_system


class Measure(StrEnum):
    """The meaning of a code, whatever system it is of."""

    WEIGHT = "weight"
    HEART_RATE = "heart-rate"
    STEPS = "steps"
    KETONE = "ketone"
    SYSTOLIC = "systolic"
    DIASTOLIC = "diastolic"
    CARBOHYDRATE = "carbohydrate"
    BOLUS_SETTING = "bolus-setting"
    """What was asked for, whatever was delivered."""
    BOLUS = "bolus"
    EXTENDED_BOLUS = "extended-bolus"
    BASAL = "basal"
    BASAL_RATE = "basal-rate"


class Written(NamedTuple):
    """The LOINC code that we write, with its display."""

    code: str
    display: str


WRITTEN: Mapping[Measure, Written] = MappingProxyType(
    {
        Measure.WEIGHT: Written("29463-7", "Body weight"),
        Measure.HEART_RATE: Written("8867-4", "Heart rate"),
        Measure.STEPS: Written("55423-8", "Number of steps in unspecified time Pedometer"),
        Measure.KETONE: Written("66441-7", "Beta hydroxybutyrate [Moles/volume] in Blood by Test strip"),
        Measure.SYSTOLIC: Written("8480-6", "Systolic blood pressure"),
        Measure.DIASTOLIC: Written("8462-4", "Diastolic blood pressure"),
        Measure.CARBOHYDRATE: Written("9059-7", "Carbohydrate intake Estimated"),
    }
)
STEPS_OF_A_DAY = Written("41950-7", "Number of steps in 24 hour Measured")
BLOOD_PRESSURE = Written("85354-9", "Blood pressure panel with all children optional")
COMMENT = Written("48767-8", "Annotation comment [Interpretation] Narrative")

_LOINC = {written.code: measure for measure, written in WRITTEN.items()} | {
    STEPS_OF_A_DAY.code: Measure.STEPS,
    "3141-9": Measure.WEIGHT,  # measured
    "8893-0": Measure.HEART_RATE,  # peripheral artery, by palpation
}

_SCADA, _DIABETES, _FITNESS = 2, 128, 129
_MDC = {
    (_SCADA, 57664, "MDC_MASS_BODY_ACTUAL"): Measure.WEIGHT,
    (_SCADA, 18949, "MDC_PRESS_BLD_NONINV_SYS"): Measure.SYSTOLIC,
    (_SCADA, 18950, "MDC_PRESS_BLD_NONINV_DIA"): Measure.DIASTOLIC,
    (_SCADA, 18474, "MDC_PULS_RATE_NON_INV"): Measure.HEART_RATE,
    (_SCADA, 18458, "MDC_PULS_OXIM_PULS_RATE"): Measure.HEART_RATE,
    (_SCADA, 16770, "MDC_ECG_HEART_RATE"): Measure.HEART_RATE,
    (_FITNESS, 114, "MDC_HF_HR"): Measure.HEART_RATE,
    (_DIABETES, 29680, "MDC_INS_BASAL"): Measure.BASAL,
    (_DIABETES, 29692, "MDC_INS_BASAL_RATE_SETTING"): Measure.BASAL_RATE,
    (_DIABETES, 29694, "MDC_INS_BASAL_TEMP_ABS"): Measure.BASAL_RATE,
    (_DIABETES, 29724, "MDC_INS_BOLUS_SETTING"): Measure.BOLUS_SETTING,
    (_DIABETES, 29736, "MDC_INS_BOLUS"): Measure.BOLUS,
    (_DIABETES, 29737, "MDC_INS_BOLUS_FAST"): Measure.BOLUS,
    (_DIABETES, 29738, "MDC_INS_BOLUS_EXT"): Measure.EXTENDED_BOLUS,
    (_DIABETES, 29739, "MDC_INS_BOLUS_CORR"): Measure.BOLUS,
    (_DIABETES, 29740, "MDC_INS_BOLUS_MEAL"): Measure.BOLUS,
}
_MDC_MEASURES = {
    key: measure
    for (partition, code, name), measure in _MDC.items()
    for key in (str((partition << 16) + code), f"{partition}::{code}", name.lower())
}
MDC_WRITTEN: Mapping[Measure, Written] = MappingProxyType(
    {
        Measure.BASAL: Written("8418288", "MDC_INS_BASAL"),
        Measure.BASAL_RATE: Written("8418300", "MDC_INS_BASAL_RATE_SETTING"),
        Measure.BOLUS_SETTING: Written("8418332", "MDC_INS_BOLUS_SETTING"),
        Measure.BOLUS: Written("8418344", "MDC_INS_BOLUS"),
        Measure.EXTENDED_BOLUS: Written("8418346", "MDC_INS_BOLUS_EXT"),
    }
)
"""Insulin has no LOINC code for a dose; these are the pump's own."""

UNIT: Mapping[Measure, str] = MappingProxyType(
    {
        Measure.WEIGHT: units.KILOGRAM,
        Measure.HEART_RATE: units.PER_MINUTE,
        Measure.STEPS: units.COUNT,
        Measure.KETONE: units.MMOL_L,
        Measure.SYSTOLIC: units.PRESSURE,
        Measure.DIASTOLIC: units.PRESSURE,
        Measure.CARBOHYDRATE: units.GRAM,
        Measure.BOLUS_SETTING: units.INSULIN,
        Measure.BOLUS: units.INSULIN,
        Measure.EXTENDED_BOLUS: units.INSULIN,
        Measure.BASAL: units.INSULIN,
        Measure.BASAL_RATE: units.INSULIN_RATE,
    }
)

VITAL_SIGNS = frozenset(
    {Measure.WEIGHT, Measure.HEART_RATE, Measure.STEPS, Measure.KETONE, Measure.SYSTOLIC, Measure.DIASTOLIC}
)
INSULIN = frozenset({Measure.BOLUS_SETTING, Measure.BOLUS, Measure.EXTENDED_BOLUS, Measure.BASAL, Measure.BASAL_RATE})

_ONE, _POUND_IN_KG = Decimal(1), Decimal("0.45359237")
_KILOPASCAL_IN_MMHG = Decimal("7.50061683")
_ALIASES: Mapping[str, Mapping[str, Decimal]] = {
    units.KILOGRAM: {
        **dict.fromkeys(("kg", "kgs", "kilogram", "mdc_dim_kilo_g", "263875", "4::1731"), _ONE),
        **dict.fromkeys(("g", "gm", "gram", "mdc_dim_g", "263872", "4::1728"), Decimal("0.001")),
        **dict.fromkeys(("[lb_av]", "lb", "lbs", "pound", "mdc_dim_lb", "263904", "4::1760"), _POUND_IN_KG),
    },
    units.PER_MINUTE: dict.fromkeys(
        ("/min", "{beats}/min", "bpm", "beats/min", "1/min", "min-1", "mdc_dim_beat_per_min", "264864", "4::2720"), _ONE
    ),
    units.COUNT: dict.fromkeys(("{steps}", "steps", "{step}", "step", "1", "count", "{#}", "mdc_dim_step"), _ONE),
    units.MMOL_L: dict.fromkeys(("mmol/l", "mdc_dim_milli_mole_per_l", "266866", "4::4722"), _ONE),
    units.PRESSURE: {
        **dict.fromkeys(("mm[hg]", "mmhg", "mm hg", "mdc_dim_mmhg", "266016", "4::3872"), _ONE),
        **dict.fromkeys(("kpa", "mdc_dim_kilo_pascal", "265987", "4::3843"), _KILOPASCAL_IN_MMHG),
    },
    units.GRAM: dict.fromkeys(("g", "gm", "gram", "grams", "mdc_dim_g", "263872", "4::1728"), _ONE),
    units.INSULIN: dict.fromkeys(
        ("[iu]", "iu", "u", "unit", "units", "[arb'u]", "mdc_dim_intl_unit", "267616", "4::5472"), _ONE
    ),
    units.INSULIN_RATE: dict.fromkeys(
        ("[iu]/h", "iu/h", "u/h", "u/hr", "units/hour", "mdc_dim_intl_unit_per_hr", "267840", "4::5696"), _ONE
    ),
}

_POSSIBLE: Mapping[Measure, tuple[int, int]] = {
    Measure.WEIGHT: (0, 700),
    Measure.HEART_RATE: (10, 350),
    Measure.STEPS: (0, 300_000),
    Measure.KETONE: (0, 30),
    Measure.SYSTOLIC: (20, 400),
    Measure.DIASTOLIC: (10, 300),
    Measure.CARBOHYDRATE: (0, 2000),
    Measure.BOLUS_SETTING: (0, 300),
    Measure.BOLUS: (0, 300),
    Measure.EXTENDED_BOLUS: (0, 300),
    Measure.BASAL: (0, 300),
    Measure.BASAL_RATE: (0, 50),
}


_PLAUSIBLE_GLUCOSE = {units.MG_DL: (20, 600), units.MMOL_L: (11, 333)}  # steps: 20 to 600 mg/dL, 1.1 to 33.3 mmol/L
_WHOLE_BELOW_MG_DL = 40
"""Nobody measures so little to a tenth of a mg/dL: 33.1 mg/dL is a value in mmol/L under the wrong unit."""


def is_plausible_glucose(steps: int, unit: str, *, exact: bool = True) -> bool:
    """Can a person have that glucose? 6.5 mg/dL is a value in mmol/L with the wrong unit beside it. `exact`: as
    `to_steps` says, the value had no more digits than the unit's step."""
    low, high = _PLAUSIBLE_GLUCOSE[unit]
    return low <= steps <= high and (exact or unit != units.MG_DL or steps > _WHOLE_BELOW_MG_DL)


def measure_of(code: str, system: str | None) -> Measure | None:
    """What a code measures, or None if it is none of these.

    Without a system, LOINC codes and MDC names are recognised by their form, plain numbers are not.
    """
    key = code.strip().lower()
    named = code_system(system)
    if named is None and not (system or "").strip():
        named = LOINC if "-" in key else MDC if key.startswith("mdc_") else None
    if named == LOINC:
        return _LOINC.get(key)
    return _MDC_MEASURES.get(key) if named == MDC else None


def factor_to(unit: str, alias: str) -> Decimal | None:
    """By what a number in the unit `alias` (UCUM, MDC name or number, or what people write) is multiplied to be one
    in `unit`, of this module; None if it is no unit of that kind."""
    return _ALIASES[unit].get(alias.strip().lower())


def is_possible(measure: Measure, number: Decimal) -> bool:
    """Can anybody have that value, in the measure's unit?"""
    low, high = _POSSIBLE[measure]
    return low <= number <= high
