"""Who may call: the Authorization header, made and compared."""

import base64

import pytest
from pydantic import ValidationError

from connectors.http_security import Auth, is_this_machine
from engine import sdk


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISLET_SECRET_TOKEN", "s3cret")
    monkeypatch.setenv("ISLET_SECRET_SPLIT", "two\nlines")


BEARER = Auth(bearer=sdk.Secret(secret="token"))
BASIC = Auth(user="stm", password=sdk.Secret(secret="token"))


def test_a_bearer_token_becomes_its_header() -> None:
    assert BEARER.header() == "Bearer s3cret"


def test_user_and_password_become_basic_credentials() -> None:
    assert BASIC.header() == "Basic " + base64.b64encode(b"stm:s3cret").decode()


@pytest.mark.parametrize("presented", ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "])
def test_the_right_token_opens_in_any_letter_case_of_its_scheme(presented: str) -> None:
    assert BEARER.permits(presented)


@pytest.mark.parametrize(
    "presented", [None, "", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets", "Basic s3cret", "s3cret", "Bearer é"]
)
def test_anything_else_stays_outside(presented: str | None) -> None:
    assert not BEARER.permits(presented)


def test_a_missing_secret_asks_for_the_operator() -> None:
    with pytest.raises(sdk.NeedsOperator, match="ISLET_SECRET_NOWHERE"):
        Auth(bearer=sdk.Secret(secret="nowhere")).header()


def test_a_secret_with_a_line_end_cannot_split_a_header_and_is_not_told() -> None:
    with pytest.raises(sdk.NeedsOperator, match="'split'") as caught:
        Auth(bearer=sdk.Secret(secret="split")).header()
    assert "two" not in str(caught.value)


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"user": "stm"},
        {"password": {"secret": "token"}},
        {"bearer": {"secret": "token"}, "user": "stm", "password": {"secret": "token"}},
    ],
)
def test_half_or_double_credentials_are_a_problem_that_says_what_to_write(written: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="write either bearer"):
        Auth.model_validate(written)


@pytest.mark.parametrize(
    ("host", "inside"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("ehr", False)],
)
def test_only_loopback_stays_inside_this_machine(host: str, inside: bool) -> None:
    assert is_this_machine(host) is inside
