from decimal import Decimal

import pytest

from clinical.hl7v2 import Hl7Error, parse
from clinical.hl7v2.segment import Segment
from clinical.hl7v2.values import has_value, read_unit, read_value
from clinical.records import Detection
from tests.unit.hl7v2.messages import obx, oru


def segment(kind: str, value: str, unit: str = "mg/dL") -> Segment:
    return parse(oru(obx(kind=kind, value=value, unit=unit))).all("OBX")[0]


@pytest.mark.parametrize(
    ("kind", "value", "number", "detection"),
    [
        ("NM", "182", "182", None),
        ("NM", " 5.40 ", "5.40", None),
        ("NM", "+5.4", "5.4", None),
        ("NM", "5.", "5", None),
        ("nm", "-1", "-1", None),
        ("NM", ">400", "400", Detection.ABOVE),
        ("NM", "< 2.2", "2.2", Detection.BELOW),
        ("SN", ">^400", "400", Detection.ABOVE),
        ("SN", "<^40", "40", Detection.BELOW),
        ("SN", "<=^40", "40", Detection.BELOW),
        ("SN", "^182", "182", None),
        ("SN", "=^182", "182", None),
        ("ST", "182", "182", None),
        ("ST", "HI", None, Detection.ABOVE),
        ("ST", "low", None, Detection.BELOW),
        ("NM", "LO", None, Detection.BELOW),
        ("TX", ">=600", "600", Detection.ABOVE),
        ("FT", "182", "182", None),
        ("NA", "182", "182", None),
        ("NA", " 5.40 ^", "5.40", None),
    ],
)
def test_values_are_read_by_their_type_with_their_digits(
    kind: str, value: str, number: str | None, detection: Detection | None
) -> None:
    found = read_value(segment(kind, value))
    assert str(found.number) == str(Decimal(number)) if number is not None else found.number is None
    assert found.detection is detection


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("NM", "high normal", "not-a-number"),
        ("NM", "182 mg/dL", "not-a-number"),
        ("NM", "5,4", "decimal-comma"),
        ("NM", "1e2", "not-a-number"),
        ("NM", "NaN", "not-a-number"),
        ("NM", "Infinity", "not-a-number"),
        ("NM", "１８２", "not-a-number"),
        ("NM", "27~25", "several-values"),
        ("NA", "182^183^184", "several-values"),
        ("NA", "182^183~184", "several-values"),
        ("NA", "high", "not-a-number"),
        ("NM", "182^3", "not-one-value"),
        ("NM", ">", "not-a-number"),
        ("NM", "", "value-missing"),
        ("SN", "^100^-^200", "not-one-value"),
        ("SN", "^1^:^128", "not-one-value"),
        ("SN", "^2^+", "not-one-value"),
        ("SN", "<>^5", "comparator-unknown"),
        ("SN", ">", "value-missing"),
        ("CE", "182", "value-type"),
        ("", "182", "value-type-missing"),
    ],
)
def test_what_is_not_one_number_is_refused_without_repeating_it(kind: str, value: str, code: str) -> None:
    with pytest.raises(Hl7Error) as raised:
        read_value(segment(kind, value))
    assert raised.value.code == code
    assert raised.value.path in ("2", "5")
    assert len(value) < 3 or value not in raised.value.text


def test_a_decimal_comma_is_named() -> None:
    with pytest.raises(Hl7Error, match="decimal comma; write a decimal point"):
        read_value(segment("NM", "5,4"))


@pytest.mark.parametrize(
    ("field", "ucum"),
    [
        ("mg/dL", "mg/dL"),
        ("MG/DL", "mg/dL"),
        ("mg/dL^milligram per decilitre^UCUM", "mg/dL"),
        ("^mmol/l", "mmol/L"),
        ("264274^MDC_DIM_MILLI_G_PER_DL^MDC", "mg/dL"),
        ("266866^MDC_DIM_MILLI_MOLE_PER_L^MDC^mmol/L^^UCUM", "mmol/L"),
        ("XX^^L^mmol/L^^UCUM", "mmol/L"),
        ("XX^^L^YY^^L^^^^mmol/L^^UCUM", "mmol/L"),
        ("mg%", "mg/dL"),
    ],
)
def test_units_are_known_by_code_text_or_alias(field: str, ucum: str) -> None:
    assert read_unit(segment("NM", "1", field)).ucum == ucum


def test_grams_a_litre_are_milligrams_a_decilitre_by_an_exact_factor() -> None:
    unit = read_unit(segment("NM", "1.12", "g/L^^UCUM"))
    assert (unit.ucum, unit.text, unit.factor) == ("mg/dL", "g/L", Decimal(100))


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("", "unit-missing"),
        ('""', "unit-missing"),
        ("K/uL^^UCUM", "unit-unknown"),
        ("mg/dL^^^mmol/L", "unit-unclear"),
        ("g/L^^UCUM^mg/dL", "unit-unclear"),
    ],
)
def test_a_unit_that_is_missing_unknown_or_two_is_refused(field: str, code: str) -> None:
    for _ in range(2):  # what is remembered of a field must not make it readable
        with pytest.raises(Hl7Error) as raised:
            read_unit(segment("NM", "1", field))
        assert (raised.value.code, raised.value.path) == (code, "6")


def test_an_empty_and_a_deleted_value_are_no_values() -> None:
    assert [has_value(segment("NM", value)) for value in ("182", "0", "", " ", '""')] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_long_fields_are_read_without_being_remembered() -> None:
    field = "mg/dL^" + "x" * 100_000
    assert read_unit(segment("NM", "1", field)).ucum == "mg/dL"
    with pytest.raises(Hl7Error):
        read_unit(segment("NM", "1", "x" * 100_000))
