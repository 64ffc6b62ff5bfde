"""Any JSON that pretends to be a resource: a record, an aside with its path, counted, or refused; nothing else."""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.fhir.form import Form
from clinical.fhir.frame import encode
from clinical.fhir.resource import to_resource
from engine import sdk
from engine.testing.builders import a_message
from tests.examples import some
from tests.unit.fhir.kinds import every_kind
from tests.unit.fhir.test_kinds import RELEASES
from transformers.fhir_to_records import FhirToRecordsSettings, fhir_to_records

RESOURCES: list[dict[str, Any]] = [
    orjson.loads(encode(to_resource(record, Form(release=release, details=details))))
    for record in every_kind()
    for release in RELEASES
    for details in (True, False)
]
_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 10**12) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["value", "code", "url", "x"]), inner),
    max_leaves=4,
)


def places(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [where, *(place for name, part in inner for place in places(part, (*where, name)))]


@settings(max_examples=some(300), deadline=None)
@given(st.sampled_from(RESOURCES), st.data())
def test_a_resource_with_anything_anywhere_is_read_set_aside_or_refused(resource: dict[str, Any], data: Any) -> None:
    spoiled = orjson.loads(orjson.dumps(resource))
    where = data.draw(st.sampled_from(places(spoiled)[1:]))
    held = spoiled
    for name in where[:-1]:
        held = held[name]
    held[where[-1]] = data.draw(_JUNK)
    try:
        made = fhir_to_records(a_message(orjson.dumps(spoiled), sdk.Shape.FHIR), FhirToRecordsSettings())
    except sdk.InvalidMessage:
        return
    for output in [made] if isinstance(made, sdk.Drop) else made:
        assert isinstance(output, (sdk.Message, sdk.Drop, sdk.Aside))
        assert not isinstance(output, sdk.Aside) or (output.error.code and output.error.path)
