"""Logs: JSON lines (or colour for people) with fixed events and fields from an allow-list only.

A field that is not on the list is replaced by its name, so that no patient's data can slip into a log by mistake
(law 9). Exceptions are logged by type; their text is in the journal.
"""

import logging
import sys
from typing import Any, cast

import structlog
from structlog.typing import EventDict, WrappedLogger

from engine.contracts.plugins import Log

_ALLOWED = """
    event level timestamp channel destination source plugin message_id delivery_id origin_id queue state code path
    part attempt attempts count seconds after_seconds port peer_count error_type file line size limit version account
    status dropped_fields wanted actual batch site signal window_start window_end peer bytes restarts reason
"""
ALLOWED = frozenset(_ALLOWED.split())


def only_allowed(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take out every field that is not on the list and say which ones."""
    dropped = sorted(set(event) - ALLOWED)
    for name in dropped:
        del event[name]
    if dropped:
        event["dropped_fields"] = dropped
    return event


def configure(*, json: bool, level: str = "info") -> None:
    """Set up logging of the process to standard error. Call once, from the command line."""
    renderer: Any = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=True)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def logger(**fields: Any) -> Log:
    """A logger with these fields bound."""
    return cast(Log, structlog.get_logger(**fields))
