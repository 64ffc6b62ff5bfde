import pytest

from clinical.codes import analyte_of, code_system, is_control_solution, loinc_for
from clinical.records import Analyte
from clinical.units import MG_DL, MMOL_L


@pytest.mark.parametrize(
    ("code", "system", "analyte"),
    [
        ("99504-3", "LN", Analyte.INTERSTITIAL_GLUCOSE),
        ("105272-9", "http://loinc.org", Analyte.INTERSTITIAL_GLUCOSE),
        ("2339-0", "LOINC", Analyte.BLOOD_GLUCOSE),
        ("15074-8", None, Analyte.BLOOD_GLUCOSE),
        ("41653-7", "", Analyte.CAPILLARY_GLUCOSE),
        ("14743-9", "2.16.840.1.113883.6.1", Analyte.CAPILLARY_GLUCOSE),
        ("2345-7", "LN", Analyte.PLASMA_GLUCOSE),
        ("14749-6", "LN", Analyte.PLASMA_GLUCOSE),
        ("160212", "MDC", Analyte.INTERSTITIAL_GLUCOSE),
        ("2::29140", "urn:iso:std:iso:11073:10101", Analyte.INTERSTITIAL_GLUCOSE),
        ("MDC_CONC_GLU_ISF", None, Analyte.INTERSTITIAL_GLUCOSE),
        ("160184", "MDC", Analyte.CAPILLARY_GLUCOSE),
        ("160196", "MDC", Analyte.PLASMA_GLUCOSE),
        ("160368", "MDC", Analyte.PLASMA_GLUCOSE),
        ("160364", "MDC", Analyte.BLOOD_GLUCOSE),
        ("160212", None, None),
        ("160212", "LN", None),
        ("99504-3", "L", None),
        ("99504-3", "99ABC", None),
        ("4548-4", "LN", None),
        ("160208", "MDC", None),
        ("97507-8", "LN", None),
        ("", None, None),
    ],
)
def test_a_code_of_a_known_system_names_its_analyte(code: str, system: str | None, analyte: Analyte | None) -> None:
    assert analyte_of(code, system) == analyte


def test_body_fluid_is_a_sensor_reading_only_where_old_apps_are_read() -> None:
    assert analyte_of("2344-0", "LN") is None
    assert analyte_of("2344-0", "LN", body_fluid_is_cgm=True) is Analyte.INTERSTITIAL_GLUCOSE


@pytest.mark.parametrize("code", ["160208", "160372", "160376", "160380"])
def test_control_solution_is_recognised(code: str) -> None:
    assert is_control_solution(code, "MDC")
    assert not is_control_solution(code, "LN")
    assert is_control_solution("MDC_CONC_GLU_CONTROL", "")


@pytest.mark.parametrize("analyte", Analyte)
@pytest.mark.parametrize("unit", [MG_DL, MMOL_L])
def test_what_is_written_is_read_as_the_same_analyte_and_has_a_valid_check_digit(analyte: Analyte, unit: str) -> None:
    code, display = loinc_for(analyte, unit)
    assert analyte_of(code, "LN") is analyte
    assert ("Mass" if unit == MG_DL else "Moles") in display
    number, check = code.split("-")
    doubled = sum(sum(divmod(int(d) * (2 if i % 2 == 0 else 1), 10)) for i, d in enumerate(reversed(number)))
    assert (10 - doubled % 10) % 10 == int(check)


def test_names_of_systems_are_known() -> None:
    assert (code_system("LN"), code_system(" mdc "), code_system("L"), code_system(None)) == (
        "LOINC",
        "MDC",
        None,
        None,
    )
