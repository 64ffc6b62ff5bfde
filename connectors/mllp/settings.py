"""What YAML may say about `mllp_listener` and `mllp_sender`."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from connectors.mllp.answers import Answers
from connectors.mllp.peers import AllowedAddress, AllowedCertificate
from connectors.tls import ClientTls, ServerTls
from engine import sdk

_MESSAGE_TYPE: Final = re.compile(r"[A-Z0-9]{3}(\^[A-Z0-9]{3})?")
_VERSION: Final = re.compile(r"2\.[0-9](\.[0-9])?")


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


def _version(value: str) -> str:
    if not _VERSION.fullmatch(value):
        raise ValueError("is no version of HL7 v2; write one such as 2.5 or 2.5.1")
    return value


Version = Annotated[
    str, AfterValidator(_version), WithJsonSchema({"type": "string", "pattern": f"^{_VERSION.pattern}$"})
]
"""MSH-12.1, or how it begins."""


class ListenerSettings(sdk.Settings):
    """Where to listen, what to take, and how much at a time."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 is every network of this machine")
    port: int = Field(ge=0, le=65535, description="TCP port (2575 is MLLP's own); 0 takes any free one")
    accepts: tuple[MessageType, ...] = Field((), description="Message types to take; none named means all")
    processing_ids: tuple[Literal["P", "T", "D"], ...] = Field(
        (), description="MSH-11 to take: P production, T training, D debugging; none named means all"
    )
    versions: tuple[Version, ...] = Field((), description="MSH-12 to take; 2.5 stands for 2.5.1 too; none means all")
    tls: ServerTls | None = None
    allow: tuple[AllowedAddress, ...] = Field((), description="Addresses and networks that may connect; none means all")
    allow_certificates: tuple[AllowedCertificate, ...] = Field(
        (), description="Names in certificates, or sha256: fingerprints, that may connect; needs tls.client_ca"
    )
    newest_wins: bool = Field(
        False, description="A new connection from an address ends the ones before it; for peers that lose connections"
    )
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
    acknowledge: Literal["original", "as_asked", "both"] = Field(
        "original",
        description="AA, AE, AR always; or one answer as AL, NE, ER, SU in MSH-15 and MSH-16 ask (enhanced mode); "
        "or each that they ask for, the second one behind the first",
    )
    commit_bytes: bool = Field(False, description="Also answer 06 or 15 in a block of its own (MLLP release 2)")
    batches: Literal["each", "errors", "one", "none", "refuse"] = Field(
        "each", description="Answers to a block with several messages: for each, for those not taken, one for all, none"
    )
    when_unavailable: Literal["AR", "AE", "close"] = Field(
        "AR", description="What a sender gets while messages cannot be stored; close means no answer at all"
    )
    give_up_after: int = Field(
        5, ge=1, description="Refusals of one and the same message with AR; after them it gets AE, to be left off"
    )

    @model_validator(mode="after")
    def _certificates_are_asked_for(self) -> Self:
        if self.allow_certificates and (self.tls is None or self.tls.client_ca is None):
            raise ValueError("allow_certificates needs tls with client_ca; without it no peer shows a certificate")
        return self

    def claims(self) -> list[str]:
        """What no other channel may use at the same time."""
        return [f"tcp port {self.port}"] if self.port else []


class SenderSettings(sdk.Settings):
    """Where to send, how long to wait, and what each answer means."""

    host: str = Field(min_length=1, description="Name or address of the receiving system")
    port: int = Field(ge=1, le=65535)
    tls: ClientTls | None = None
    connections: int = Field(1, ge=1, le=64, description="Connections, each with a window of its own")
    window: int = Field(
        1, ge=1, le=256, description="Messages under way on a connection; above 1 some receivers mix up their order"
    )
    pause_between: sdk.Duration = Field(0.0, ge=0, description="Pause from one message to the next")
    connect_within: sdk.Duration = Field(10.0, gt=0, description="Longest wait for a connection")
    wait_for_ack: sdk.Duration = Field(30.0, gt=0, description="Longest wait for an answer")
    delivered_by: Literal["answer", "commit"] = Field(
        "answer", description="What makes it delivered: the answer, or the byte 06 of MLLP release 2 (window 1)"
    )
    empty_msa_2: bool = Field(
        False, description="An answer with an empty MSA-2 counts for the message under way (window 1)"
    )
    answers: Answers = Field(default_factory=dict, description="What an answer means, where it is not the usual")

    @model_validator(mode="after")
    def _one_at_a_time(self) -> Self:
        if self.window > 1 and (self.delivered_by == "commit" or self.empty_msa_2):
            raise ValueError("window must be 1 where answers do not name their message; use connections instead")
        return self
