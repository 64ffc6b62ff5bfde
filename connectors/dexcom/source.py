"""The `dexcom` source: EGVs of each account, window by window. How it goes about it: `connectors.cloud.polling`."""

from datetime import timedelta
from functools import partial

import aiohttp

from clinical.vendors.dexcom import newest_system_time, open_egvs
from connectors.cloud.accounts import Account, Feed, Look
from connectors.cloud.oauth import Flow
from connectors.cloud.polling import PollingSource
from connectors.cloud.tokens import RotatingTokens
from connectors.cloud.vault import Vault
from connectors.cloud.windows import Reach
from connectors.dexcom.settings import AccountSettings, DexcomSettings
from connectors.dexcom.wire import Wire, flow
from engine import sdk


class DexcomSource(PollingSource):
    """Asks Dexcom's developer API for the EGVs of each account, and keeps in cursors how far it has read."""

    kind = "dexcom"
    service = "Dexcom"

    def __init__(self, settings: DexcomSettings, context: sdk.PluginContext) -> None:
        super().__init__(settings, context)
        self._settings = settings

    def flow(self) -> Flow:
        return flow(self._settings)

    def _make_accounts(self, session: aiohttp.ClientSession) -> list[Account]:
        settings = self._settings
        wire = Wire(settings, self._clock, session)
        reach = Reach(
            window=timedelta(seconds=settings.window),
            start=timedelta(seconds=settings.start),
            overlap=timedelta(seconds=settings.overlap),
        )
        return [self._account(one, wire, reach) for one in settings.accounts]

    def _account(self, one: AccountSettings, wire: Wire, reach: Reach) -> Account:
        vault = Vault(self._settings.client_secret)
        refresh = partial(self.flow().refresh, wire)
        keeper = RotatingTokens(one.name, one.refresh_token, vault, refresh, self._context)
        feed = Feed("Dexcom", f"egvs:{one.name}", wire.egvs, _look)
        return Account(one.name, one.patient, keeper, feed, reach, self._context)


def _look(body: bytes) -> Look:
    egvs = open_egvs(body)
    return Look(newest_system_time(egvs), bool(egvs.records))


plugin = sdk.source("dexcom", DexcomSource, settings=DexcomSettings, emits=sdk.Shape.JSON)
