"""How people's accounts are connected to a source that asks a cloud, and taken off: `engine.contracts.consent`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import aiohttp

from connectors.cloud.calls import Caller
from connectors.cloud.consents import Withdrawals
from connectors.cloud.oauth import Flow, Revoke
from connectors.cloud.tokens import keep_consent, kept_token
from connectors.cloud.vault import Vault
from engine import sdk


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class _WithAccounts(Protocol):
    @property
    def accounts(self) -> Sequence[_Named]: ...


class Connecting:
    """What of a polling source people ask for, from another process than the one that runs it."""

    def __init__(self, settings: _WithAccounts, context: sdk.PluginContext) -> None:
        self._names = [account.name for account in settings.accounts]
        self._engine = context
        self._withdrawals = Withdrawals(context.cursors)

    def flow(self) -> Flow | None:
        """How people are asked; None where a login or a key opens the account."""
        return None

    def account_names(self) -> Sequence[str]:
        return self._names

    async def is_withdrawn(self, account: str) -> bool:
        return await self._withdrawals.has(account)

    def consent(self, account: str, redirect_uri: str) -> sdk.Consent | None:
        """See `ConnectsAccounts`."""
        self._check(account)
        flow = self.flow()
        return flow.begin(redirect_uri) if flow else None

    async def connect(self, account: str, consent: sdk.Consent | None, code: str | None) -> None:
        """See `ConnectsAccounts`."""
        self._check(account)
        flow = self.flow()
        if flow is not None:
            if consent is None or not code:
                raise sdk.Refused("a code is needed: the person has not agreed yet", code="code-missing")
            async with self._calls(flow) as caller:
                refresh_token = await flow.trade(caller, consent, code)
            vault = Vault(flow.client_secret)
            await keep_consent(self._engine.cursors, account, vault, refresh_token)
        await self._withdrawals.clear(account)

    async def withdraw(self, account: str) -> None:
        """See `ConnectsAccounts`. The vendor is told where it can be; raises Unavailable if that did not work, when all
        else is done."""
        self._check(account)
        await self._withdrawals.note(account, self._engine.clock.now().isoformat())
        flow = self.flow()
        if flow is None:
            return
        vault = Vault(flow.client_secret)
        tells = flow.revoke if flow.client_secret.known() and flow.client_id.known() else None
        token = await kept_token(self._engine.cursors, account, vault) if tells else None
        await keep_consent(self._engine.cursors, account, vault, None)
        if tells and token is not None:
            await self._revoke(flow, tells, token)

    async def _revoke(self, flow: Flow, revoke: Revoke, token: str) -> None:
        try:
            async with self._calls(flow) as caller:
                await revoke(caller, token)
        except sdk.EngineError as error:
            text = (
                f"the account is taken off here, but {flow.service} could not be told ({error.code}): "
                "let the person remove the app in their account there"
            )
            raise sdk.Unavailable(text, code="revoke-failed") from None

    @asynccontextmanager
    async def _calls(self, flow: Flow) -> AsyncIterator[Caller]:
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield Caller(flow.limits, self._engine.clock, session, flow.service, flow.advice)

    def _check(self, account: str) -> None:
        if account not in self._names:
            text = f"the channel has no account {account!r}; there are: {', '.join(self._names)}"
            raise sdk.Refused(text, code="unknown-account")
