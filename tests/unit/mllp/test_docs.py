"""The YAML in docs/mllp.md is what the plugins take."""

import re
from pathlib import Path
from typing import Any

import yaml

from connectors.mllp.admission import admit, answer
from connectors.mllp.answers import DEFAULTS
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
    assert changed == {"host", "accepts", "idle_timeout"}


def test_the_table_of_answers_is_the_one_in_force() -> None:
    rows = re.findall(
        r"^\| ((?:`\w+`(?:, )?)+)[^|]*\| (\w+)", TEXT.split("| answer | means")[1].split("\n\n")[0], re.MULTILINE
    )
    assert {key: verb for keys, verb in rows for key in re.findall(r"`(\w+)`", keys)} == dict(DEFAULTS)


def test_the_answer_shown_is_the_answer_given() -> None:
    shown = re.findall(r"```\n(MSH.*?)```", TEXT, re.DOTALL)[0].replace("\n", "\r").encode()
    came = b"MSH|^~\\&|GLUCO|STM|ISLET|LAB|20261120||ADT^A01|MSG00042|P|2.8\r"
    text = "this message type is not accepted here; this port takes ORU^R01"
    reply = answer(admit(came, ()), "AR", "T3K9Q21C7F7", "20261120101500+0000", text, "200", "MSH-9")
    assert reply == shown
