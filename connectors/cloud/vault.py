"""Tokens at rest: encrypted, so that a copy of the journal alone opens no account."""

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from engine import sdk

_PURPOSE = b"islet cloud tokens v1"


class Vault:
    """Encrypts with a key derived from a secret that is not in the journal (HKDF-SHA256, then Fernet)."""

    def __init__(self, secret: sdk.Secret) -> None:
        self._secret = secret

    def lock(self, text: str) -> str:
        """Raises NeedsOperator if the secret has no value."""
        return self._fernet().encrypt(text.encode()).decode()

    def open(self, locked: str) -> str | None:
        """None for what was locked with another secret, or is damaged."""
        try:
            return self._fernet().decrypt(locked.encode()).decode()
        except (InvalidToken, UnicodeError, ValueError):
            return None

    def _fernet(self) -> Fernet:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(self._secret.reveal().encode())
        return Fernet(base64.urlsafe_b64encode(derived))
