"""`islet new transformer NAME`: a transformer and its test, both of which run at once."""

import keyword
import re
import sys
from pathlib import Path
from typing import Final

from engine.plugins.registry import discover

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

_TRANSFORMER: Final = '''\
"""`{name}`: say here in one line what it is for."""

from pydantic import Field

from engine import sdk


class {title}Settings(sdk.Settings):
    """What the YAML of this step may say. An unknown key is refused when the configuration is loaded."""

    note: str = Field("seen", min_length=1, description="Written into the message's meta as `note`")


@sdk.transformer("{name}", settings={title}Settings)
def {name}(message: sdk.Message, settings: {title}Settings) -> sdk.StepOutput:
    """The message with `note` in its meta. Raises InvalidMessage if it has no body.

    Pure: no clock, no network, no file. Give one message, several, `sdk.Drop(reason)`, or `sdk.Aside` for a part that
    cannot go on. Name the shapes it takes and gives as `accepts={{sdk.Shape.HL7V2}}, emits=sdk.Shape.RECORDS` above.
    """
    if not message.body:
        raise sdk.InvalidMessage("the message is empty; ask its sender for it again", code="empty")
    return message.but(meta={{"note": settings.note}})
'''

_TEST: Final = '''\
"""`{name}`."""

import pytest

from engine import sdk
from engine.testing.builders import a_message
from transformers.{name} import {title}Settings, {name}


def test_the_note_is_in_the_meta_and_the_body_stays() -> None:
    message = a_message(b"MSH|...", sdk.Shape.HL7V2, meta={{"sender": "STM"}})
    given = {name}(message, {title}Settings(note="checked"))
    assert given.meta == {{"sender": "STM", "note": "checked"}}
    assert given.body == message.body


def test_an_empty_message_is_held() -> None:
    with pytest.raises(sdk.InvalidMessage) as caught:
        {name}(a_message(b"", sdk.Shape.HL7V2), {title}Settings())
    assert caught.value.code == "empty"
'''


def new_transformer(name: str, folder: Path) -> int:
    """Write `transformers/NAME.py` and its test below `folder`. 0 if written; 1, with the reason, if not."""
    wrong = _wrong_name(name)
    if wrong:
        return _say(wrong, 1)
    files = {
        folder / "transformers" / f"{name}.py": _TRANSFORMER,
        folder / "tests" / "unit" / "transformers" / f"test_{name}.py": _TEST,
    }
    for file in files:
        if file.exists():
            return _say(f"{file} is there already; nothing was written. Choose another name, or remove it first", 1)
    title = "".join(word.capitalize() for word in name.split("_"))
    for file, template in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(template.format(name=name, title=title), encoding="utf-8")
        _say(f"wrote {file}")
    test = list(files)[1]
    return _say(f"now: pytest {test}; then write `- type: {name}` under `transform:` of a channel, and `islet check`")


def _wrong_name(name: str) -> str | None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        return f"`{name}` cannot be a transformer's name; write small letters and digits with _ between words"
    taken = discover().get("transform", name)
    return f"there is a step `{name}` already, in {taken.where}; choose another name" if taken else None


def _say(text: str, code: int = 0) -> int:
    sys.stdout.write(f"{text}\n")
    return code
