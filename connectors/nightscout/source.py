"""The `nightscout` source: entries and treatments of each site; over v1 window by window, over v3 as they change."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, Literal, Self

import aiohttp
from pydantic import AfterValidator, Field, model_validator

from clinical.records import PatientRef
from clinical.vendors.json_fields import items_of, not_this, read_document
from clinical.vendors.making import Whose
from clinical.vendors.nightscout import read_nightscout
from connectors.cloud.accounts import Account, Feed, Look
from connectors.cloud.calls import Caller
from connectors.cloud.polling import PollingSource
from connectors.cloud.settings import CloudSettings, Patient, named_once, safe_address
from connectors.cloud.tokens import Key
from connectors.cloud.windows import Window
from connectors.nightscout import history
from engine import sdk

_PAGE: Final = 20_000
_NOBODY: Final = Whose(PatientRef(system="", value=""))


class SiteSettings(sdk.Settings):
    """One person's Nightscout site."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="A label of yours; logs and cursors show it")
    patient: Patient
    base_url: Annotated[str, AfterValidator(safe_address)] = Field(repr=False)
    api: Literal["v1", "v3"] = Field("v1", description="v3 tells also what was deleted; sites have it since 14.0")
    api_secret: sdk.Secret | None = Field(
        None, description="v1: API_SECRET of the site; it travels as its SHA-1, as Nightscout asks"
    )
    access_token: sdk.Secret | None = Field(None, description="v3: of a subject that may read, such as islet-1a2b…")

    @model_validator(mode="after")
    def _key_of_the_api(self) -> Self:
        wanted, other = ("api_secret", "access_token") if self.api == "v1" else ("access_token", "api_secret")
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            raise ValueError(f"needs {wanted}, and no {other}, with api: {self.api}")
        return self


class NightscoutSettings(CloudSettings):
    """Settings of the `nightscout` source."""

    accounts: tuple[SiteSettings, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        named_once([account.name for account in self.accounts])
        return self

    @property
    def address(self) -> str:
        """Each site has its own."""
        return ""


class NightscoutSource(PollingSource):
    """Asks each site for entries and for treatments, each with a cursor of its own. What is told again is recognised
    by its `_id`: an entry that changed takes the place of what it was."""

    kind = "nightscout"
    service = "Nightscout"

    def __init__(self, settings: NightscoutSettings, context: sdk.PluginContext) -> None:
        super().__init__(settings, context)
        self._settings = settings

    def _make_accounts(self, session: aiohttp.ClientSession) -> list[Account]:
        caller = Caller(self._settings, self._clock, session, self.service, "check base_url and api_secret")
        return [account for one in self._settings.accounts for account in self._of_site(one, caller)]

    def _of_site(self, one: SiteSettings, caller: Caller) -> list[Account]:
        if one.api == "v3":
            return history.accounts(one, caller, self._settings.reach(), self._context)
        return [
            self._account(one, collection, ask, caller)
            for collection, ask in (("entries", _entries), ("treatments", _treatments))
        ]

    def _account(self, one: SiteSettings, collection: str, find: "Find", caller: Caller) -> Account:
        assert one.api_secret is not None
        keeper = Key(one.api_secret, "API secret", self._context)
        ask: Callable[[str, Window], Awaitable[bytes]] = partial(_ask, caller, one.base_url, collection, find)
        feed = Feed(self.service, f"{collection}:{one.name}", ask, _look)
        return Account(one.name, one.patient, keeper, feed, self._settings.reach(), self._context)


Find = Callable[[Window], Mapping[str, str]]


def _entries(window: Window) -> Mapping[str, str]:
    start, end = (str(int(moment.timestamp() * 1000)) for moment in (window.start, window.end))
    return {"find[date][$gte]": start, "find[date][$lt]": end}


def _treatments(window: Window) -> Mapping[str, str]:
    start, end = (f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z" for moment in (window.start, window.end))
    return {"find[created_at][$gte]": start, "find[created_at][$lt]": end}


async def _ask(caller: Caller, base: str, collection: str, find: Find, secret: str, window: Window) -> bytes:
    headers = {"api-secret": hashlib.sha1(secret.encode()).hexdigest()}  # noqa: S324 - as Nightscout asks
    params = {**find(window), "count": str(_PAGE)}
    answer = await caller.call("GET", f"/api/v1/{collection}.json", base=base, params=params, headers=headers)
    caller.judge(answer)
    return answer.body


def _look(body: bytes) -> Look:
    """Raises Unreadable for what is no list of documents, and for a page that is full: it may not be all."""
    found = items_of(read_document(body))
    if found is None:
        raise not_this("an answer of Nightscout with documents", "not-nightscout")
    if len(found[1]) >= _PAGE:
        raise not_this(f"all of the window: {_PAGE} documents came; set a shorter `window`", "page-full")
    parsed = read_nightscout(body, _NOBODY)
    newest: Any = max((record.effective.millis for record in parsed.records), default=None)
    return Look(None if newest is None else datetime.fromtimestamp(newest / 1000, UTC), bool(found[1]))


plugin = sdk.source("nightscout", NightscoutSource, settings=NightscoutSettings, emits=sdk.Shape.JSON)
