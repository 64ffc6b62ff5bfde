"""Who may call, and how the wire is protected: the same words for the HTTP listener and the HTTP sender."""

import base64
import hmac
from ipaddress import ip_address

from pydantic import Field, model_validator

from engine import sdk


class Auth(sdk.Settings):
    """A bearer token (RFC 6750), or a user with a password (RFC 7617): `{bearer: {secret: name}}`."""

    bearer: sdk.Secret | None = Field(None, description="The token, without the word Bearer")
    user: str | None = Field(None, pattern=r"^[^:\x00-\x1f\x7f]+$", description="User name; RFC 7617 allows no colon")
    password: sdk.Secret | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Auth":
        basic = (self.user is not None, self.password is not None)
        if basic not in {(True, True), (False, False)} or (self.bearer is None) != all(basic):
            raise ValueError("write either bearer: {secret: NAME}, or user: NAME and password: {secret: NAME}")
        return self

    def header(self) -> str:
        """The value of `Authorization`. Raises NeedsOperator if the secret is missing or cannot stand in a header."""
        if self.bearer is not None:
            return f"Bearer {header_value(self.bearer)}"
        assert self.user is not None
        assert self.password is not None
        pair = f"{self.user}:{self.password.reveal()}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"

    def permits(self, presented: str | None) -> bool:
        """Does this `Authorization` header open the door? Takes the same time however much of it is right."""
        scheme, _, credentials = (presented or "").partition(" ")
        wanted_scheme, _, wanted = self.header().partition(" ")
        same = hmac.compare_digest(credentials.strip().encode("utf-8", "surrogateescape"), wanted.encode())
        return same and scheme.lower() == wanted_scheme.lower()


def header_value(secret: sdk.Secret) -> str:
    """The secret as an HTTP field value (RFC 9110 section 5.5). Raises NeedsOperator if it cannot be one."""
    value = secret.reveal()
    if not value or not value.isascii() or not value.isprintable() or value != value.strip():
        raise sdk.NeedsOperator(
            f"secret {secret.secret!r} is empty or has line ends, outer blanks or signs that no HTTP header may have; "
            f"write it again in {secret.where()}",
            code="secret-malformed",
        )
    return value


def is_this_machine(host: str) -> bool:
    """Does traffic with this host stay inside this machine?"""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
