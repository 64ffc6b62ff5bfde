"""Which character set a message is written in (MSH-18, HL7 table 0211)."""

import codecs
from functools import lru_cache
from typing import NamedTuple

FALLBACK = "cp1252"
"""The default where neither MSH-18 nor the bytes say UTF-8: what hospital systems on Windows write."""

_CODECS = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "7BITASCII": "ascii",
    "UNICODE": "utf-8",
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    "ISO88591": "iso8859-1",
    "LATIN1": "iso8859-1",
    "ISOIR100": "iso8859-1",
    "GB180302000": "gb18030",
    "GB18030": "gb18030",
    "BIG5": "big5",
    "KSX1001": "euc_kr",
    "JIS": "iso2022_jp",
    "ISOIR87": "iso2022_jp",
    "ISOIR14": "shift_jis",
    "ISOIR6": "ascii",
    "GB2312": "gb18030",
    "GBK": "gb18030",
    "SHIFTJIS": "shift_jis",
    "EUCKR": "euc_kr",
}
_CODECS |= {f"{prefix}125{n}": f"cp125{n}" for n in range(9) for prefix in ("CP", "WINDOWS", "WIN")}
_CODECS |= {f"{prefix}8859{n}": f"iso8859-{n}" for n in (*range(1, 12), 13, 14, 15, 16) for prefix in ("", "ISO")}


class Charset(NamedTuple):
    """`codec` is Python's name. `how` says how it was found: `declared` (MSH-18), `utf-8` (MSH-18 empty or unknown
    and the bytes are UTF-8), `default` (they are not), `fallback` (the bytes are not what MSH-18 says)."""

    codec: str
    how: str


@lru_cache(maxsize=256)
def codec_of(name: str) -> str | None:
    """Python's codec for a name of table 0211 or one of its usual spellings; None if unknown or UTF-16/32, which
    cannot travel between MLLP's frame bytes."""
    plain = "".join(sign for sign in name.upper() if sign.isascii() and sign.isalnum())
    return _CODECS.get(plain)


def known_charset(name: str) -> str:
    """A codec for a setting: a name of table 0211 or any character set that Python knows and that keeps ASCII.

    Raises ValueError that says what to write.
    """
    found = codec_of(name)
    if found is not None:
        return found
    try:
        codec = codecs.lookup(name).name
        if "MSH|^~\\&\r".encode(codec) == b"MSH|^~\\&\r":
            return codec
    except (LookupError, UnicodeError, TypeError, ValueError):
        pass
    raise ValueError(f"{name!r} is not a character set that HL7 v2 can use; write one such as utf-8 or windows-1252")


def decode(raw: bytes, declared: str, default: str = FALLBACK) -> tuple[str, Charset]:
    """The text of a message or segment. Never fails: ISO 8859-1 takes what nothing else can read.

    `declared` is MSH-18, its first repetition; `default` a codec.
    """
    codec = codec_of(declared[:64]) if declared else None
    if codec is None:
        first, second = Charset("utf-8", "utf-8"), Charset(default, "default")
    else:
        first, second = Charset(codec, "declared"), Charset(default, "fallback")
    for charset in (first, second):
        try:
            return raw.decode(charset.codec), charset
        except UnicodeDecodeError:
            continue
    return raw.decode("iso8859-1"), Charset("iso8859-1", second.how)
