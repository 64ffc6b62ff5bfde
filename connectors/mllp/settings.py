"""What YAML may say about `mllp_listener` and `mllp_sender`."""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from connectors.mllp.answers import Answers
from connectors.tls import ClientTls, ServerTls
from engine import sdk

_MESSAGE_TYPE: Final = re.compile(r"[A-Z0-9]{3}(\^[A-Z0-9]{3})?")


def _message_type(value: str) -> str:
    if not _MESSAGE_TYPE.fullmatch(value):
        raise ValueError(
            "is no message type; write code and event such as ORU^R01, or a code such as ORU for all events"
        )
    return value


MessageType = Annotated[
    str,
    AfterValidator(_message_type),
    WithJsonSchema({"type": "string", "pattern": f"^{_MESSAGE_TYPE.pattern}$", "examples": ["ORU^R01", "ADT"]}),
]
"""The first two components of MSH-9, or the first alone for all its events."""


class ListenerSettings(sdk.Settings):
    """Where to listen, what to take, and how much at a time."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 is every network of this machine")
    port: int = Field(ge=0, le=65535, description="TCP port (2575 is MLLP's own); 0 takes any free one")
    accepts: tuple[MessageType, ...] = Field((), description="Message types to take; none named means all")
    tls: ServerTls | None = None
    max_connections: int = Field(200, ge=1, description="Connections at the same time; further ones are closed")
    max_size: sdk.Size = Field(16_000_000, description="Longest message")
    receive_within: sdk.Duration = Field(30.0, gt=0, description="Longest silence inside a message")
    idle_timeout: sdk.Duration | None = Field(
        None, gt=0, description="Longest silence between messages; by default a connection may stay for ever"
    )
    at_once: int = Field(256, ge=1, description="Messages taken but not yet answered; reading stops there")
    in_order_by: Literal["patient", "sender"] = Field(
        "patient", description="What stays in order: the messages of one patient (PID-3), or all of one sender"
    )
    when_unavailable: Literal["AR", "AE", "close"] = Field(
        "AR", description="What a sender gets while messages cannot be stored; close means no answer at all"
    )

    def claims(self) -> list[str]:
        """What no other channel may use at the same time."""
        return [f"tcp port {self.port}"] if self.port else []


class SenderSettings(sdk.Settings):
    """Where to send, how long to wait, and what each answer means."""

    host: str = Field(min_length=1, description="Name or address of the receiving system")
    port: int = Field(ge=1, le=65535)
    tls: ClientTls | None = None
    connections: int = Field(1, ge=1, le=64, description="Connections; each has one message under way at a time")
    connect_within: sdk.Duration = Field(10.0, gt=0, description="Longest wait for a connection")
    wait_for_ack: sdk.Duration = Field(30.0, gt=0, description="Longest wait for an answer")
    answers: Answers = Field(default_factory=dict, description="What an answer means, where it is not the usual")
