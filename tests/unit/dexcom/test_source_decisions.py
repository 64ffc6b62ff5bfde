"""The source's pure parts: windows, cursors, back-off, settings."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.cloud.accounts import back_off
from connectors.cloud.windows import Reach, Window, from_text, is_past, moved, next_window, to_text
from connectors.dexcom.settings import DexcomSettings

NOW = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
REACH = Reach(window=30 * DAY, start=30 * DAY, overlap=3 * HOUR)


def test_a_new_account_begins_as_far_back_as_the_settings_say() -> None:
    assert next_window(None, NOW, REACH) == Window(NOW - 30 * DAY, NOW, last=True)


def test_a_longer_past_is_asked_for_in_windows_of_30_days() -> None:
    reach = Reach(window=30 * DAY, start=70 * DAY, overlap=3 * HOUR)
    cursor, asked = None, []
    while True:
        window = next_window(cursor, NOW, reach)
        assert window is not None
        asked.append(window)
        cursor = moved(cursor, window, None, reach)
        if window.last:
            break
    assert [window.end - window.start for window in asked] == [30 * DAY, 30 * DAY, 10 * DAY + 6 * HOUR]
    assert asked[0].start == NOW - 70 * DAY
    assert asked[-1].end == NOW
    # each begins where the one before ended, less the overlap
    assert [b.start - a.end for a, b in zip(asked, asked[1:], strict=False)] == [-3 * HOUR, -3 * HOUR]  # noqa: RUF007


HISTORY = Reach(window=30 * DAY, start=70 * DAY, overlap=3 * HOUR, history=DAY)


def _asked(reach: Reach, newest: datetime | None) -> list[tuple[timedelta, timedelta, bool]]:
    """How long ago each window of a new account begins and ends, and whether it is history."""
    cursor, behind, asked = None, False, []
    while True:
        window = next_window(cursor, NOW, reach, behind=behind)
        assert window is not None
        asked.append((NOW - window.start, NOW - window.end, window.history))
        found = newest if newest and window.start <= newest < window.end else None
        cursor, behind = moved(cursor, window, found, reach), is_past(window, reach)
        if window.last:
            return asked


def test_a_years_backfill_is_history_and_its_last_day_is_not() -> None:
    assert _asked(HISTORY, NOW - DAY - timedelta(minutes=5)) == [
        (70 * DAY, 40 * DAY, True),
        (40 * DAY + 3 * HOUR, 10 * DAY + 3 * HOUR, True),
        (10 * DAY + 6 * HOUR, DAY, True),
        (DAY + 3 * HOUR + timedelta(minutes=5), timedelta(), False),
    ]


def test_what_a_phone_uploads_days_late_is_still_found_behind_a_cut_window() -> None:
    """The newest reading is three days old: the cursor waits there."""
    *_, last = _asked(HISTORY, NOW - 3 * DAY)
    assert last == (3 * DAY + 3 * HOUR, timedelta(), False)
    assert _asked(HISTORY, None)[-1][2] is False


def test_an_account_that_has_been_silent_for_days_is_asked_for_them_at_once() -> None:
    assert next_window(NOW - 5 * DAY, NOW, HISTORY) == Window(NOW - 5 * DAY - 3 * HOUR, NOW, last=True)


def test_an_account_that_is_far_behind_catches_up_as_history() -> None:
    window = next_window(NOW - 60 * DAY, NOW, HISTORY)
    assert window == Window(NOW - 60 * DAY - 3 * HOUR, NOW - 30 * DAY - 3 * HOUR, last=False, history=True)


def test_the_next_window_looks_again_at_the_overlap() -> None:
    assert next_window(NOW - HOUR, NOW, REACH) == Window(NOW - 4 * HOUR, NOW, last=True)


def test_a_cursor_in_the_future_asks_for_nothing() -> None:
    assert next_window(NOW + 4 * HOUR, NOW, REACH) is None


def test_windows_are_in_whole_seconds_and_utc_without_offset() -> None:
    window = next_window(NOW - HOUR, NOW + timedelta(microseconds=999999), REACH)
    assert window is not None
    assert window.query() == {"startDate": "2026-11-20T06:15:00", "endDate": "2026-11-20T10:15:00"}


def test_the_cursor_follows_the_newest_reading() -> None:
    window = Window(NOW - 4 * HOUR, NOW, last=True)
    assert moved(NOW - HOUR, window, NOW - timedelta(minutes=3), REACH) == NOW - timedelta(minutes=3)


def test_the_cursor_never_goes_back_nor_beyond_the_window() -> None:
    window = Window(NOW - 4 * HOUR, NOW, last=True)
    assert moved(NOW - HOUR, window, NOW - 2 * HOUR, REACH) == NOW - HOUR
    assert moved(NOW - HOUR, window, NOW + 5 * HOUR, REACH) == NOW


def test_an_empty_window_of_the_past_is_done_with() -> None:
    window = Window(NOW - 70 * DAY, NOW - 40 * DAY, last=False)
    assert moved(None, window, None, REACH) == NOW - 40 * DAY


def test_an_empty_last_window_leaves_the_cursor_so_that_late_uploads_are_found() -> None:
    window = Window(NOW - 4 * HOUR, NOW, last=True)
    assert moved(NOW - HOUR, window, None, REACH) == NOW - HOUR


def test_a_silent_account_stays_within_one_request() -> None:
    cursor = NOW - 40 * DAY
    window = Window(cursor - 3 * HOUR, NOW, last=True)
    following = next_window(moved(cursor, window, None, REACH), NOW, REACH)
    assert following is not None
    assert (following.end - following.start, following.last) == (30 * DAY, True)


def test_a_cursor_survives_being_text() -> None:
    assert from_text(to_text(NOW)) == NOW
    assert to_text(NOW) == "2026-11-20T10:15:00Z"


@pytest.mark.parametrize(
    ("failures", "chance", "seconds"),
    [(1, 0.0, 5.0), (1, 1.0, 2.5), (2, 0.5, 7.5), (4, 0.0, 40.0), (8, 0.0, 600.0), (5000, 0.0, 600.0)],
)
def test_back_off_doubles_up_to_ten_minutes(failures: int, chance: float, seconds: float) -> None:
    assert back_off(failures, chance) == seconds


def settings(**changes: Any) -> DexcomSettings:
    plain: dict[str, Any] = {
        "region": "eu",
        "client_id": {"secret": "dexcom-client-id"},
        "client_secret": {"secret": "dexcom-client-secret"},
        "accounts": [an_account("anna")],
    }
    return DexcomSettings.model_validate({**plain, **changes})


def an_account(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "patient": {"system": "stm", "value": "CANARY-1"},
        "refresh_token": {"secret": f"dexcom-{name}"},
    }


def test_settings_have_the_defaults_of_the_api() -> None:
    usual = settings()
    assert (usual.address, usual.every, usual.window) == ("https://api.dexcom.eu", 300.0, 30 * 86400.0)
    assert usual.rate_limit == pytest.approx(60000 / 3600)
    assert settings(region="us").address == "https://api.dexcom.com"
    assert settings(region=None, base_url="http://127.0.0.1:8080/").address == "http://127.0.0.1:8080"


def test_settings_do_not_show_the_patient() -> None:
    assert "CANARY" not in repr(settings())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"region": None}, "either region"),
        ({"base_url": "https://api.dexcom.eu"}, "either region"),
        ({"region": None, "base_url": "http://api.dexcom.eu"}, "must be https"),
        ({"region": None, "base_url": "api.dexcom.eu"}, "web address"),
        ({"region": None, "base_url": "https://me:you@api.dexcom.eu"}, "address only"),
        ({"region": "mars"}, "'us', 'eu', 'jp' or 'sandbox'"),
        ({"window": "31d"}, "30d at most"),
        ({"overlap": "30d"}, "overlap must be shorter"),
        ({"every": "0s"}, "every must be"),
        ({"every": 5}, "5 what?"),
        ({"accounts": []}, "at least 1"),
        ({"accounts": [an_account("anna"), an_account("anna")]}, "two accounts are called anna"),
        ({"accounts": [an_account("Anna Smith")]}, "pattern"),
        ({"client_id": "plain text"}, "client_id"),
        ({"token": "x"}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_what_to_write(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings(**changes)
