"""How long what a channel has taken and given is kept."""

from dataclasses import dataclass
from typing import Final

DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Retention:
    """Counted from the moment at which a message came in, or a delivery was made.

    `bodies_seconds`: bodies, and what peers said. `metadata_seconds`: all else that is known of them; not shorter.
    """

    bodies_seconds: float = 30 * DAY
    metadata_seconds: float = 400 * DAY


def days(seconds: float) -> str:
    """As people write it: `30d`, `36h`, `90s`."""
    for unit, length in (("d", DAY), ("h", 3600.0), ("m", 60.0)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"
