"""Insulins by the names that devices and people give them."""

import pytest

from clinical.insulins import is_short_acting, substance_by_rxnorm, substance_of


@pytest.mark.parametrize(
    ("name", "rxnorm", "short"),
    [
        ("NovoRapid FlexPen", "51428", True),
        ("Fiasp", "51428", True),
        ("Humalog KwikPen", "86009", True),
        ("Apidra", "400008", True),
        ("Actrapid", "253182", True),
        ("insulin_regular", "253182", True),
        ("Lantus", "274783", False),
        ("Levemir", "139825", False),
        ("Tresiba", "1670007", False),
    ],
)
def test_a_product_names_its_substance(name: str, rxnorm: str, short: bool) -> None:
    substance = substance_of(name)
    assert substance is not None
    assert (substance.rxnorm, is_short_acting(name)) == (rxnorm, short)
    assert substance_by_rxnorm(rxnorm) == substance


@pytest.mark.parametrize("name", ["NovoMix 30", "Humulin 30/70", "rapid-acting", "Basaglar and Humalog", "X", "", None])
def test_mixtures_classes_and_names_not_known_have_no_code(name: str | None) -> None:
    assert substance_of(name) is None
