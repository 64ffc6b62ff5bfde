"""What each answer of an HTTP server means to the engine."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from connectors.http_sender import HttpSenderSettings, judge, retry_after_seconds
from engine import sdk

NOW = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
CANARY = "Zweistein, Franziska"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_an_answer_with_its_location(status: int) -> None:
    assert judge(status, {"Location": "/made/1"}, "", NOW) == sdk.Answer(str(status), location="/made/1")


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    with pytest.raises(sdk.Unavailable, match=str(status)) as caught:
        judge(status, {}, CANARY, NOW)
    assert (caught.value.code, caught.value.detail) == (f"http-{status}", CANARY)


@pytest.mark.parametrize("status", [409, 429, 503])
def test_retry_after_is_heeded(status: int) -> None:
    with pytest.raises(sdk.Throttled) as caught:
        judge(status, {"Retry-After": "17"}, "", NOW)
    assert caught.value.after_seconds == 17.0


def test_429_without_a_time_still_slows_us_down() -> None:
    with pytest.raises(sdk.Throttled) as caught:
        judge(429, {}, "", NOW)
    assert caught.value.after_seconds == 30.0


@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 413, 415, 422])
def test_other_4xx_are_for_good_and_what_was_said_is_kept_but_never_in_the_text(status: int) -> None:
    with pytest.raises(sdk.Refused) as caught:
        judge(status, {}, CANARY, NOW)
    assert caught.value.detail == CANARY
    assert CANARY not in str(caught.value)


def test_401_is_for_the_operator_since_no_message_would_get_through() -> None:
    with pytest.raises(sdk.NeedsOperator, match="secret"):
        judge(401, {}, "", NOW)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_told_only_to_the_journal(status: int) -> None:
    with pytest.raises(sdk.Refused, match="redirect") as caught:
        judge(status, {"Location": "https://elsewhere.example/"}, "", NOW)
    assert caught.value.detail == "https://elsewhere.example/"
    assert "elsewhere" not in str(caught.value)


def test_the_list_ok_says_what_success_is_and_nothing_else_is() -> None:
    assert judge(409, {}, "", NOW, ok=(201, 409)).code == "409"
    with pytest.raises(sdk.Refused):
        judge(200, {}, "", NOW, ok=(201, 409))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (None, None),
        ("5", 5.0),
        (" 5 ", 5.0),
        ("99999999999999", 3600.0),
        ("Fri, 20 Nov 2026 10:15:42 GMT", 42.0),
        ("Fri, 20 Nov 2026 10:14:00 GMT", 0.0),
        ("Fri, 20 Nov 2026 10:15:42 -0000", 42.0),
        ("soon", None),
        ("-3", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(written: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(written, NOW) == seconds


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"url": "host.example/in"}, "web address"),
        ({"url": "ftp://host.example/in"}, "web address"),
        ({"url": "https://user:pw@host.example/in"}, "under auth"),
        ({"url": "https://host.example/in#part"}, "after #"),
        ({"url": "https://host.example/", "headers": {"idempotency-KEY": "x"}}, "set by this destination itself"),
        ({"url": "https://host.example/", "headers": {"X-Site": "a\r\nb"}}, "headers"),
        ({"url": "https://host.example/", "headers": {"X Site": "a"}}, "headers"),
        ({"url": "http://host.example/", "auth": {"bearer": {"secret": "x"}}}, "must begin with https"),
        ({"url": "http://host.example/", "headers": {"X-Key": {"secret": "x"}}}, "must begin with https"),
        ({"url": "https://host.example/", "ok": [99]}, "ok"),
        ({"url": "https://host.example/", "timeout": 5}, "5 what"),
    ],
)
def test_settings_that_cannot_work_are_problems(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        HttpSenderSettings.model_validate(settings)


def test_a_secret_may_be_shown_to_this_machine_without_tls() -> None:
    HttpSenderSettings.model_validate({"url": "http://127.0.0.1:8080/", "auth": {"bearer": {"secret": "x"}}})
