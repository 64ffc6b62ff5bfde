"""Insulins by the names that devices and people give them: substance (RxNorm ingredient) and how fast they act.

Each code was compared with public uses of RxNorm that name it (see docs/fhir.md). A substance whose code
could not be found so is not here: its product goes out as insulin with its own text.
"""

from typing import NamedTuple


class Substance(NamedTuple):
    """An RxNorm ingredient. `short`: rapid- or short-acting, as for meals and pumps."""

    rxnorm: str
    display: str
    short: bool


_ASPART = Substance("51428", "insulin aspart", short=True)
_LISPRO = Substance("86009", "insulin lispro", short=True)
_GLULISINE = Substance("400008", "insulin glulisine", short=True)
_REGULAR = Substance("253182", "insulin, regular, human", short=True)
_GLARGINE = Substance("274783", "insulin glargine", short=False)
_DETEMIR = Substance("139825", "insulin detemir", short=False)
_DEGLUDEC = Substance("1670007", "insulin degludec", short=False)

_SUBSTANCES = (_ASPART, _LISPRO, _GLULISINE, _REGULAR, _GLARGINE, _DETEMIR, _DEGLUDEC)
_NAMES = {
    _ASPART: ("aspart", "novorapid", "novolog", "fiasp", "trurapi"),
    _LISPRO: ("lispro", "humalog", "lyumjev", "admelog"),
    _GLULISINE: ("glulisine", "apidra"),
    _REGULAR: ("regular", "actrapid"),
    _GLARGINE: ("glargine", "lantus", "toujeo", "basaglar", "abasaglar", "semglee"),
    _DETEMIR: ("detemir", "levemir"),
    _DEGLUDEC: ("degludec", "tresiba"),
}
_BY_NAME = {name: substance for substance, names in _NAMES.items() for name in names}
_BY_RXNORM = {substance.rxnorm: substance for substance in _SUBSTANCES}
_MIXED = ("mix", "30/70", "70/30", "50/50", "75/25", "25/75", "ryzodeg", "soliqua", "xultophy")
_SHORT = frozenset({"rapid-acting", "rapidacting", "rapid", "short-acting", "shortacting", "fast-acting", "fastacting"})


def substance_of(name: str | None) -> Substance | None:
    """The one substance in a product (`NovoRapid FlexPen`); None for a class, a mixture or a name not known."""
    words = (name or "").lower().replace("-", " ").replace("_", " ").split()
    if any(mixed in (name or "").lower() for mixed in _MIXED):
        return None
    found = {substance for word in words if (substance := _BY_NAME.get(word)) is not None}
    return found.pop() if len(found) == 1 else None


def substance_by_rxnorm(code: str) -> Substance | None:
    """The substance of an RxNorm ingredient code, or None if it is none of these insulins."""
    return _BY_RXNORM.get(code)


def is_short_acting(name: str | None) -> bool:
    """Does the name, of a product or a class, say that it acts rapidly or short?"""
    substance = substance_of(name)
    return substance.short if substance is not None else (name or "").strip().lower() in _SHORT
