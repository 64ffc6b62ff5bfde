"""The `fitbit` source: heart rate, steps and weight, from the Google Health API or from Fitbit's own Web API.

Fitbit's Web API ends in September 2026: `api` says which of the two is asked. Both use OAuth 2.0 with refresh tokens.
"""

import base64
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

import aiohttp
import msgspec
from pydantic import AfterValidator, Field, model_validator

from clinical.records import PatientRef
from clinical.vendors.fitbit import read_fitbit
from clinical.vendors.making import Whose
from connectors.cloud.accounts import Account, Feed, Look
from connectors.cloud.calls import Caller
from connectors.cloud.oauth import Flow
from connectors.cloud.polling import PollingSource
from connectors.cloud.settings import CloudSettings, Patient, named_once, safe_address
from connectors.cloud.tokens import RotatingTokens, Tokens
from connectors.cloud.vault import Vault
from connectors.cloud.windows import Window
from engine import sdk

_ADDRESSES: Final = {"fitbit": "https://api.fitbit.com", "google": "https://health.googleapis.com"}
_TOKENS: Final = {"fitbit": "https://api.fitbit.com/oauth2/token", "google": "https://oauth2.googleapis.com/token"}
_PATHS: Final = {
    "heart-rate": "/1/user/-/activities/heart/date/{day}/1d/1min.json",
    "steps": "/1/user/-/activities/steps/date/{day}/1d/1min.json",
    "weight": "/1/user/-/body/log/weight/date/{day}.json",
}
_FILTERS: Final = {
    "heart-rate": "heart_rate.sample_time.physical_time",
    "steps": "steps.interval.start_time",
    "weight": "weight.sample_time.physical_time",
    "blood-glucose": "blood_glucose.sample_time.physical_time",
}
_PAGES: Final = {
    "fitbit": "https://www.fitbit.com/oauth2/authorize",
    "google": "https://accounts.google.com/o/oauth2/v2/auth",
}
_METRICS: Final = "https://www.googleapis.com/auth/googlehealth.health_metrics_and_measurements.readonly"
_SCOPES: Final = {
    "fitbit": {"heart-rate": "heartrate", "steps": "activity", "weight": "weight"},
    "google": {
        "heart-rate": _METRICS,
        "steps": "https://www.googleapis.com/auth/googlehealth.activity_and_fitness.readonly",
        "weight": _METRICS,
        "blood-glucose": _METRICS,
    },
}
_ADVICE: Final = "check client, consent and scopes"
_MOST_PAGES: Final = 200
_NOBODY: Final = PatientRef(system="", value="")


