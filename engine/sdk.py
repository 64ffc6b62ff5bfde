"""The one module that plugins import.

A transformer in full::

    from engine import sdk

    @sdk.transformer("drop_comments", accepts={sdk.Shape.HL7V2}, emits=sdk.Shape.HL7V2)
    def drop_comments(message: sdk.Message, settings: sdk.NoSettings) -> sdk.Message:
        return message.but(body=...)
"""

from engine.contracts.consent import Consent
from engine.contracts.plugins import (
    Arrival,
    BatchDestination,
    Cursors,
    Destination,
    FieldReader,
    Log,
    PluginContext,
    Source,
    Transaction,
)
from engine.model.clock import Clock, SystemClock, from_micros, to_micros
from engine.model.delivery import Delivery
from engine.model.errors import (
    ConfigError,
    EngineError,
    InvalidMessage,
    NeedsOperator,
    NeedsReview,
    NotPermitted,
    Refused,
    Throttled,
    Unavailable,
    Unreachable,
)
from engine.model.ids import new_id
from engine.model.lane import LANE, Lane
from engine.model.message import ORDER_AT, REPLACES_EARLIER, Message, Shape
from engine.model.outcome import (
    KEEP,
    Accepted,
    Answer,
    Aside,
    Deferred,
    Drop,
    Keep,
    Rejected,
    StepOutput,
    Verdict,
)
from engine.model.quantities import Duration, Rate, Size
from engine.model.settings import NoSettings, Secret, Settings, Table, TableRef, Zone
from engine.plugins.plugin import Plugin, destination, field_reader, filter_step, source, stateful_step, transformer

__all__ = [
    "KEEP",
    "LANE",
    "ORDER_AT",
    "REPLACES_EARLIER",
    "Accepted",
    "Answer",
    "Arrival",
    "Aside",
    "BatchDestination",
    "Clock",
    "ConfigError",
    "Consent",
    "Cursors",
    "Deferred",
    "Delivery",
    "Destination",
    "Drop",
    "Duration",
    "EngineError",
    "FieldReader",
    "InvalidMessage",
    "Keep",
    "Lane",
    "Log",
    "Message",
    "NeedsOperator",
    "NeedsReview",
    "NoSettings",
    "NotPermitted",
    "Plugin",
    "PluginContext",
    "Rate",
    "Refused",
    "Rejected",
    "Secret",
    "Settings",
    "Shape",
    "Size",
    "Source",
    "StepOutput",
    "SystemClock",
    "Table",
    "TableRef",
    "Throttled",
    "Transaction",
    "Unavailable",
    "Unreachable",
    "Verdict",
    "Zone",
    "destination",
    "field_reader",
    "filter_step",
    "from_micros",
    "new_id",
    "source",
    "stateful_step",
    "to_micros",
    "transformer",
]
