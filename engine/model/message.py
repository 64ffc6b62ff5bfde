"""The message: what travels through the engine."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from msgspec import field
from msgspec.structs import replace

from engine.model.ids import new_id
from engine.model.value import Value

ORDER_AT = "order_at"
"""Meta by which messages of one order key are put in order where a channel waits for that (`wait_for_order`): text that
sorts, such as digits of one length."""

REPLACES_EARLIER = "replaces_earlier"
"""Meta by which a step says that the body is all there is to say of what its order key names, such as one reading as a
resource. Once it has been sent, what was made of an earlier message is outdated, and is not sent any more."""


class Shape(StrEnum):
    """The named type of a body. Plugins declare what they accept and emit, so that routes are type-checked."""

    HL7V2 = "hl7v2"
    FHIR = "fhir"
    RECORDS = "records"
    JSON = "json"
    CSV = "csv"
    XML = "xml"
    BYTES = "bytes"


class Message(Value, frozen=True, gc=False):
    """One copy of one message in one channel. Frozen: a step makes a new one with `but` or `child`.

    `origin_id` is the message that came in from outside, the root of the lineage; `parent_id` the one this was
    made from. `source_key` recognises a re-send; `order_key` names what must stay in order (usually a patient).
    Body, meta and keys are hidden from `repr`, since they hold patients' data (law 9).
    """

    hidden: ClassVar = frozenset({"body", "meta", "source_key", "order_key"})

    id: str
    channel: str
    shape: Shape
    body: bytes
    received_at: datetime
    origin_id: str
    parent_id: str | None = None
    tenant: str = "default"
    meta: Mapping[str, str] = field(default_factory=dict)
    source_key: str | None = None
    order_key: str | None = None

    def but(
        self,
        *,
        body: bytes | None = None,
        shape: Shape | None = None,
        meta: Mapping[str, str] | None = None,
        order_key: str | None = None,
    ) -> "Message":
        """This message with another body, shape or order key; `meta` is laid over what is there already."""
        return replace(
            self,
            body=self.body if body is None else body,
            shape=self.shape if shape is None else shape,
            meta=self.meta if meta is None else {**self.meta, **meta},
            order_key=self.order_key if order_key is None else order_key,
        )

    def child(self, channel: str, source: "Message", received_at: datetime) -> "Message":
        """A copy of this output for `channel`, made from `source`: new id, same origin, no source key."""
        return replace(
            self,
            id=new_id(),
            channel=channel,
            parent_id=source.id,
            origin_id=source.origin_id,
            received_at=received_at,
            source_key=None,
        )
