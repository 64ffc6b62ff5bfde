"""The demo's live table; plain lines where there is no terminal."""

import asyncio
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.live import Live
from rich.table import Table

from engine.cli.show import table
from engine.observability.meters import Meters

_KNOWN = ("tally-duplicate", "tally-supersedes", "tally-superseded", "tally-outdated")
_WAITING = ("held", "review", "deferred")
_COLUMNS = ("received", "filtered", "duplicates", "conflicts", "corrected", "sent", "held")
_REDRAWS_A_SECOND = 4
_LINE_EVERY_SECONDS = 2.0


def row(meters: Meters, channel: str) -> Mapping[str, int]:
    """One channel's numbers. Duplicates are readings where a channel counts readings, else messages."""
    counts = {word: number for (name, word), number in meters.counts.items() if name == channel}
    known = sum(counts.get(word, 0) for word in _KNOWN)
    return {
        "received": counts.get("received", 0),
        "filtered": counts.get("filtered", 0),
        "duplicates": known or counts.get("duplicate", 0),
        "conflicts": counts.get("tally-conflict", 0),
        "corrected": counts.get("tally-corrects", 0),
        "sent": counts.get("sent", 0),
        "held": sum(counts.get(word, 0) for word in _WAITING),
    }


def picture(meters: Meters, channels: list[str], title: str) -> Table:
    """All channels and the latency line as one table."""
    shown = table("channel", *_COLUMNS, title=title)
    for channel in channels:
        shown.add_row(channel, *(str(number or "·") for number in row(meters, channel).values()))
    shown.caption = latency(meters)
    shown.caption_justify = "left"
    return shown


def latency(meters: Meters) -> str:
    """From arrival to the receiver's answer, over the last ones."""
    measured = meters.latency()
    if measured is None:
        return "latency: nothing is delivered yet"
    return f"latency from arrival to answer: p50 {measured[0] * 1000:.0f} ms, p95 {measured[1] * 1000:.0f} ms"


async def watch(meters: Meters, channels: list[str], out: Console, doing: Callable[[], str]) -> None:
    """Show until cancelled; the last state stays on the screen."""
    if not out.is_terminal:
        while True:
            await asyncio.sleep(_LINE_EVERY_SECONDS)
            line(meters, channels, out, doing())
    with Live(console=out, auto_refresh=False) as live:
        try:
            while True:
                live.update(picture(meters, channels, doing()), refresh=True)
                await asyncio.sleep(1 / _REDRAWS_A_SECOND)
        finally:
            live.update(picture(meters, channels, doing()), refresh=True)


def line(meters: Meters, channels: list[str], out: Console, doing: str) -> None:
    """One line for logs and pipes: the sums over all channels."""
    rows = [row(meters, channel) for channel in channels]
    numbers = ", ".join(f"{word} {sum(one[word] for one in rows)}" for word in _COLUMNS)
    out.print(f"{doing}: {numbers}; {latency(meters)}")
