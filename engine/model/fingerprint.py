"""Fingerprints: one name for all failures that one fix would cure."""

import hashlib
import re

_NUMBERS = re.compile(r"\[\d+\]")


def fingerprint(channel: str, stage: str, code: str, path: str | None) -> str:
    """Twelve hex digits over channel, stage (`process` or a destination's name), code and path without positions."""
    plain = _NUMBERS.sub("[]", path or "")
    return hashlib.sha256(f"{channel}\n{stage}\n{code}\n{plain}".encode()).hexdigest()[:12]
