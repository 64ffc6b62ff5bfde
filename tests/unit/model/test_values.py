"""Messages, quantities, secrets: what they take, what they show."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engine.model.errors import InvalidMessage, NeedsOperator
from engine.model.outcome import Aside
from engine.model.quantities import Duration, Rate, Size, parse_duration, parse_rate, parse_size
from engine.model.settings import Secret, Settings
from engine.testing.builders import STANDS_AT, a_delivery, a_message

CANARY = "CANARY"


class Quantities(Settings):
    wait: Duration = 30.0
    rate: Rate = 1.0
    size: Size = 1000


@pytest.mark.parametrize(
    ("written", "seconds"), [("30s", 30), ("250ms", 0.25), ("1.5h", 5400), ("14d", 1209600), (" 5 m ", 300)]
)
def test_durations_carry_their_unit(written: str, seconds: float) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(("written", "per_second"), [("20 per second", 20), ("60000 per hour", 60000 / 3600)])
def test_rates_carry_their_time(written: str, per_second: float) -> None:
    assert parse_rate(written) == pytest.approx(per_second)


@pytest.mark.parametrize(("written", "size"), [("16 MB", 16_000_000), ("64KiB", 65536), ("700B", 700), ("1.5kB", 1500)])
def test_sizes_carry_their_unit(written: str, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("parse", [parse_duration, parse_rate, parse_size])
@pytest.mark.parametrize("wrong", [5, 5.0, True, "5", "-5s", "5 parsecs", "", None, "per second", "1e3 MB"])
def test_a_bare_number_or_an_unknown_unit_is_refused_with_what_to_write(parse: Any, wrong: object) -> None:
    with pytest.raises(ValueError, match=r"[wW]rite"):
        parse(wrong)


def test_settings_are_frozen_and_take_no_unknown_key() -> None:
    settings = Quantities.model_validate({"wait": "5s", "rate": "2 per minute", "size": "1 kB"})
    assert (settings.wait, settings.size) == (5.0, 1000)
    with pytest.raises(ValidationError):
        settings.wait = 1.0  # type: ignore[misc]
    with pytest.raises(ValidationError, match="wiat"):
        Quantities.model_validate({"wiat": "5s"})


def test_a_secret_is_read_from_the_environment_before_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = Secret(secret="stm-token")
    monkeypatch.delenv("ISLET_SECRETS_DIR", raising=False)
    monkeypatch.delenv("ISLET_SECRET_STM_TOKEN", raising=False)
    assert not secret.known()
    monkeypatch.setenv("ISLET_SECRETS_DIR", str(tmp_path))
    (tmp_path / "stm-token").write_text(f"{CANARY}-file\n")
    assert secret.known()
    assert secret.reveal() == f"{CANARY}-file"
    monkeypatch.setenv("ISLET_SECRET_STM_TOKEN", f"{CANARY}-env")
    assert secret.reveal() == f"{CANARY}-env"
    assert CANARY not in f"{secret} {secret!r} {secret.where()} {secret.model_dump_json()}"


def test_a_missing_secret_asks_for_a_person_and_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISLET_SECRETS_DIR", raising=False)
    monkeypatch.delenv("ISLET_SECRET_NONE", raising=False)
    with pytest.raises(NeedsOperator, match="ISLET_SECRET_NONE") as caught:
        Secret(secret="none").reveal()
    assert caught.value.code == "secret-missing"


def test_nothing_that_may_hold_patients_data_is_in_a_repr() -> None:
    body = CANARY.encode()
    message = a_message(body, meta={"name": CANARY}, source_key=CANARY, order_key=CANARY)
    error = InvalidMessage("it is wrong", path="OBX[1]-6", detail=CANARY)
    values = (message, a_delivery(body, meta={"n": CANARY}, order_key=CANARY), Aside(error, body, message.shape), error)
    for value in values:
        assert CANARY not in f"{value} {value!r}"


def test_a_child_has_its_own_id_its_parent_and_its_origin_and_no_source_key() -> None:
    root = a_message(b"x", source_key="S|1", order_key="P1", meta={"a": "1"})
    child = root.but(body=b"y", meta={"b": "2"}).child("next", root, STANDS_AT)
    grandchild = child.child("last", child, STANDS_AT)
    assert (child.parent_id, child.origin_id, child.source_key) == (root.id, root.id, None)
    assert (grandchild.parent_id, grandchild.origin_id) == (child.id, root.id)
    assert child.meta == {"a": "1", "b": "2"}
    assert root.meta == {"a": "1"}
    assert len({root.id, child.id, grandchild.id}) == 3


def test_an_error_word_says_code_and_path_and_keeps_what_the_peer_said() -> None:
    error = InvalidMessage("there is no unit", code="no-unit", path="OBX[2]-6", detail=CANARY)
    assert str(error) == "no-unit at OBX[2]-6: there is no unit"
    assert error.detail == CANARY