class WearerSettings(sdk.Settings):
    """One person's account, for which they have given consent."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="A label of yours; logs and cursors show it")
    patient: Patient
    refresh_token: sdk.Secret | None = Field(
        None, description="Of a consent got elsewhere; without it: `islet accounts connect`"
    )


class FitbitSettings(CloudSettings):
    """Settings of the `fitbit` source. `timezone` is the zone of the people's profiles: Fitbit's days are theirs."""

    api: Literal["google", "fitbit"] = Field("google", description="`fitbit` is the API that ends in September 2026")
    base_url: Annotated[str, AfterValidator(safe_address)] | None = Field(None, description="A simulator's")
    client_id: sdk.Secret
    client_secret: sdk.Secret
    timezone: sdk.Zone
    data: tuple[Literal["heart-rate", "steps", "weight", "blood-glucose"], ...] = ("heart-rate", "steps", "weight")
    accounts: tuple[WearerSettings, ...] = Field(min_length=1)
    every: sdk.Duration = Field(900.0, description="How often each account is asked")
    rate_limit: sdk.Rate = Field(150 / 3600, description="Calls of this channel at most; Fitbit allows 150 per hour")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        named_once([account.name for account in self.accounts])
        if self.api == "fitbit" and "blood-glucose" in self.data:
            raise ValueError("blood-glucose is only in the Google Health API: set api: google, or take it out of data")
        if self.api == "fitbit" and self.window > 86_400:
            raise ValueError("window must be 1d at most: Fitbit tells one day in an answer")
        return self

    @property
    def address(self) -> str:
        return self.base_url or _ADDRESSES[self.api]


class FitbitSource(PollingSource):
    """Asks for each kind of data of each account, each with a cursor of its own and one chain of refresh tokens."""

    kind = "fitbit"
    service = "Fitbit"

    def __init__(self, settings: FitbitSettings, context: sdk.PluginContext) -> None:
        super().__init__(settings, context)
        self._settings = settings

    def flow(self) -> Flow:
        return _flow(self._settings)

    def _make_accounts(self, session: aiohttp.ClientSession) -> list[Account]:
        settings = self._settings
        caller = Caller(settings, self._clock, session, self.service, _ADVICE)
        made = []
        for one in settings.accounts:
            vault, refresh = Vault(settings.client_secret), partial(self.flow().refresh, caller)
            keeper = RotatingTokens(one.name, one.refresh_token, vault, refresh, self._context)
            for kind in settings.data:
                ask: Callable[[str, Window], Awaitable[bytes]] = partial(_ASKS[settings.api], caller, settings, kind)
                look = partial(_look, ZoneInfo(settings.timezone))
                feed = Feed(self.service, f"{kind}:{one.name}", ask, look)
                made.append(Account(one.name, one.patient, keeper, feed, settings.reach(), self._context))
        return made


def _flow(settings: FitbitSettings) -> Flow:
    """Both vendors check a verifier. Google gives a refresh token only where offline access is asked for anew."""
    google = settings.api == "google"
    path, there = ("/token", "/revoke") if google else ("/oauth2/token", "/oauth2/revoke")
    at = settings.base_url or _TOKENS[settings.api].removesuffix(path)

    async def grant(caller: Caller, form: Mapping[str, str]) -> Tokens:
        client, secret = settings.client_id.reveal(), settings.client_secret.reveal()
        if google:
            return await caller.grant(path, {**form, "client_id": client, "client_secret": secret}, base=at)
        basic = {"Authorization": _basic(client, secret)}
        return await caller.grant(path, {**form, "client_id": client}, basic, base=at)

    async def revoke(caller: Caller, token: str) -> None:
        """A token that is not good any more (400) needs no more."""
        client, secret = settings.client_id.reveal(), settings.client_secret.reveal()
        headers = {} if google else {"Authorization": _basic(client, secret)}
        answer = await caller.call("POST", there, base=at, data={"token": token}, headers=headers)
        if answer.status != 400:
            caller.judge(answer)

    scopes = dict.fromkeys(_SCOPES[settings.api][kind] for kind in settings.data)
    return Flow(
        service=FitbitSource.service,
        advice=_ADVICE,
        limits=settings,
        authorise_url=f"{settings.base_url}/authorize" if settings.base_url else _PAGES[settings.api],
        scope=" ".join(scopes),
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        grant=grant,
        extras={"access_type": "offline", "prompt": "consent"} if google else {},
        pkce=True,
        revoke=revoke,
    )


def _basic(client: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


async def _fitbit(caller: Caller, settings: FitbitSettings, kind: str, token: str, window: Window) -> bytes:
    """The days of the profile that the window touches, as a list of answers: one answer tells one day."""
    zone = ZoneInfo(settings.timezone)
    first = window.start.astimezone(zone).date()
    last = (window.end - timedelta(seconds=1)).astimezone(zone).date()
    answers = []
    for number in range((last - first).days + 1):
        day = (first + timedelta(days=number)).isoformat()
        answers.append(await caller.get(_PATHS[kind].format(day=day), {"Authorization": f"Bearer {token}"}))
    return b"[" + b",".join(answers) + b"]"


class _Page(msgspec.Struct):
    dataPoints: list[msgspec.Raw] = []  # noqa: N815 - Google's name
    nextPageToken: str = ""  # noqa: N815


async def _google(caller: Caller, _settings: FitbitSettings, kind: str, token: str, window: Window) -> bytes:
    """All pages of the window as one answer."""
    start, end = (f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for moment in (window.start, window.end))
    params = {"pageSize": "10000", "filter": f'{_FILTERS[kind]} >= "{start}" AND {_FILTERS[kind]} < "{end}"'}
    points: list[msgspec.Raw] = []
    for _ in range(_MOST_PAGES):
        path = f"/v4/users/me/dataTypes/{kind}/dataPoints"
        body = await caller.get(path, {"Authorization": f"Bearer {token}"}, params)
        try:
            page = msgspec.json.decode(body, type=_Page)
        except (ValueError, RecursionError):
            return body  # to be held where people see it
        points.extend(page.dataPoints)
        if not page.nextPageToken:
            return msgspec.json.encode({"dataPoints": points})
        params = {**params, "pageToken": page.nextPageToken}
    raise sdk.Unavailable("there are too many pages in one window; set a shorter `window`", code="too-many-pages")


_ASKS: Final = {"fitbit": _fitbit, "google": _google}


def _look(zone: ZoneInfo, body: bytes) -> Look:
    parsed = read_fitbit(body, Whose(_NOBODY, zone=zone))
    newest = max((record.effective.millis for record in parsed.records), default=None)
    moment = None if newest is None else datetime.fromtimestamp(newest / 1000, UTC)
    return Look(moment, bool(parsed.records) or bool(parsed.problems))


plugin = sdk.source("fitbit", FitbitSource, settings=FitbitSettings, emits=sdk.Shape.JSON)
