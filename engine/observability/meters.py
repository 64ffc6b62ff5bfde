"""Counts and latencies of this process, by channel, for live views. The journal has the true books."""

from collections import Counter, deque
from statistics import quantiles


class Meters:
    """`counts[channel, word]` and the last latencies from arrival to answer, in seconds."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._latencies: deque[float] = deque(maxlen=2000)

    def add(self, channel: str, word: str, count: int = 1) -> None:
        self.counts[channel, word] += count

    def took(self, seconds: float) -> None:
        self._latencies.append(seconds)

    def total(self, word: str) -> int:
        return sum(count for (_, name), count in self.counts.items() if name == word)

    def latency(self) -> tuple[float, float] | None:
        """Median and 95th percentile in seconds, when there is enough to say."""
        if len(self._latencies) < 2:
            return None
        cuts = quantiles(self._latencies, n=20)
        return cuts[9], cuts[18]
