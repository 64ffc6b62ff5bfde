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
