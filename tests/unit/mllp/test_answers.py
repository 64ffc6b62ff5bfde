"""The sender's table: what each answer, and none, makes of a delivery."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from clinical.hl7v2 import AckReply
from connectors.mllp.answers import Answers, AnswerTable, answer_key, reply_of
from engine import sdk

CANARY = "DOE^JANE^19700101"


def table(**rows: Any) -> AnswerTable:
    return AnswerTable(TypeAdapter(Answers).validate_python({key.replace("__", ": "): v for key, v in rows.items()}))


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_aa_and_ca_are_delivered_with_the_control_id_as_location(code: str) -> None:
    answer = table().conclude(AckReply(code, "M1", "stored"))
    assert (answer.code, answer.location, answer.detail) == (code, "M1", "stored")


@pytest.mark.parametrize(
    ("code", "word"),
    [("AE", sdk.Refused), ("CE", sdk.Refused), ("CR", sdk.Refused), ("AR", sdk.Unavailable)],
)
def test_negative_answers_hold_and_ar_is_tried_again(code: str, word: type[sdk.EngineError]) -> None:
    with pytest.raises(word) as caught:
        table().conclude(AckReply(code, "M1", CANARY, ("207",)))
    assert type(caught.value) is word
    assert caught.value.code == f"ack-{code.lower()}-207"
    assert caught.value.detail == CANARY
    assert CANARY not in str(caught.value)


def test_a_row_with_an_error_code_goes_before_the_row_of_the_code() -> None:
    rows = table(AE="retry", AE__204="review")
    with pytest.raises(sdk.NeedsReview) as caught:
        rows.conclude(AckReply("AE", "M1", "", ("103", "204")))
    assert "204" in str(caught.value)
    with pytest.raises(sdk.Unavailable):
        rows.conclude(AckReply("AE", "M1", "", ("205",)))


def test_a_row_with_a_severity_goes_between_the_row_with_a_code_and_the_row_of_the_code_alone() -> None:
    rows = table(AE="retry", AE__204="review", **{"AE: severity W": "delivered"})
    assert rows.conclude(AckReply("AE", "M1", "", ("103",), "W")).code == "AE"
    with pytest.raises(sdk.NeedsReview):
        rows.conclude(AckReply("AE", "M1", "", ("204",), "W"))
    with pytest.raises(sdk.Unavailable):
        rows.conclude(AckReply("AE", "M1", "", ("103",), "E"))


@pytest.mark.parametrize("key", ["AA", "AE", "AE: 204", "AE: X-17", "AR: severity F"])
def test_a_row_is_read_as_the_answer_that_it_is_for(key: str) -> None:
    reply = reply_of(answer_key(key), "M1")
    assert AnswerTable({key: "review", "AA": "hold"})._verb(reply) == ("hold" if key == "AA" else "review")


def test_an_error_code_that_is_not_of_the_table_stays_out_of_text_and_code() -> None:
    with pytest.raises(sdk.Refused) as caught:
        table().conclude(AckReply("AE", "M1", "", (CANARY,)))
    assert CANARY not in str(caught.value)
    assert caught.value.code == "ack-ae"


def test_a_negative_answer_can_mean_delivered_where_the_channel_says_so() -> None:
    assert table(AE__205="delivered").conclude(AckReply("AE", "M1", "known", ("205",))).code == "AE"


def test_an_unknown_code_is_rubbish() -> None:
    with pytest.raises(sdk.Unavailable) as caught:
        table().conclude(AckReply("OK", "M1", CANARY))
    assert caught.value.code == "rubbish"
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("no_answer", sdk.Unavailable),
        ("wrong_control_id", sdk.Refused),
        ("rubbish", sdk.Unavailable),
        ("not_committed", sdk.Unavailable),
    ],
)
def test_what_is_no_answer_has_its_row(key: str, word: type[sdk.EngineError]) -> None:
    assert type(table().failure(key, "no answer came")) is word
    assert type(table(**{key: "review"}).failure(key, "no answer came")) is sdk.NeedsReview


@pytest.mark.parametrize("key", ["no_answer", "wrong_control_id", "not_committed", "rubbish"])
def test_silence_can_never_mean_delivered(key: str) -> None:
    with pytest.raises(ValidationError, match="cannot mean delivered"):
        table(**{key: "delivered"})


@pytest.mark.parametrize(
    ("key", "plain"),
    [("AE:severity  W", "AE: severity W"), ("AE:204", "AE: 204"), (" AE:  204", "AE: 204"), ("AR", "AR")],
)
def test_keys_are_read_with_any_blanks(key: str, plain: str) -> None:
    assert TypeAdapter(Answers).validate_python({key: "hold"}) == {plain: "hold"}


@pytest.mark.parametrize(("key", "verb"), [("XX", "hold"), ("AE: ", "hold"), ("timeout", "hold"), ("AE", "ignore")])
def test_unknown_keys_and_verbs_are_refused(key: str, verb: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Answers).validate_python({key: verb})
