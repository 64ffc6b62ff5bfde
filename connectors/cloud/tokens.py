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

    async def renewed(self) -> bool:
        """Has somebody put something else into the secret since it was last used, or consented anew?"""
        ...

    async def finish(self) -> None:
        """Wait for what is under way."""
        ...


class _Kept(msgspec.Struct):
    """What the cursor holds. `seed` is a digest of the secret that stood there when the chain of refresh tokens began;
    None: it began with a consent, and nobody has looked at the secret since. `locked` is the newest token, encrypted;
    `token` one that an earlier version wrote in clear; `consent` names the consent that it came from, if from one."""

    seed: str | None = None
    locked: str | None = None
    token: str | None = None
    consent: str | None = None


_NOTHING = _Kept()


async def keep_consent(cursors: sdk.Cursors, name: str, vault: Vault, refresh_token: str | None) -> None:
    """Begin the account's chain anew with what a person has just consented to; None: end it."""
    locked = None if refresh_token is None else vault.lock(refresh_token)
    await cursors.put(_cursor_of(name), _written(_Kept(locked=locked, consent=sdk.new_id())))


async def kept_token(cursors: sdk.Cursors, name: str, vault: Vault) -> str | None:
    """The newest refresh token of the account's chain, as far as it is kept."""
    kept = _read(await cursors.get(_cursor_of(name)))
    return vault.open(kept.locked) if kept.locked else kept.token


def _cursor_of(name: str) -> str:
    return f"refresh:{name}"


def _read(stored: str | None) -> _Kept:
    try:
        return msgspec.json.decode(stored, type=_Kept) if stored else _NOTHING
    except msgspec.DecodeError:
        return _NOTHING


def _written(kept: _Kept) -> str:
    return msgspec.json.encode(kept).decode()


class RotatingTokens:
    """OAuth 2.0 with refresh tokens that die when they are used: the newest is in the journal, encrypted, the access
    token in memory only. The first one comes from a consent (`keep_consent`), or from a secret; whichever came last
    counts.

    A refresh is finished and kept even if its caller is cancelled.
    """

    def __init__(
        self,
        name: str,
        secret: sdk.Secret | None,
        vault: Vault,
        refresh: Callable[[str], Awaitable[Tokens]],
        context: sdk.PluginContext,
    ) -> None:
        self._secret = secret
        self._vault = vault
        self._name = name
        self._trade = refresh
        self._clock = context.clock
        self._cursors = context.cursors
        self._access: str | None = None
        self._good_until = 0.0
        self._seed: str | None = None
        self._consent: str | None = None
        self._unkept: _Kept | None = None
        self._refreshing: asyncio.Task[str] | None = None

    async def access(self) -> str:
        """See `Keeper`. Refused also if nobody has consented, and there is no secret."""
        if self._unkept is not None:
            await self._keep(self._unkept)
        kept = await self._kept()
        if kept.consent != self._consent:
            self._access = None
        if self._access is not None and self._clock.monotonic() < self._good_until:
            return self._access
        self._refreshing = asyncio.create_task(self._refresh(kept))
        return await asyncio.shield(self._refreshing)

    def forget(self) -> None:
        self._access = None

    async def renewed(self) -> bool:
        given = self._given()
        return (given is not None and digest(given) != self._seed) or (await self._kept()).consent != self._consent

    async def finish(self) -> None:
        if self._refreshing is not None:
            await asyncio.gather(self._refreshing, return_exceptions=True)

    def _given(self) -> str | None:
        """The secret, if it has a value."""
        if self._secret is None or not self._secret.known():
            return None
        return known(self._secret, "refresh token")

    async def _refresh(self, kept: _Kept) -> str:
        given = self._given()
        self._seed, self._consent = digest(given) if given is not None else None, kept.consent
        newest = self._newest(kept, given)
        tokens = await self._trade(newest)
        self._access = tokens.access
        self._good_until = self._clock.monotonic() + tokens.lives_seconds - _EARLY_SECONDS
        if tokens.refresh is not None or kept.seed != self._seed:
            locked = self._vault.lock(tokens.refresh or newest)
            await self._keep(_Kept(self._seed, locked=locked, consent=kept.consent))
        return tokens.access

    def _newest(self, kept: _Kept, given: str | None) -> str:
        """The newest refresh token of the chain that began last. Raises Refused if there is none."""
        of_consent = kept.consent is not None and (kept.seed is None or given is None)
        if of_consent or (self._seed is not None and kept.seed == self._seed):
            opened = self._vault.open(kept.locked) if kept.locked else kept.token
            if opened:
                return opened
        if given is not None:
            return given
        way = f"let the person consent: islet accounts connect CHANNEL {self._name}"
        if self._secret is None:
            raise sdk.Refused(f"nobody has consented; {way}", code="not-connected")
        text = f"no value for the refresh token; {way}, or set {self._secret.where()}"
        raise sdk.Refused(text, code="secret-missing")

    async def _kept(self) -> _Kept:
        """What the journal holds; what it could not take yet comes first."""
        return self._unkept or _read(await self._cursors.get(_cursor_of(self._name)))

    async def _keep(self, kept: _Kept) -> None:
        """Raises Unavailable if the journal is away; the token is remembered meanwhile. A consent that came in while
        this token was traded stays."""
        self._unkept = kept
        if _read(await self._cursors.get(_cursor_of(self._name))).consent == kept.consent:
            await self._cursors.put(_cursor_of(self._name), _written(kept))
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

    async def renewed(self) -> bool:
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
