"""The YAML in docs/mllp.md is what the plugins take."""

import re
from pathlib import Path
from typing import Any

import yaml

from clinical.hl7v2 import Header, Outcome, answer_code
from connectors.mllp.admission import admit, answer
from connectors.mllp.answers import DEFAULTS
from connectors.mllp.framing import enclose
from connectors.mllp.settings import ListenerSettings, SenderSettings
from engine import sdk

TEXT = (Path(__file__).parents[3] / "docs" / "mllp.md").read_text(encoding="utf-8")
SETTINGS: dict[str, type[sdk.Settings]] = {"mllp_listener": ListenerSettings, "mllp_sender": SenderSettings}


def blocks() -> list[dict[str, Any]]:
    """Every source and destination that the page shows, without what belongs to the engine."""
    shown = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
    return [part for page in shown for part in (page.get("destinations") or [page["source"]])]


def test_every_example_is_accepted() -> None:
    types = []
    for block in blocks():
        types.append(block.pop("type"))
        block.pop("name", None)
        assert SETTINGS[types[-1]].model_validate(block)
    assert sorted(types) == ["mllp_listener", "mllp_listener", "mllp_sender", "mllp_sender"]


def test_the_listener_example_shows_every_setting_with_its_default() -> None:
    block = blocks()[0]
    block.pop("type")
    shown = ListenerSettings.model_validate(block)
    assert set(ListenerSettings.model_fields) - {"tls"} == set(block)
    plain = ListenerSettings(port=2575)
    changed = {name for name in block if getattr(shown, name) != getattr(plain, name)}
    assert changed == {"host", "accepts", "idle_timeout", "processing_ids", "versions", "allow"}


def test_the_sender_example_shows_every_setting_with_its_default() -> None:
    block = next(block for block in blocks() if block["type"] == "mllp_sender")
    del block["type"], block["name"]
    shown = SenderSettings.model_validate(block)
    assert set(SenderSettings.model_fields) - {"tls"} == set(block)
    plain = SenderSettings(host="h", port=1)
    assert {name for name in block if getattr(shown, name) != getattr(plain, name)} == {"host", "port", "answers"}


def test_the_table_of_enhanced_mode_is_the_one_in_force() -> None:
    rows = re.findall(r"^\| (AL|ER|SU|NE) \| ([^|]+) \| ([^|]+) \|", TEXT, re.MULTILINE)
    outcomes: tuple[Outcome, ...] = ("A", "E", "R")
    for asked, stored, refused in rows:
        found = Header("|", "^~\\&", accept_ack=asked, application_ack="NE")
        codes = [answer_code(found, outcome, enhanced=True) for outcome in outcomes]
        words = [stored, *(refused.split(" or ") if " or " in refused else [refused] * 2)]
        assert codes == [None if word == "by MSH-16" else word for word in words], asked
    assert [asked for asked, _, _ in rows] == ["AL", "ER", "SU", "NE"]


def test_the_table_of_answers_is_the_one_in_force() -> None:
    rows = re.findall(
        r"^\| ((?:`\w+`(?:, )?)+)[^|]*\| (\w+)", TEXT.split("| answer | means")[1].split("\n\n")[0], re.MULTILINE
    )
    assert {key: verb for keys, verb in rows for key in re.findall(r"`(\w+)`", keys)} == dict(DEFAULTS)


def test_the_answer_shown_is_the_answer_given() -> None:
    shown = re.findall(r"```\n(MSH.*?)```", TEXT, re.DOTALL)[0].replace("\n", "\r").encode()
    came = b"MSH|^~\\&|GLUCO|STM|ISLET|LAB|20261120||ADT^A01|MSG00042|P|2.8\r"
    text = "this message type is not accepted here; this port takes ORU^R01"
    reply = answer(
        admit(came, ListenerSettings(port=2575)), "AR", "T3K9Q21C7F7", "20261120101500+0000", text, "200", "MSH-9"
    )
    assert reply == enclose(shown)
