"""TLS for listeners and senders (for MLLP: IHE ATNA ITI-19): certificates from files or secrets, either way."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from engine import sdk

Pem = sdk.Secret | Path
"""PEM text: the name of a file, or `{secret: name}`."""


class ServerTls(sdk.Settings):
    """The listener's certificate; with `client_ca`, only peers with a certificate of that authority get in."""

    certificate: Pem = Field(description="The certificate and those between it and its root, in PEM")
    key: Pem = Field(description="Its private key, in PEM")
    key_password: sdk.Secret | None = Field(None, description="Password of the private key, if it has one")
    client_ca: Pem | None = Field(None, description="Ask each peer for a certificate signed by one of these, in PEM")

    def context(self) -> ssl.SSLContext:
        """Raises NeedsOperator if something cannot be read or used."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        _show(context, self.certificate, self.key, self.key_password)
        if self.client_ca is not None:
            context.load_verify_locations(cadata=_authorities(self.client_ca))
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class ClientTls(sdk.Settings):
    """What the sender trusts and shows. `tls: {}` trusts the system's authorities and shows nothing."""

    ca: Pem | None = Field(None, description="Authorities to trust instead of the system's, in PEM")
    certificate: Pem | None = Field(None, description="Certificate to show, in PEM")
    key: Pem | None = Field(None, description="Its private key, in PEM")
    key_password: sdk.Secret | None = Field(None, description="Password of the private key, if it has one")
    server_name: str | None = Field(None, description="Name in the server's certificate, if it is not `host`")

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together; write both or neither")
        return self

    def context(self) -> ssl.SSLContext:
        """Raises NeedsOperator if something cannot be read or used."""
        context = ssl.create_default_context(cadata=None if self.ca is None else _authorities(self.ca))
        if self.certificate is not None and self.key is not None:
            _show(context, self.certificate, self.key, self.key_password)
        return context


def _show(context: ssl.SSLContext, certificate: Pem, key: Pem, password: sdk.Secret | None) -> None:
    # Without a callback OpenSSL would ask for an encrypted key's password on the terminal, and wait.
    reveal = password.reveal if password else lambda: ""
    with _file_of(certificate) as chain, _file_of(key) as private, _usable(certificate, key):
        context.load_cert_chain(chain, private, password=reveal)


def _authorities(pem: Pem) -> str:
    """PEM text that has been tried out."""
    with _usable(pem):
        text = pem.reveal() if isinstance(pem, sdk.Secret) else pem.read_text(encoding="ascii")
        ssl.create_default_context(cadata=text)
        return text


@contextmanager
def _file_of(pem: Pem) -> Iterator[Path]:
    """The PEM as a file, which is all that OpenSSL takes; a secret's file is for this user only, and gone at once."""
    if isinstance(pem, Path):
        yield pem
        return
    text = pem.reveal()
    handle, name = tempfile.mkstemp(prefix="islet-", suffix=".pem")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        yield Path(name)
    finally:
        Path(name).unlink()


@contextmanager
def _usable(*sources: Pem) -> Iterator[None]:
    """Turns what goes wrong with certificates into a sentence for the operator."""
    try:
        yield
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        named = ", ".join(f"secret {pem.secret!r}" if isinstance(pem, sdk.Secret) else str(pem) for pem in sources)
        why = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
        raise sdk.NeedsOperator(
            f"TLS cannot start with {named}: {why}; each must be readable PEM, the key must belong to the certificate, "
            "and a key with a password needs key_password",
            code="tls-files",
        ) from error
