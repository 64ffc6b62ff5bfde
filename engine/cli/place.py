"""Where an engine's journal and broker are: a file of its own, or a database and a broker that several share."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from engine.brokers.rabbitmq import RabbitSettings
from engine.model.errors import ConfigError

EMBEDDED = "embedded"
_POSTGRES = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class Place:
    """`journal`: a path, or `postgresql://…`. `broker`: `embedded`, or `amqp://…`.

    Raises ConfigError for a pair that does not work together. Neither repr nor str show a password.
    """

    journal: str
    broker: str = EMBEDDED

    def __post_init__(self) -> None:
        if "://" in self.journal and not self.shared:
            raise ConfigError(["--journal takes a file, or postgresql://user@host/database"])
        if self.broker != EMBEDDED:
            self.rabbit()
            if not self.shared:
                raise ConfigError(
                    [
                        "RabbitMQ needs a journal that several engines can share: --journal postgresql://user@host/database"
                    ]
                )

    def __str__(self) -> str:
        if not self.shared:
            return self.journal
        parts = urlsplit(self.journal)
        return f"PostgreSQL at {parts.hostname}:{parts.port or 5432}{parts.path}"

    __repr__ = __str__

    @property
    def shared(self) -> bool:
        """Several engines can work on it."""
        return self.journal.startswith(_POSTGRES)

    @property
    def file(self) -> Path:
        """Of a journal on SQLite."""
        return Path(self.journal)

    def rabbit(self) -> RabbitSettings:
        """How to reach RabbitMQ; what is secret or a file comes from the environment. Raises ConfigError."""
        return RabbitSettings(
            url=self.broker,
            password=os.environ.get("ISLET_BROKER_PASSWORD"),
            ca_file=_file("ISLET_BROKER_CA_FILE"),
            cert_file=_file("ISLET_BROKER_CERT_FILE"),
            key_file=_file("ISLET_BROKER_KEY_FILE"),
        )


def _file(variable: str) -> Path | None:
    name = os.environ.get(variable)
    return Path(name) if name else None
