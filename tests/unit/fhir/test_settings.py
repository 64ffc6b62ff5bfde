"""What the YAML of a `fhir_server` may and may not say."""

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.fhir.server import plugin
from connectors.fhir.settings import FhirServerSettings
from engine import sdk

TOKEN = {"bearer": {"secret": "stm-fhir"}}


def test_the_base_is_all_that_must_be_said() -> None:
    settings = FhirServerSettings(base="https://fhir.example/r4/")
    assert settings.base == "https://fhir.example/r4"
    assert (settings.batch.up_to, settings.timeout, settings.update_by, settings.sign_in) == (1, 30.0, "search", None)
    assert plugin.accepts == {sdk.Shape.FHIR}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"base": "fhir.example/r4"}, "is not a web address"),
        ({"base": "ftp://fhir.example"}, "is not a web address"),
        ({"base": "https://user:pw@fhir.example"}, "no user or password"),
        ({"base": "https://fhir.example/r4?x=1"}, "must end before"),
        ({"base": "http://fhir.example/r4", "sign_in": TOKEN}, "must begin with https"),
        ({"base": "http://fhir.example/r4", "headers": {"x-key": {"secret": "k"}}}, "must begin with https"),
        ({"base": "https://fhir.example", "headers": {"If-None-Exist": "x"}}, "set by this destination itself"),
        ({"base": "https://fhir.example", "headers": {"authorization": "x"}}, "set by this destination itself"),
        ({"base": "https://fhir.example", "batch": {"up_to": 0}}, "greater than or equal to 1"),
        ({"base": "https://fhir.example", "timeout": 5}, "5 what"),
        ({"base": "https://fhir.example", "sign_in": {}}, "write either bearer"),
        ({"base": "https://fhir.example", "typo": 1}, "Extra inputs"),
    ],
)
def test_what_could_not_work_is_refused_with_what_to_write(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        FhirServerSettings(**settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_token_may_go_over_plain_http_inside_this_machine(host: str) -> None:
    assert FhirServerSettings(base=f"http://{host}:8080/fhir", sign_in=TOKEN).sign_in is not None
