"""Where the broker is, how to sign in, and how long to wait for it."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

from engine.model.errors import ConfigError
from engine.model.retry import RetryPolicy

_RECONNECT = RetryPolicy(first_wait_seconds=0.2, longest_wait_seconds=10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitSettings:
    """`url`: `amqp://user@host:5672/vhost`, or `amqps://` for TLS. It and the password are in no repr and no error.

    Raises ConfigError when the URL cannot be used.
    """

    url: str = field(repr=False)
    password: str | None = field(default=None, repr=False)
    """Kept apart from the URL, which people copy about; if given, it is used instead of one in the URL."""
    ca_file: Path | None = None
    """Who may have signed the broker's certificate; without it the machine's own list decides."""
    cert_file: Path | None = None
    key_file: Path | None = None
    namespace: str = "islet"
    """The exchange, and the first word of each queue's name at the broker. Two engines in one vhost need two."""
    publish_timeout_seconds: float = 5.0
    """The longest that one call of `publish`, `depth` or `declare` takes."""
    open_timeout_seconds: float = 10.0
    """How long `open` waits for a broker that is away before it goes on without."""
    connect_timeout_seconds: float = 5.0
    heartbeat_seconds: int = 10
    """A peer that says nothing for about three of these is taken for dead, on either side."""
    reconnect: RetryPolicy = _RECONNECT

    def __post_init__(self) -> None:
        try:
            url = URL(self.url)
            usable = url.scheme in ("amqp", "amqps") and bool(url.host) and not url.query_string
        except ValueError:
            usable = False
        if not usable:
            raise ConfigError(["broker: not a RabbitMQ address; write amqp://user@host:5672/vhost (amqps:// for TLS)"])
        if (self.cert_file is None) != (self.key_file is None):
            raise ConfigError(["broker: a client certificate needs both cert_file and key_file"])

    def address(self, purpose: str) -> URL:
        """The URL for the client library, with the password. `purpose` names the connection for operators."""
        url = URL(self.url)
        if self.password is not None:
            url = url.with_password(self.password)
        return url.update_query(name=f"{self.namespace} {purpose}", heartbeat=self.heartbeat_seconds)

    @property
    def peer(self) -> str:
        """Host and port, for logs."""
        url = URL(self.url)
        return f"{url.host}:{url.port or (5671 if self.tls else 5672)}"

    @property
    def tls(self) -> bool:
        return URL(self.url).scheme == "amqps"

    def tls_context(self) -> ssl.SSLContext | None:
        """None without TLS. The broker's certificate and name are always checked. Reads files.

        Raises ConfigError when one of them cannot be read.
        """
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError:  # SSLError is one
            raise ConfigError(["broker: ca_file, cert_file or key_file is no readable PEM file"]) from None
        return context
