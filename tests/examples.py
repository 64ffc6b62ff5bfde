"""How many examples the property tests look at: few and the same ones each time, or `ISLET_EXAMPLES` times as many and
other ones each time (`make explore`)."""

import os

_FACTOR = int(os.environ.get("ISLET_EXAMPLES", "1"))


def exploring() -> bool:
    return _FACTOR > 1


def some(count: int) -> int:
    return count * _FACTOR
