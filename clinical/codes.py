"""Which code means which analyte, and which LOINC code a reading is written with.

LOINC codes after the HL7 CGM guide 1.0.0 and LOINC's own texts; MDC codes after ISO/IEEE 11073-10101 and -10417.
A code names an analyte whatever its property says: the unit beside the value decides how the value is read.
"""

from collections.abc import Mapping
from types import MappingProxyType

from clinical.records import Analyte
from clinical.units import MG_DL, MMOL_L

LOINC = "LOINC"
MDC = "MDC"

_SYSTEMS = {
    "ln": LOINC,
    "loinc": LOINC,
    "http://loinc.org": LOINC,
    "2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "mdc": MDC,
    "urn:iso:std:iso:11073:10101": MDC,
    "2.16.840.1.113883.6.24": MDC,
    "urn:oid:2.16.840.1.113883.6.24": MDC,
}

_LOINC = {
    "99504-3": Analyte.INTERSTITIAL_GLUCOSE,
    "105272-9": Analyte.INTERSTITIAL_GLUCOSE,
    "2339-0": Analyte.BLOOD_GLUCOSE,
    "15074-8": Analyte.BLOOD_GLUCOSE,
    "2340-8": Analyte.BLOOD_GLUCOSE,  # by automated test strip
    "2341-6": Analyte.BLOOD_GLUCOSE,  # by test strip, manual
    "41653-7": Analyte.CAPILLARY_GLUCOSE,
    "14743-9": Analyte.CAPILLARY_GLUCOSE,
    "32016-8": Analyte.CAPILLARY_GLUCOSE,
    "2345-7": Analyte.PLASMA_GLUCOSE,
    "14749-6": Analyte.PLASMA_GLUCOSE,
}

# Glucose in body fluid: what older apps wrote for CGM readings, and what a laboratory writes for pleural fluid.
_LEGACY_CGM = frozenset({"2344-0", "14745-4"})

_MDC_PARTITION_SCADA = 2 << 16
_MDC = {
    29112: ("MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD", Analyte.CAPILLARY_GLUCOSE),
    29116: ("MDC_CONC_GLU_CAPILLARY_PLASMA", Analyte.CAPILLARY_GLUCOSE),
    29120: ("MDC_CONC_GLU_VENOUS_WHOLEBLOOD", Analyte.BLOOD_GLUCOSE),
    29124: ("MDC_CONC_GLU_VENOUS_PLASMA", Analyte.PLASMA_GLUCOSE),
    29128: ("MDC_CONC_GLU_ARTERIAL_WHOLEBLOOD", Analyte.BLOOD_GLUCOSE),
    29132: ("MDC_CONC_GLU_ARTERIAL_PLASMA", Analyte.PLASMA_GLUCOSE),
    29140: ("MDC_CONC_GLU_ISF", Analyte.INTERSTITIAL_GLUCOSE),
    29292: ("MDC_CONC_GLU_UNDETERMINED_WHOLEBLOOD", Analyte.BLOOD_GLUCOSE),
    29296: ("MDC_CONC_GLU_UNDETERMINED_PLASMA", Analyte.PLASMA_GLUCOSE),
}
_MDC_CONTROL = {
    29136: "MDC_CONC_GLU_CONTROL",
    29300: "MDC_CONC_GLU_CONTROL_LEVEL_LOW",
    29304: "MDC_CONC_GLU_CONTROL_LEVEL_MEDIUM",
    29308: "MDC_CONC_GLU_CONTROL_LEVEL_HIGH",
}


def _mdc_keys(code: int, name: str) -> tuple[str, str, str]:
    """The ways to write one MDC code: context-free number, `partition::code`, name."""
    return (str(_MDC_PARTITION_SCADA + code), f"2::{code}", name.lower())


_MDC_ANALYTES = {key: analyte for code, (name, analyte) in _MDC.items() for key in _mdc_keys(code, name)}
_MDC_CONTROLS = frozenset(key for code, name in _MDC_CONTROL.items() for key in _mdc_keys(code, name))

_WRITTEN: Mapping[tuple[Analyte, str], tuple[str, str]] = MappingProxyType(
    {
        (Analyte.INTERSTITIAL_GLUCOSE, MG_DL): ("99504-3", "Glucose [Mass/volume] in Interstitial fluid"),
        (Analyte.INTERSTITIAL_GLUCOSE, MMOL_L): ("105272-9", "Glucose [Moles/volume] in Interstitial fluid"),
        (Analyte.BLOOD_GLUCOSE, MG_DL): ("2339-0", "Glucose [Mass/volume] in Blood"),
        (Analyte.BLOOD_GLUCOSE, MMOL_L): ("15074-8", "Glucose [Moles/volume] in Blood"),
        (Analyte.CAPILLARY_GLUCOSE, MG_DL): ("41653-7", "Glucose [Mass/volume] in Capillary blood by Glucometer"),
        (Analyte.CAPILLARY_GLUCOSE, MMOL_L): ("14743-9", "Glucose [Moles/volume] in Capillary blood by Glucometer"),
        (Analyte.PLASMA_GLUCOSE, MG_DL): ("2345-7", "Glucose [Mass/volume] in Serum or Plasma"),
        (Analyte.PLASMA_GLUCOSE, MMOL_L): ("14749-6", "Glucose [Moles/volume] in Serum or Plasma"),
    }
)


def code_system(name: str | None) -> str | None:
    """`LOINC` or `MDC` for the names that HL7 v2, FHIR and OIDs give them; None for any other, or none."""
    return _SYSTEMS.get(name.strip().lower()) if name else None


def analyte_of(code: str, system: str | None, *, body_fluid_is_cgm: bool = False) -> Analyte | None:
    """The analyte that a code means, or None if it is not one of ours.

    Without a system LOINC codes and MDC names are recognised (their forms are unmistakable), plain numbers are not.
    `body_fluid_is_cgm`: read 2344-0 and 14745-4 as older CGM apps meant them; a laboratory means another fluid.
    """
    key = code.strip().lower()
    named = code_system(system)
    if named is None and not (system or "").strip():
        named = LOINC if "-" in key else MDC if key.startswith("mdc_") else None
    if named == LOINC:
        if body_fluid_is_cgm and key in _LEGACY_CGM:
            return Analyte.INTERSTITIAL_GLUCOSE
        return _LOINC.get(key)
    return _MDC_ANALYTES.get(key) if named == MDC else None


def is_control_solution(code: str, system: str | None) -> bool:
    """Does the code say that a meter measured its control solution, and so no patient?"""
    key = code.strip().lower()
    return key in _MDC_CONTROLS and (code_system(system) == MDC or key.startswith("mdc_"))


def loinc_for(analyte: Analyte, unit: str) -> tuple[str, str]:
    """The LOINC code and its display for a reading in this unit (UCUM), as the CGM guide wants it."""
    return _WRITTEN[analyte, unit]
