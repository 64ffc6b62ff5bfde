"""An account's tokens: the newest refresh token is in the journal, the access token in memory only."""

import asyncio
import hashlib

import msgspec

from connectors.dexcom.settings import AccountSettings
from connectors.dexcom.wire import Wire
from engine import sdk

_EARLY_SECONDS = 60.0


class _Kept(msgspec.Struct):
    """What the cursor holds. `seed` is a digest of the secret with which the chain of refresh tokens began."""

    seed: str
    token: str


class TokenKeeper:
    """Gives out access tokens for one account and keeps what Dexcom rotates.

    A refresh is finished and kept even if its caller is cancelled: the old token is dead once it has been used.
    """

    def __init__(self, account: AccountSettings, wire: Wire, context: sdk.PluginContext) -> None:
        self._secret = account.refresh_token
        self._cursor = f"refresh:{account.name}"
        self._wire = wire
        self._clock = context.clock
        self._cursors = context.cursors
        self._access: str | None = None
        self._good_until = 0.0
        self._seed: str | None = None
        self._unkept: _Kept | None = None
        self._refreshing: asyncio.Task[str] | None = None

    async def access(self) -> str:
        """An access token that should be good. Raises as `Wire.refresh`; Refused also if there is no secret."""
        if self._unkept is not None:
            await self._keep(self._unkept)
        if self._access is not None and self._clock.monotonic() < self._good_until:
            return self._access
        self._refreshing = asyncio.create_task(self._refresh())
        return await asyncio.shield(self._refreshing)

    def forget(self) -> None:
        """The access token was not accepted: get another one next time."""
        self._access = None

    def secret_changed(self) -> bool:
        """Has somebody put another refresh token into the secret since the last refresh?"""
        return self._secret.known() and _digest(self._secret.reveal()) != self._seed

    async def finish(self) -> None:
        """Wait for a refresh that is under way."""
        if self._refreshing is not None:
            await asyncio.gather(self._refreshing, return_exceptions=True)

    async def _refresh(self) -> str:
        if not self._secret.known():
            self._seed = None
            text = f"no value for the refresh token; set {self._secret.where()}"
            raise sdk.Refused(text, code="secret-missing")
        given = self._secret.reveal()
        self._seed = _digest(given)
        tokens = await self._wire.refresh(await self._newest(self._seed, given))
        self._access = tokens.access
        self._good_until = self._clock.monotonic() + tokens.lives_seconds - _EARLY_SECONDS
        if tokens.refresh is not None:
            await self._keep(_Kept(self._seed, tokens.refresh))
        return tokens.access

    async def _newest(self, seed: str, given: str) -> str:
        """The newest refresh token of the chain that began with the secret."""
        if self._unkept is not None and self._unkept.seed == seed:
            return self._unkept.token
        stored = await self._cursors.get(self._cursor)
        try:
            kept = msgspec.json.decode(stored, type=_Kept) if stored else None
        except msgspec.DecodeError:
            kept = None
        return kept.token if kept and kept.seed == seed else given

    async def _keep(self, kept: _Kept) -> None:
        """Raises Unavailable if the journal is away; the token is remembered meanwhile."""
        self._unkept = kept
        await self._cursors.put(self._cursor, msgspec.json.encode(kept).decode())
        self._unkept = None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
