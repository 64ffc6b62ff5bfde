"""Queue names, as an operator sees them."""


def process_queue(channel: str) -> str:
    """The queue of messages that a channel is to process."""
    return f"islet.{channel}"


def dispatch_queue(channel: str, destination: str) -> str:
    """The queue of deliveries to one destination of a channel."""
    return f"islet.{channel}.to.{destination}"
