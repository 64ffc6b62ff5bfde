"""A ticket as text: its ids, one after the other. The same in every broker."""

from engine.contracts.broker import Ticket


def encode(ticket: Ticket) -> str:
    return ",".join(ticket.ids)


def decode(text: str) -> Ticket:
    return Ticket(tuple(text.split(",")) if text else ())
