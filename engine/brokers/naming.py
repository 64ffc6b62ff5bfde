"""Queue names, as an operator sees them."""

from engine.model.share import WHOLE, Share


def process_queue(channel: str, share: Share = WHOLE) -> str:
    """The queue of messages that a channel is to process; one for each share of its work."""
    return f"islet.{channel}{_suffix(share)}"


def dispatch_queue(channel: str, destination: str, share: Share = WHOLE) -> str:
    """The queue of deliveries to one destination of a channel; one for each share of them."""
    return f"islet.{channel}.to.{destination}{_suffix(share)}"


def _suffix(share: Share) -> str:
    return f".{share.number + 1}-of-{share.of}" if share.of > 1 else ""
