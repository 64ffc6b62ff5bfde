"""Which peers may connect: by address, and by the certificate that they show."""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Final

from pydantic import AfterValidator, WithJsonSchema

Network = IPv4Network | IPv6Network
_FINGERPRINT: Final = re.compile(r"sha256:[0-9a-f]{64}")


def _network(value: str) -> str:
    try:
        return str(ip_network(value.strip()))
    except ValueError:
        raise ValueError("is no address or network; write one such as 10.20.0.7 or 10.20.0.0/24") from None


def _certificate(value: str) -> str:
    text = value.strip().casefold()
    if text.startswith("sha256:"):
        text = "sha256:" + text[7:].replace(":", "")
        if not _FINGERPRINT.fullmatch(text):
            raise ValueError("is no fingerprint; write sha256: and 64 hexadecimal digits")
    elif not text or "*" in text:
        raise ValueError("names no certificate; write a name in it such as lab.stm.example, or sha256: and its digits")
    return text


AllowedAddress = Annotated[
    str, AfterValidator(_network), WithJsonSchema({"type": "string", "examples": ["10.2.0.0/24"]})
]
"""An IP address or a network of them."""

AllowedCertificate = Annotated[
    str, AfterValidator(_certificate), WithJsonSchema({"type": "string", "examples": ["lab.stm.example", "sha256:…"]})
]
"""A name in a certificate (subject alternative name, or common name), or `sha256:` and its fingerprint."""


class AllowedAddresses:
    """An allow-list of addresses; an empty one lets everybody in."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ip_network(network) for network in networks]

    def __contains__(self, address: str) -> bool:
        if not self._networks:
            return True
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self._networks)


def certificate_allowed(allowed: Collection[str], shown: Mapping[str, Any] | None, der: bytes | None) -> bool:
    """Is the certificate (as `SSLObject.getpeercert` gives it, and its DER bytes) on the list? An empty list lets in
    whatever the authority has signed."""
    if not allowed:
        return True
    if der is None:
        return False
    return f"sha256:{hashlib.sha256(der).hexdigest()}" in allowed or any(
        name in allowed for name in _names(shown or {})
    )


def _names(shown: Mapping[str, Any]) -> Iterator[str]:
    """Subject alternative names, and the common name where there are none (RFC 6125 section 6.4.4)."""
    alternatives = [str(value).casefold() for _, value in shown.get("subjectAltName", ())]
    yield from alternatives
    if not alternatives:
        for relative in shown.get("subject", ()):
            yield from (str(value).casefold() for kind, value in relative if kind == "commonName")
