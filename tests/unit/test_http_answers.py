"""What an HTTP server answers in a channel test."""

from collections.abc import Mapping

import pytest

from connectors.http_answers import rehearsed
from engine import sdk


def judge(status: int, headers: Mapping[str, str]) -> sdk.Answer:
    return sdk.Answer(f"{status} {dict(headers)}")


@pytest.mark.parametrize(
    ("word", "judged"),
    [
        ("200", "200 {}"),
        ("503", "503 {}"),
        ("503: 60", "503 {'Retry-After': '60'}"),
        ("429: 0", "429 {'Retry-After': '0'}"),
    ],
)
def test_a_status_is_judged_with_the_wait_that_is_asked_for(word: str, judged: str) -> None:
    assert rehearsed(word, judge).code == judged


@pytest.mark.parametrize("word", ["no_answer", "no-answer"])
def test_silence_is_tried_again(word: str) -> None:
    with pytest.raises(sdk.Unavailable) as caught:
        rehearsed(word, judge)
    assert caught.value.code == "timed-out"


@pytest.mark.parametrize("word", ["", "AE", "99", "600", "2000", "503:60", "503: soon", "200 OK"])
def test_other_words_say_what_there_is(word: str) -> None:
    with pytest.raises(ValueError, match="write a status such as 202 or 503"):
        rehearsed(word, judge)
