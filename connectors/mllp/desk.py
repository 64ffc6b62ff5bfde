"""What a connection needs of the listener that it belongs to."""

from typing import TYPE_CHECKING, Protocol

from clinical.hl7v2 import Header
from connectors.mllp.admission import NotTaken
from connectors.mllp.exchange import BatchExchange, Exchange, Reply
from connectors.mllp.replies import Replies
from connectors.mllp.settings import ListenerSettings
from engine import sdk

if TYPE_CHECKING:
    from connectors.mllp.connection import Connection


class Desk(Protocol):
    """What a connection needs of its listener."""

    settings: ListenerSettings
    clock: sdk.Clock
    log: sdk.Log
    replies: Replies

    def has_room(self) -> bool:
        """May one more message come in?"""
        ...

    def wait_for_room(self, connection: "Connection") -> None:
        """`connection.go_on()` is called when there is room again."""
        ...

    def take_in(
        self, connection: "Connection", content: bytes, header: Header, batch: BatchExchange | None
    ) -> Exchange:
        """A message came in, perhaps as one of a batch; its exchange is answered at once or later."""
        ...

    def refuse(self, refusal: NotTaken, content: bytes | None, batch: BatchExchange | None) -> Reply:
        """The answer to a message that is not taken; `content` is None where it is not known."""
        ...

    def welcome(self, connection: "Connection") -> None:
        """The connection stands."""
        ...

    def gone(self, connection: "Connection") -> None:
        """The connection is over, or never came about. May be called twice."""
        ...
