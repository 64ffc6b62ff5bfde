"""The `dexcom` source: EGVs and events of each account, window by window. How: `connectors.cloud.polling`."""

from datetime import UTC, datetime
from functools import partial

import aiohttp

from clinical.records import PatientRef
from clinical.vendors.dexcom import newest_system_time, open_egvs
from clinical.vendors.dexcom_events import read_dexcom_events
from clinical.vendors.making import Whose
from connectors.cloud.accounts import Account, Feed, Look
from connectors.cloud.oauth import Flow
from connectors.cloud.polling import PollingSource
from connectors.cloud.tokens import RotatingTokens
from connectors.cloud.vault import Vault
from connectors.dexcom.settings import AccountSettings, DexcomSettings
from connectors.dexcom.wire import Wire, flow
from engine import sdk

_NOBODY = Whose(PatientRef(system="", value=""))


class DexcomSource(PollingSource):
    """Asks Dexcom's developer API for what `data` names, account by account; each has a cursor of its own."""

    kind = "dexcom"
    service = "Dexcom"

    def __init__(self, settings: DexcomSettings, context: sdk.PluginContext) -> None:
        super().__init__(settings, context)
        self._settings = settings

    def flow(self) -> Flow:
        return flow(self._settings)

    def _make_accounts(self, session: aiohttp.ClientSession) -> list[Account]:
        wire = Wire(self._settings, self._clock, session)
        return [account for one in self._settings.accounts for account in self._of_person(one, wire)]

    def _of_person(self, one: AccountSettings, wire: Wire) -> list[Account]:
        """One for each kind of data, all with one chain of tokens."""
        settings = self._settings
        refresh = partial(self.flow().refresh, wire)
        keeper = RotatingTokens(one.name, one.refresh_token, Vault(settings.client_secret), refresh, self._context)
        made = []
        for kind in settings.data:
            look = _look_at_egvs if kind == "egvs" else _look_at_events
            feed = Feed("Dexcom", f"{kind}:{one.name}", partial(wire.records, kind), look)
            made.append(Account(one.name, one.patient, keeper, feed, settings.reach(kind), self._context))
        return made


def _look_at_egvs(body: bytes) -> Look:
    egvs = open_egvs(body)
    return Look(newest_system_time(egvs), bool(egvs.records))


def _look_at_events(body: bytes) -> Look:
    parsed = read_dexcom_events(body, _NOBODY)
    newest = max((record.effective.millis for record in parsed.records), default=None)
    moment = None if newest is None else datetime.fromtimestamp(newest / 1000, UTC)
    return Look(moment, bool(parsed.records or parsed.problems))


plugin = sdk.source("dexcom", DexcomSource, settings=DexcomSettings, emits=sdk.Shape.JSON)
