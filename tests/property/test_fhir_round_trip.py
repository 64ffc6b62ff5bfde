"""Record → resource → record is the identity, in both releases, and every resource satisfies the models."""

from decimal import Decimal
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings

from clinical.fhir.form import Form
from clinical.fhir.frame import encode
from clinical.fhir.read import read_resource
from clinical.fhir.resource import to_resource
from clinical.records import AnyRecord
from tests.examples import some
from tests.unit.fhir.kinds import any_record

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


@pytest.mark.parametrize("release", ["R4", "R5"])
@pytest.mark.parametrize("subject", ["identifier", "source-identifier"])
@given(record=any_record)
@settings(max_examples=some(30), deadline=None)
def test_what_is_written_with_details_is_read_back_the_same(
    release: Literal["R4", "R5"], subject: Any, record: AnyRecord
) -> None:
    form = Form(release=release, subject=subject, details=True)
    assert read_resource(_decode(encode(to_resource(record, form)))) == record
