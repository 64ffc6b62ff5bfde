"""The base of sources that ask a cloud: takes accounts in turn, and yields one arrival for each answer with news."""

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, Final, Protocol, TypeVar

import aiohttp

from connectors.cloud.accounts import Account, Fetched, Person, back_off
from connectors.cloud.connecting import Connecting
from engine import sdk

T = TypeVar("T")

_OF_THE_PERSON: Final = frozenset({"consent-ended", "not-connected", "secret-missing", "login-refused", "withdrawn"})


class _Closing(Exception):
    """The source is being closed; what was under way is left."""


class NamedAccount(Protocol):
    """One account, as settings write it."""

    @property
    def name(self) -> str: ...
    @property
    def patient(self) -> Person: ...


class PollingSettings(Protocol):
    """What the base needs to know of a source's settings."""

    @property
    def every(self) -> float: ...
    @property
    def accounts(self) -> Sequence[NamedAccount]: ...


class PollingSource(Connecting, ABC):
    """Asks each account `every` so often; its cursors say how far it has read.

    - A cursor moves only after the journal has the answer: a crash between means that it is fetched again.
    - 401: the access token is renewed once; then, as for any other refusal, this account is held, the others go on.
      A held account comes back at a restart, when its secret changes, or when the person consents anew. When all are
      held, or the client is not known, the channel asks for an operator.
    - 429: all accounts wait as long as the cloud says. 5xx, time-outs and network errors: that account backs off.
    - An answer equal to the last one stored is no news; one that comes again after a restart is a duplicate.
    """

    kind: ClassVar[str]
    """The source's `type`; source keys begin with it."""
    service: ClassVar[str]
    """The cloud's name, for people."""

    def __init__(self, settings: PollingSettings, context: sdk.PluginContext) -> None:
        super().__init__(settings, context)
        self._polling = settings
        self._context = context
        self._clock: Final = context.clock
        self._log: Final = context.log
        self._closing = asyncio.Event()
        self._open_until = 0.0
        self._accounts: list[Account] = []

    @abstractmethod
    def _make_accounts(self, session: aiohttp.ClientSession) -> list[Account]:
        """The accounts of the settings, on a session of their own."""

    async def deliveries(self) -> AsyncIterator[sdk.Arrival]:
        """See `sdk.Source`. Raises NeedsOperator if no account can go on."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=None, sock_read=None)
        jar = aiohttp.DummyCookieJar()  # accounts share nothing
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=jar) as session:
            self._accounts = self._make_accounts(session)
            try:
                while True:
                    account = await self._next_turn()
                    fetched = await self._unless_closing(self._visit(account))
                    if fetched is not None:
                        stored = asyncio.Event()
                        yield self._arrival(account, fetched, stored)
                        await self._unless_closing(stored.wait())
            except _Closing:
                return
            finally:
                for account in self._accounts:
                    await account.keeper.finish()

    def rehearse(self, body: bytes, meta: Mapping[str, str]) -> sdk.Arrival:
        """What this answer of the cloud would be, for channel tests; meta `account` says whose, else the first's.

        Raises Refused if there is no such account."""

        async def settle(_verdict: sdk.Verdict) -> None:
            """There is no cursor to be moved."""

        named = meta.get("account", self._polling.accounts[0].name)
        account = next((one for one in self._polling.accounts if one.name == named), None)
        if account is None:
            raise sdk.Refused("the channel has no account of this name", code="unknown-account")
        patient = account.patient
        return sdk.Arrival(
            body=body,
            shape=sdk.Shape.JSON,
            settle=settle,
            meta={
                "patient_system": patient.system,
                "patient_value": patient.value,
                "fetched_at": self._clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z"),
            },
            source_key=f"{self.kind}:{account.name}:{hashlib.sha256(body).hexdigest()[:32]}",
        )

    async def close(self) -> None:
        """See `sdk.Source`."""
        self._closing.set()

    async def _next_turn(self) -> Account:
        """The account that has waited longest, when its time has come."""
        while True:
            if self._closing.is_set():
                raise _Closing
            held = [account.held for account in self._accounts if account.held]
            if len(held) == len(self._accounts):
                text = f"{self.service} refuses every account of this channel; the last one: {held[-1].text}"
                raise sdk.NeedsOperator(text, code=held[-1].code)
            account = min(self._accounts, key=lambda account: account.due)  # of equals the one served longest ago
            wait = max(account.due, self._open_until) - self._clock.monotonic()
            if wait <= 0:
                self._accounts.remove(account)
                self._accounts.append(account)
                return account
            await self._unless_closing(self._clock.sleep(wait))

    async def _visit(self, account: Account) -> Fetched | None:
        """Ask once; note in the account what came of it and when its next turn is."""
        try:
            if account.held and not await self._released(account):
                return None
            fetched = await account.fetch()
        except sdk.Throttled as error:
            self._open_until = max(self._open_until, self._clock.monotonic() + error.after_seconds)
            self._log.warning("throttled", account=account.name, code=error.code, after_seconds=error.after_seconds)
        except sdk.Unavailable as error:
            self._back_off(account, error)
        except sdk.Refused as error:
            self._hold(account, error)
        else:
            account.failures = 0
            account.due = self._clock.monotonic() + (self._polling.every if account.caught_up else 0)
            return fetched
        return None

    async def _released(self, account: Account) -> bool:
        """May it be asked again? What is asked for with the same secret comes back too."""
        if await account.released():
            for other in self._accounts:
                if other.keeper is account.keeper:
                    other.held = None
            self._log.info("account_released", account=account.name)
            return True
        account.due = self._clock.monotonic() + self._polling.every
        return False

    def _back_off(self, account: Account, error: sdk.EngineError) -> None:
        account.failures += 1
        wait = back_off(account.failures, self._context.random())
        account.due = self._clock.monotonic() + wait
        self._log.warning(
            "fetch_failed", account=account.name, code=error.code, attempts=account.failures, after_seconds=wait
        )

    def _hold(self, account: Account, error: sdk.EngineError) -> None:
        """With it whatever else is asked for with its tokens, where it is these that are not good any more."""
        same = [one for one in self._accounts if one.keeper is account.keeper and one is not account and not one.held]
        for one in [account, *(same if error.code in _OF_THE_PERSON else ())]:
            self._hold_one(one, error)

    def _hold_one(self, account: Account, error: sdk.EngineError) -> None:
        account.held = error
        account.due = self._clock.monotonic() + self._polling.every
        self._log.error("account_held", account=account.name, code=error.code)

    def _arrival(self, account: Account, fetched: Fetched, stored: asyncio.Event) -> sdk.Arrival:
        async def settle(verdict: sdk.Verdict) -> None:
            try:
                await self._settled(account, fetched, verdict)
            finally:
                stored.set()

        return sdk.Arrival(
            body=fetched.body,
            shape=sdk.Shape.JSON,
            settle=settle,
            meta=account.arrival_details(fetched),
            source_key=f"{self.kind}:{account.name}:{fetched.digest}",
            order_key=account.order_key(),
        )

    async def _settled(self, account: Account, fetched: Fetched, verdict: sdk.Verdict) -> None:
        if isinstance(verdict, sdk.Deferred):
            account.due = self._clock.monotonic() + verdict.after_seconds
        elif isinstance(verdict, sdk.Rejected):
            self._hold(account, sdk.Refused(verdict.text, code=verdict.code))
        else:
            try:
                await account.accepted(fetched)
            except sdk.Unavailable as error:
                self._back_off(account, error)  # fetched again, and recognised then

    async def _unless_closing(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, unless the source is closed first."""
        task, closing = asyncio.ensure_future(work), asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({task, closing}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise _Closing
        finally:
            task.cancel()
            closing.cancel()
            await asyncio.gather(task, closing, return_exceptions=True)
