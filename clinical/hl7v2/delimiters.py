"""The separators of a message (MSH-1, MSH-2) and the escapes that they make necessary (HL7 v2.9.1 section 2.6)."""

import dataclasses
import re
from collections.abc import Callable
from functools import lru_cache

from clinical.hl7v2.errors import Hl7Error

NULL = '""'
"""Two double quotes: delete the stored value. An empty field says nothing."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Delimiters:
    """The separators, each one character; `""` where MSH-2 is too short to name it.

    Compared by identity, as `of` gives the same object for the same signs: it is a key of caches on hot paths.
    `encoding_chars` is MSH-2 as it should be. A fifth character (truncation, official since v2.7) is taken from any
    version.
    """

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str
    truncation: str
    encoding_chars: str
    signs: tuple[str, str, str, str] = dataclasses.field(repr=False)
    """Repetition, component, sub-component, escape; a carriage return, which no segment holds, for one not named."""
    _known: "re.Pattern[str] | None" = dataclasses.field(repr=False)
    _named: dict[str, str] = dataclasses.field(repr=False)
    _written: dict[int, str] = dataclasses.field(repr=False)

    @staticmethod
    @lru_cache(maxsize=256)
    def of(field_sep: str, encoding_chars: str) -> "Delimiters":
        """Raises Hl7Error if a separator cannot be one (letter, digit, space, control or given twice)."""
        if not _usable(field_sep):
            raise Hl7Error("MSH-1 cannot be a field separator; the message must start with MSH|^~\\&", "MSH-1")
        chars = encoding_chars
        if len(chars) == 5 and chars[2] == chars[3]:
            chars = chars[:3] + chars[4:]  # `^~\\\\&`: somebody's program escaped the escape character once too often
        if len(chars) > 5:
            raise Hl7Error("MSH-2 is longer than five characters; a field separator is missing after it", "MSH-2")
        if not chars or not all(map(_usable, chars)) or len(set(field_sep + chars)) != len(chars) + 1:
            raise Hl7Error(
                "MSH-2 must hold up to five different signs that are neither letters nor digits, such as ^~\\&", "MSH-2"
            )
        component, repetition, escape, sub, truncation = (*chars, *[""] * (5 - len(chars)))
        named = {"F": field_sep, "S": component, "T": sub, "R": repetition, "E": escape, "P": truncation}
        named = {letter: sign for letter, sign in named.items() if sign}
        written = {ord(sign): f"{escape}{letter}{escape}" for letter, sign in named.items()} if escape else {}
        if escape:
            written |= {code: f"{escape}X{code:02X}{escape}" for code in (*range(0x20), 0x7F)}
            written[ord("\n")] = f"{escape}.br{escape}"
        signs = (repetition or "\r", component, sub or "\r", escape or "\r")
        return Delimiters(
            field_sep, component, repetition, escape, sub, truncation, chars, signs, _known(escape), named, written
        )

    def escaped(self, text: str) -> str:
        """A value as it may stand in a leaf. Line ends become `\\.br\\`, other control characters `\\Xhh\\`.

        Raises Hl7Error if the message has no escape character and the value would need one.
        """
        if text.isalnum():
            return text
        if not self.escape:
            special = self.field + self.component + self.repetition + self.subcomponent
            if any(sign in special or sign < " " for sign in text):
                raise Hl7Error("the value needs an escape, but MSH-2 names no escape character", "MSH-2")
            return text
        return text.translate(self._written)

    def unescaped(self, text: str, codec: str = "utf-8") -> str:
        """The value of a leaf. Runs of `\\X..\\` are bytes in `codec`; `\\.br\\` is a line end.

        Sequences that mean something else (highlighting, character set switches, `\\Z..\\`), unknown ones and lone
        escape characters stay as they are.
        """
        if self._known is None or self.escape not in text:
            return text
        return self._known.sub(self._replacement(codec), text)

    def _replacement(self, codec: str) -> Callable[["re.Match[str]"], str]:
        def replace(match: re.Match[str]) -> str:
            whole = match[0]
            letter = whole[1]
            if letter == "X":
                return _bytes_of(whole, self.escape, codec)
            if letter == ".":
                return _line_ends(whole[2:-1], whole)
            return self._named.get(whole[1:-1], whole)

        return replace


def _usable(sign: str) -> bool:
    return len(sign) == 1 and "!" <= sign <= "~" and not sign.isalnum() and sign != '"'


def _known(escape: str) -> re.Pattern[str] | None:
    """Everything that is a whole sequence, so that its closing sign is not taken for the start of another one."""
    if not escape:
        return None
    e = re.escape(escape)
    families = rf"[FSTREPHN]|Z[^{e}]*|C[0-9A-Fa-f]{{4}}|M[0-9A-Fa-f]{{4,6}}|\.[a-z]{{2}}[ +-]{{0,2}}[0-9]{{0,4}}"
    return re.compile(rf"(?:{e}X(?:[0-9A-Fa-f]{{2}})+{e})+|{e}(?:{families}){e}")


def _bytes_of(run: str, escape: str, codec: str) -> str:
    """The text of neighbouring hexadecimal sequences; as it stands where its bytes are no text of `codec`."""
    data = bytes.fromhex(run.replace(escape, " ").replace("X", " "))
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return run


def _line_ends(command: str, whole: str) -> str:
    if command == "br":
        return "\n"
    if command.startswith("sp"):
        count = command[2:].strip(" +")
        return "\n" * min(int(count), 99) if count.isdigit() else "\n" if not count else whole
    return whole
