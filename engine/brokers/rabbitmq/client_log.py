"""The client library's own log: passed on by place and type, without its texts.

It writes addresses with the user's name, and exceptions with what the broker said; and without a handler of ours
Python would print its warnings to standard error.
"""

import logging

from engine.contracts.plugins import Log

_LIBRARY = ("aio_pika", "aiormq")


class _PassOn(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0] if record.exc_info else None
        self._log.debug(
            "broker_client",
            source=record.name,
            line=record.lineno,
            error_type=error.__name__ if error else None,
        )


def pass_on_warnings(log: Log) -> None:
    """Warnings of the library become events of `log`; its events say more than ours only to its own authors."""
    for name in _LIBRARY:
        logger = logging.getLogger(name)
        logger.handlers = [_PassOn(log)]
        logger.propagate = False
