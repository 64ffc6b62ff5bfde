"""What opens an account: rotating refresh tokens, a session, client credentials, or a key that stays the same."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from connectors.cloud.vault import Vault
from engine import sdk

_EARLY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Tokens:
    """An answer of a token endpoint or a login. `refresh` is None where the old one stays good (RFC 6749 section 6)."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    lives_seconds: float


class Keeper(Protocol):
    """Gives out what a call needs to be let in."""

    async def access(self) -> str:
        """A token, session or key that should be good. Raises Refused, NeedsOperator, Throttled, Unavailable."""
        ...

    def forget(self) -> None:
        """It was not accepted: get another one next time."""
        ...

    def secret_changed(self) -> bool:
        """Has somebody put something else into the secret since it was last used?"""
        ...

    async def finish(self) -> None:
        """Wait for what is under way."""
        ...


class _Kept(msgspec.Struct):
    """What the cursor holds. `seed` is a digest of the secret with which the chain of refresh tokens began; `locked`
    the newest token, encrypted; `token` one that an earlier version wrote in clear."""

    seed: str
    locked: str | None = None
    token: str | None = None


class RotatingTokens:
    """OAuth 2.0 with refresh tokens that die when they are used: the newest is in the journal, encrypted, the access
    token in memory only.

    A refresh is finished and kept even if its caller is cancelled.
    """

    def __init__(
        self,
        name: str,
        secret: sdk.Secret,
        vault: Vault,
        refresh: Callable[[str], Awaitable[Tokens]],
        context: sdk.PluginContext,
    ) -> None:
        self._secret = secret
        self._vault = vault
        self._cursor = f"refresh:{name}"
        self._trade = refresh
        self._clock = context.clock
        self._cursors = context.cursors
        self._access: str | None = None
        self._good_until = 0.0
        self._seed: str | None = None
        self._unkept: tuple[str, str] | None = None
        self._refreshing: asyncio.Task[str] | None = None

    async def access(self) -> str:
        """See `Keeper`. Refused also if there is no secret."""
        if self._unkept is not None:
            await self._keep(*self._unkept)
        if self._access is not None and self._clock.monotonic() < self._good_until:
            return self._access
        self._refreshing = asyncio.create_task(self._refresh())
        return await asyncio.shield(self._refreshing)

    def forget(self) -> None:
        self._access = None

    def secret_changed(self) -> bool:
        return self._secret.known() and digest(self._secret.reveal()) != self._seed

    async def finish(self) -> None:
        if self._refreshing is not None:
            await asyncio.gather(self._refreshing, return_exceptions=True)

    async def _refresh(self) -> str:
        given = known(self._secret, "refresh token") if self._secret.known() else None
        self._seed = digest(given) if given is not None else None
        if given is None or self._seed is None:
            text = f"no value for the refresh token; set {self._secret.where()}"
            raise sdk.Refused(text, code="secret-missing")
        tokens = await self._trade(await self._newest(self._seed, given))
        self._access = tokens.access
        self._good_until = self._clock.monotonic() + tokens.lives_seconds - _EARLY_SECONDS
        if tokens.refresh is not None:
            await self._keep(self._seed, tokens.refresh)
        return tokens.access

    async def _newest(self, seed: str, given: str) -> str:
        """The newest refresh token of the chain that began with the secret."""
        if self._unkept is not None and self._unkept[0] == seed:
            return self._unkept[1]
        stored = await self._cursors.get(self._cursor)
        try:
            kept = msgspec.json.decode(stored, type=_Kept) if stored else None
        except msgspec.DecodeError:
            kept = None
        if kept is None or kept.seed != seed:
            return given
        opened = self._vault.open(kept.locked) if kept.locked else kept.token
        return opened or given

    async def _keep(self, seed: str, token: str) -> None:
        """Raises Unavailable if the journal is away; the token is remembered meanwhile."""
        self._unkept = seed, token
        kept = _Kept(seed, locked=self._vault.lock(token))
        await self._cursors.put(self._cursor, msgspec.json.encode(kept).decode())
        self._unkept = None


class Session:
    """A login that is repeated when it has run out: with user name and password, or client credentials (RFC 6749
    section 4.4). Nothing of it is stored."""

    def __init__(
        self, secrets: Sequence[sdk.Secret], login: Callable[[], Awaitable[Tokens]], context: sdk.PluginContext
    ) -> None:
        self._secrets = secrets
        self._login = login
        self._clock = context.clock
        self._access: str | None = None
        self._good_until = 0.0
        self._used: str | None = None

    async def access(self) -> str:
        """See `Keeper`."""
        if self._access is None or self._clock.monotonic() >= self._good_until:
            self._used = self._state()
            tokens = await self._login()
            self._access = tokens.access
            self._good_until = self._clock.monotonic() + tokens.lives_seconds - _EARLY_SECONDS
        return self._access

    def forget(self) -> None:
        self._access = None

    def secret_changed(self) -> bool:
        return self._state() != self._used

    async def finish(self) -> None:
        """Nothing goes on in the background."""

    def _state(self) -> str:
        return digest("\n".join(secret.reveal() for secret in self._secrets if secret.known()))


class Key(Session):
    """A key that stays the same."""

    def __init__(self, secret: sdk.Secret, name: str, context: sdk.PluginContext) -> None:
        async def reveal() -> Tokens:
            return Tokens(known(secret, name), None, float("inf"))

        super().__init__([secret], reveal, context)


def known(secret: sdk.Secret, name: str) -> str:
    """The value of an account's secret. Raises Refused with where to set it: the other accounts go on."""
    if not secret.known():
        raise sdk.Refused(f"no value for the {name}; set {secret.where()}", code="secret-missing")
    return secret.reveal()


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
