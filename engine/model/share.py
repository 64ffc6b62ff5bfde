"""Shares: equal parts of a channel's work, so that several workers can do it side by side and keep the order of a key.

What has the same order key has the same shard, and a shard belongs to one share.
"""

from dataclasses import dataclass
from zlib import crc32

SHARDS = 64


def shard_of(order_key: str | None, id_: str) -> int:
    """0 to 63: equal for equal order keys; spread by the id where there is none. The same in every process."""
    return crc32((id_ if order_key is None else order_key).encode()) % SHARDS


@dataclass(frozen=True, slots=True)
class Share:
    """The shards whose number leaves `number` when divided by `of`."""

    number: int = 0
    of: int = 1

    def has(self, shard: int) -> bool:
        return shard % self.of == self.number


WHOLE = Share()


def shares(of: int) -> list[Share]:
    """All the work in so many shares."""
    return [Share(number, of) for number in range(of)]
