"""Our signing keys: RS384 and ES384, their public form (JWK, RFC 7517) and what they sign (JWS, RFC 7515)."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from engine import sdk

_SHORTEST_RSA_BITS = 2048
_COORDINATE_BYTES = 48  # of P-384


@dataclass(frozen=True, slots=True)
class Key:
    """A private key with the name (`kid`) by which the server finds its public half."""

    kid: str
    algorithm: str
    jwk: Mapping[str, str]
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)

    def signed(self, claims: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> str:
        """A JWT in compact form."""
        head = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **(headers or {})}
        text = b".".join(_base64(orjson.dumps(part)) for part in (head, claims))
        return b".".join((text, _base64(self._signature(text)))).decode("ascii")

    def _signature(self, text: bytes) -> bytes:
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(text, padding.PKCS1v15(), hashes.SHA384())
        r, s = decode_dss_signature(self.private.sign(text, ec.ECDSA(hashes.SHA384())))
        return r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")


def read_key(secret: sdk.Secret, kid: str | None = None) -> Key:
    """The key in a secret: PEM, not encrypted, RSA of 2048 bits or more, or EC on P-384. Without a `kid` it is named
    by its thumbprint (RFC 7638). Raises NeedsOperator with what to write."""
    advice = f"write the private key as PEM (RSA of 2048 bits or more, or EC P-384) in {secret.where()}"
    try:
        private = serialization.load_pem_private_key(secret.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise sdk.NeedsOperator(f"secret {secret.secret!r} is no private key; {advice}", code="smart-key") from None
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= _SHORTEST_RSA_BITS:
        public = private.public_key().public_numbers()
        parts = {"e": _number(public.e), "kty": "RSA", "n": _number(public.n)}
        return _key(private, "RS384", parts, kid)
    if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP384R1):
        point = private.public_key().public_numbers()
        x, y = (_number(value, _COORDINATE_BYTES) for value in (point.x, point.y))
        return _key(private, "ES384", {"crv": "P-384", "kty": "EC", "x": x, "y": y}, kid)
    raise sdk.NeedsOperator(f"secret {secret.secret!r} is a key that SMART has no use for; {advice}", code="smart-key")


def jwks(keys: Sequence[Key]) -> dict[str, Any]:
    """The public halves as a JSON Web Key Set: during a rotation the old and the new one."""
    return {"keys": [dict(key.jwk) for key in keys]}


def _key(
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, algorithm: str, parts: dict[str, str], kid: str | None
) -> Key:
    named = kid or _base64(hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()).decode("ascii")
    return Key(named, algorithm, {**parts, "kid": named, "alg": algorithm, "use": "sig"}, private)


def _number(value: int, length: int | None = None) -> str:
    return _base64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big")).decode("ascii")


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
