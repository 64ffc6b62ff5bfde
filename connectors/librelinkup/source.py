"""The `librelinkup` source: what a follower in LibreLinkUp is shown, the last twelve hours at each turn.

There is no documented API: the requests are those of the app, as public followers make them. Logging in may be answered
with another region, with a step that a person must take in the app, or with a version that is too old.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

import aiohttp
import msgspec
from pydantic import AfterValidator, Field, model_validator

from clinical.vendors.json_fields import read_document, write_document
from clinical.vendors.parsing import Unreadable
from connectors.cloud.accounts import Account, Feed, Look
from connectors.cloud.calls import Answer, Caller
from connectors.cloud.polling import PollingSource
from connectors.cloud.settings import CloudSettings, Patient, named_once, safe_address
from connectors.cloud.tokens import Session, Tokens, known
from connectors.cloud.windows import Reach, Window
from engine import sdk

_REGIONS: Final = frozenset(["ae", "ap", "au", "ca", "de", "eu", "eu2", "fr", "jp", "la", "us"])
_SPECIAL: Final = {"ru": "https://api.libreview.ru", "cn": "https://api-cn.myfreestyle.cn"}
_TIME: Final = "%m/%d/%Y %I:%M:%S %p"
_TOO_OLD: Final = 920
_LOGIN: Final = "/llu/auth/login"
_ALWAYS_ALL: Final = Reach(window=timedelta(days=3650), start=timedelta(hours=12), overlap=timedelta(hours=12))


class FollowerSettings(sdk.Settings):
    """One follower's login, and whom it follows."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="A label of yours; logs and cursors show it")
    patient: Patient
    email: sdk.Secret
    password: sdk.Secret
    connection: str | None = Field(
        None, pattern=r"^[A-Za-z0-9-]{1,64}$", repr=False, description="patientId, if several people are followed"
    )


