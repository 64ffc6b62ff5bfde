"""TLS of a private server."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the server's certificate with what signed it, its key, and who may have signed a client's."""

    certificate: Path
    key: Path
    authority: Path
