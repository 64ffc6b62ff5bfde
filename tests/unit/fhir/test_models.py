"""Every Observation that the mapping can make satisfies the R4 models of fhir.resources."""

from itertools import product
from typing import Any, Literal, get_args

import pytest
from fhir.resources.R4B.observation import Observation

from clinical.fhir.form import Form
from clinical.fhir.frame import encode
from clinical.fhir.observation import glucose_to_observation
from tests.unit.fhir.builders import many_readings

SUBJECTS: list[Literal["identifier", "source-identifier"]] = ["identifier", "source-identifier"]
DEVICES: list[Literal["contained", "identifier"] | None] = ["contained", "identifier", None]
CATEGORIES: list[Literal["laboratory", "vital-signs"] | None] = ["laboratory", "vital-signs", None]
FORMS = [
    Form(subject=subject, device=device, category=category)
    for subject, device, category in product(SUBJECTS, DEVICES, CATEGORIES)
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.subject}-{form.device}-{form.category}")
def test_the_model_takes_it_and_loses_nothing(form: Form) -> None:
    for reading in many_readings():
        written = encode(glucose_to_observation(reading, form))
        model = Observation.model_validate_json(written)
        assert model.status == reading.status.value
        assert model.valueQuantity is not None
        assert model.valueQuantity.value == glucose_to_observation(reading, form)["valueQuantity"]["value"]


def test_the_form_has_no_words_that_are_not_tried_here() -> None:
    tried: dict[str, set[Any]] = {name: {getattr(form, name) for form in FORMS} for name in ("device", "category")}
    for name, values in tried.items():
        declared = Form.__annotations__[name]
        words = {word for part in get_args(declared) for word in get_args(part) or (None,)}
        assert words == values