class LibreLinkUpSettings(CloudSettings):
    """Settings of the `librelinkup` source. `window`, `start`, `overlap` and `history` have no effect: each answer is
    the last twelve hours, and late readings come with it."""

    region: Literal["ae", "ap", "au", "ca", "cn", "de", "eu", "eu2", "fr", "jp", "la", "ru", "us"] = "eu"
    base_url: Annotated[str, AfterValidator(safe_address)] | None = Field(None, description="Instead of region")
    version: str = Field("4.16.0", pattern=r"^\d{1,3}(\.\d{1,3}){1,3}$", description="Of the app; too old is refused")
    accounts: tuple[FollowerSettings, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        named_once([account.name for account in self.accounts])
        return self

    @property
    def address(self) -> str:
        return self.base_url or address_of(self.region) or ""


def address_of(region: str) -> str | None:
    """Where a region's accounts live; None for one that is not known, since a login must not go just anywhere."""
    return _SPECIAL.get(region) or (f"https://api-{region}.libreview.io" if region in _REGIONS else None)


class _Follower:
    """One login: where it lives, and what it must say of itself."""

    def __init__(self, one: FollowerSettings, settings: LibreLinkUpSettings, caller: Caller) -> None:
        self._one, self._settings, self._caller = one, settings, caller
        self._base = settings.address
        self._account_id = ""

    async def login(self) -> Tokens:
        """Follows one redirect to another region. Raises Refused, NeedsOperator and as `Caller`."""
        data = await self._try_login()
        if isinstance(data.get("region"), str) and data.get("redirect") is True:
            self._move(data["region"])
            data = await self._try_login()
        ticket, user = data.get("authTicket"), data.get("user")
        token = ticket.get("token") if isinstance(ticket, dict) else None
        user_id = user.get("id") if isinstance(user, dict) else None
        if not isinstance(token, str) or not isinstance(user_id, str) or not token.isascii() or not token.isprintable():
            raise sdk.Unavailable("the login was answered with rubbish", code="token-malformed")
        self._account_id = hashlib.sha256(user_id.encode()).hexdigest()
        expires = ticket.get("expires") if isinstance(ticket, dict) else None
        now = self._caller.now()
        lives = float(expires) - now.timestamp() if isinstance(expires, int) else 3600.0
        return Tokens(token, None, max(lives, 120.0))

    def _move(self, region: str) -> None:
        """Only to Abbott's own addresses; a simulator's stay on this machine, by the region as a path."""
        if self._settings.base_url is not None:
            if not region.isalnum():
                raise sdk.Refused("LibreLinkUp sends to a region of no known name", code="region-unknown")
            self._base = f"{self._settings.base_url}/{region}"
            return
        address = address_of(region)
        if address is None:
            raise sdk.Refused("LibreLinkUp sends to a region that is not known; set base_url", code="region-unknown")
        self._base = address

    async def _try_login(self) -> Mapping[str, Any]:
        body = {"email": known(self._one.email, "e-mail"), "password": known(self._one.password, "password")}
        answer = await self._caller.call(
            "POST", _LOGIN, base=self._base, data=msgspec.json.encode(body), headers=self._headers()
        )
        return self._data(answer)

    async def graph(self, token: str, _window: Window) -> bytes:
        """The graph of the connection, without the new ticket that comes with it."""
        connection = self._one.connection or await self._only_connection(token)
        answer = await self._get(f"/llu/connections/{connection}/graph", token)
        self._data(answer)
        document = read_document(answer.body)
        document.pop("ticket", None)  # a token that carries names
        return write_document(document)

    async def _only_connection(self, token: str) -> str:
        answer = await self._get("/llu/connections", token)
        document = msgspec.json.decode(answer.body) if answer.body else {}
        data = document.get("data") if isinstance(document, dict) else None
        people = [one.get("patientId") for one in data if isinstance(one, dict)] if isinstance(data, list) else []
        if len(people) != 1 or not isinstance(people[0], str) or not people[0].replace("-", "").isalnum():
            text = f"this login follows {len(people)} people; set `connection` to the patientId of one"
            raise sdk.Refused(text, code="connection-missing")
        return people[0]

    async def _get(self, path: str, token: str) -> Answer:
        headers = {**self._headers(), "Authorization": f"Bearer {token}", "account-id": self._account_id}
        answer = await self._caller.call("GET", path, base=self._base, headers=headers)
        self._caller.judge(answer)
        return answer

    def _headers(self) -> dict[str, str]:
        return {"product": "llu.android", "version": self._settings.version, "Content-Type": "application/json"}

    def _data(self, answer: Answer) -> Mapping[str, Any]:
        """What an answer says in `status`, whatever its HTTP status."""
        try:
            document = msgspec.json.decode(answer.body)
        except (ValueError, RecursionError):
            document = None
        self._caller.judge(answer)
        if not isinstance(document, dict):
            raise sdk.Unavailable("LibreLinkUp answered rubbish", code="answer-malformed")
        status, data = document.get("status"), document.get("data")
        if status == 0 and isinstance(data, dict):
            return data
        raise _refusal(status, data)


def _refusal(status: object, data: object) -> sdk.EngineError:
    step = data.get("step") if isinstance(data, dict) else None
    kind = step.get("type") if isinstance(step, dict) else None
    if status == 2:
        text = "LibreLinkUp does not accept this login; correct e-mail and password in the secrets"
        return sdk.Refused(text, code="login-refused")
    if status == _TOO_OLD:
        text = "LibreLinkUp refuses this version of the app; set `version` to the newest app's"
        return sdk.NeedsOperator(text, code="version-too-old")
    if kind in ("tou", "pp", "verifyEmail"):
        text = "LibreLinkUp asks the follower to accept new terms or confirm an address: open the app with this login"
        return sdk.Refused(text, code="step-needed")
    return sdk.Refused("LibreLinkUp refuses the request; look at the app with this login", code="llu-refused")


class LibreLinkUpSource(PollingSource):
    """Asks for the graph of each follower's connection. A login lasts half a year; a 401 logs in anew, once."""

    kind = "librelinkup"
    service = "LibreLinkUp"

    def __init__(self, settings: LibreLinkUpSettings, context: sdk.PluginContext) -> None:
        super().__init__(settings, context)
        self._settings = settings

    def _make_accounts(self, session: aiohttp.ClientSession) -> list[Account]:
        caller = Caller(self._settings, self._clock, session, self.service, "check region and login")
        return [self._account(one, caller) for one in self._settings.accounts]

    def _account(self, one: FollowerSettings, caller: Caller) -> Account:
        follower = _Follower(one, self._settings, caller)
        keeper = Session([one.email, one.password], follower.login, self._context)
        feed = Feed(self.service, f"graph:{one.name}", follower.graph, _look)
        return Account(one.name, one.patient, keeper, feed, _ALWAYS_ALL, self._context)


def _look(body: bytes) -> Look:
    document = read_document(body)
    data = document.get("data") if isinstance(document, dict) else None
    points = data.get("graphData") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(points, list):
        raise Unreadable("this is no graph of LibreLinkUp", code="not-librelinkup")
    connection = data.get("connection")
    current = connection.get("glucoseMeasurement") if isinstance(connection, dict) else None
    times = [_utc(point.get("FactoryTimestamp")) for point in [*points, current] if isinstance(point, dict)]
    return Look(max((time for time in times if time is not None), default=None), bool(points) or current is not None)


def _utc(text: object) -> datetime | None:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC) if isinstance(text, str) else None
    except ValueError:
        return None


plugin = sdk.source("librelinkup", LibreLinkUpSource, settings=LibreLinkUpSettings, emits=sdk.Shape.JSON)
