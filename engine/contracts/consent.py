"""People's consents to sources that ask clouds: how an account is connected, and how it is taken off again.

A source that asks accounts may offer `ConnectsAccounts`; `islet accounts` finds it by its methods.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent that has been asked for. The person opens `url`; the browser comes back to `redirect_uri` with a code
    and with `state`, which nobody else can know. `verifier` proves that whoever brings the code asked for it
    (RFC 7636), None where the vendor does not have that."""

    url: str
    redirect_uri: str
    state: str = field(repr=False)
    verifier: str | None = field(default=None, repr=False)


@runtime_checkable
class ConnectsAccounts(Protocol):
    """A source with accounts, by the names that its settings give them."""

    def account_names(self) -> Sequence[str]: ...

    async def is_withdrawn(self, account: str) -> bool:
        """Has the account been taken off?"""
        ...

    def consent(self, account: str, redirect_uri: str) -> Consent | None:
        """Ask for a consent; None if this kind of account has none to ask for (a login, a key).

        Raises NeedsOperator if the client's secrets have no value."""
        ...

    async def connect(self, account: str, consent: Consent | None, code: str | None) -> None:
        """Trade the code for tokens and keep them, encrypted; a running source asks this account from its next turn.

        Raises Refused, NeedsOperator, Throttled, Unavailable; then nothing has changed."""
        ...

    async def withdraw(self, account: str) -> None:
        """Forget its tokens; a running source asks it no more, from its next turn."""
        ...
