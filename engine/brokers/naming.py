"""Queue names, as an operator sees them."""

from engine.model.lane import Lane
from engine.model.share import WHOLE, Share


def process_queue(channel: str, share: Share = WHOLE, lane: Lane = Lane.LIVE) -> str:
    """The queue of messages that a channel is to process; one for each share of its work, and lane."""
    return f"islet.{channel}{_suffix(share, lane)}"


def dispatch_queue(channel: str, destination: str, share: Share = WHOLE, lane: Lane = Lane.LIVE) -> str:
    """The queue of deliveries to one destination of a channel; one for each share of them, and lane."""
    return f"islet.{channel}.to.{destination}{_suffix(share, lane)}"


def _suffix(share: Share, lane: Lane) -> str:
    part = f".{share.number + 1}-of-{share.of}" if share.of > 1 else ""
    return part if lane is Lane.LIVE else f"{part}.{lane}"
