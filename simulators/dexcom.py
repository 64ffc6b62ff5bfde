"""A Dexcom-like cloud on a loopback port: OAuth2 with rotating refresh tokens, EGVs in windows, and trouble on demand.

It follows the developer API v3 where a client can tell: form-encoded token requests, Bearer tokens, UTC dates
without offset, windows of 30 days at most, start included and end not, newest reading first.
"""

import asyncio
import hashlib
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import urlencode

from aiohttp import web

from simulators.series import HIGH, LOW, Point

LOGIN_PATH, TOKEN_PATH, EGVS_PATH = "/v2/oauth2/login", "/v2/oauth2/token", "/v3/users/self/egvs"
OTHERS = {"events": "event", "calibrations": "calibration", "alerts": "alert"}
_LONGEST = timedelta(days=30)
_WEAR = timedelta(days=10)
_TRENDS = (
    (-3, "doubleDown"),
    (-2, "singleDown"),
    (-1, "fortyFiveDown"),
    (1, "flat"),
    (2, "fortyFiveUp"),
    (3, "singleUp"),
)


@dataclass(frozen=True, slots=True)
class Scripted:
    """An answer given instead of the real one. `hang`: none at all until the cloud stops."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came, and the status of its answer."""

    method: str
    path: str
    query: Mapping[str, str]
    account: str | None
    status: int


@dataclass(slots=True)
class _Account:
    name: str
    points: dict[datetime, int]
    first: datetime
    utc_offset_minutes: int
    display_device: str
    generation: str
    upload_delay: timedelta
    refresh_token: str = field(repr=False)
    others: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Events, calibrations and alerts: for each kind, records by their id."""
    rotations: int = 0
    revoked: bool = False


class DexcomCloud:
    """Use as `async with DexcomCloud() as cloud:`; `base_url` is known then. `now` tells which readings exist yet."""

    def __init__(
        self,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        client_id: str = "islet-client",
        client_secret: str = "islet-secret",  # noqa: S107 - of a simulator
        token_seconds: float = 7200,
    ) -> None:
        self.base_url = ""
        self.requests: list[Seen] = []
        self._now = now
        self._client = (client_id, client_secret)
        self._token_seconds = token_seconds
        self._accounts: dict[str, _Account] = {}
        self._access: dict[str, tuple[_Account, datetime]] = {}
        self._scripts: dict[str, deque[Scripted]] = defaultdict(deque)
        self._codes: dict[str, tuple[_Account, str]] = {}
        self.who_logs_in: str | None = None
        """The account whose owner is at the browser; without one, whoever it is says no."""
        self.hanging = asyncio.Event()
        """Set when a request has begun to hang."""
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    # --- what people in it do

    def add_account(
        self,
        name: str,
        points: Iterable[Point] = (),
        *,
        utc_offset_minutes: int = 0,
        display_device: str = "iOS",
        generation: str = "g7",
        upload_delay: timedelta = timedelta(),
    ) -> str:
        """Somebody consents; gives the first refresh token. Readings show up `upload_delay` after they were taken."""
        readings = {point.instant: point.mg_dl for point in points}
        account = _Account(
            name=name,
            points=readings,
            first=min(readings, default=self._now()),
            utc_offset_minutes=utc_offset_minutes,
            display_device=display_device,
            generation=generation,
            upload_delay=upload_delay,
            refresh_token="",
        )
        self._accounts[name] = account
        return self.consent_again(name)

    def add_readings(self, name: str, points: Iterable[Point]) -> None:
        """Uploaded just now, whenever they were taken; a reading of the same instant changes its value."""
        self._accounts[name].points.update({point.instant: point.mg_dl for point in points})

    def put_record(self, name: str, kind: str, record: Mapping[str, Any]) -> None:
        """Entered, changed or deleted just now; `kind` is `events`, `calibrations` or `alerts`."""
        self._accounts[name].others.setdefault(kind, {})[record["recordId"]] = dict(record)

    def revoke(self, name: str) -> None:
        """The person withdraws consent: neither token works any more."""
        self._accounts[name].revoked = True

    def consent_again(self, name: str) -> str:
        """The person consents (again); gives a new first refresh token."""
        account = self._accounts[name]
        account.revoked = False
        return self._rotate(account)

    # --- trouble

    def expire_access_tokens(self) -> None:
        self._access.clear()

    def script(self, path: str, *answers: Scripted) -> None:
        """The next requests to `path` get these answers, in order."""
        self._scripts[path].extend(answers)

    # --- being a server

    async def start(self, port: int = 0) -> None:
        application = web.Application()
        application.router.add_post(TOKEN_PATH, self._handle)
        application.router.add_get("/v3/users/self/{kind:egvs|events|calibrations|alerts}", self._handle)
        application.router.add_get(LOGIN_PATH, self._login)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _handle(self, request: web.Request) -> web.Response:
        account: _Account | None = None
        if self._scripts[request.path]:
            response = await self._scripted(self._scripts[request.path].popleft())
        elif request.path == TOKEN_PATH:
            account, response = await self._token(request)
        else:
            account, response = self._egvs(request)
        name = account.name if account else None
        self.requests.append(Seen(request.method, request.path, dict(request.query), name, response.status))
        return response

    async def _scripted(self, answer: Scripted) -> web.Response:
        if answer.hang:
            self.hanging.set()
            await self._stopping.wait()
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    async def _token(self, request: web.Request) -> tuple[_Account | None, web.Response]:
        form = await request.post()
        if (form.get("client_id"), form.get("client_secret")) != self._client:
            return None, web.json_response({"error": "invalid_client"}, status=401)
        if form.get("grant_type") == "authorization_code":
            account, redirect = self._codes.pop(str(form.get("code")), (None, ""))
            account = account if form.get("redirect_uri") == redirect else None
        elif form.get("grant_type") == "refresh_token":
            token = form.get("refresh_token")
            account = next((one for one in self._accounts.values() if one.refresh_token == token), None)
        else:
            return None, web.json_response({"error": "unsupported_grant_type"}, status=400)
        if account is None or account.revoked:
            return account, web.json_response({"error": "invalid_grant"}, status=400)
        refresh = self._rotate(account)
        access = _token(account.name, "access", account.rotations)
        self._access[access] = (account, self._now() + timedelta(seconds=self._token_seconds))
        answer = {
            "access_token": access,
            "expires_in": self._token_seconds,
            "token_type": "Bearer",
            "refresh_token": refresh,
        }
        return account, web.json_response(answer)

    async def _login(self, request: web.Request) -> web.Response:
        """The page on which people log in and agree, as quick as they can be."""
        query = request.query
        if (query.get("client_id"), query.get("response_type")) != (self._client[0], "code"):
            return web.Response(status=400)
        account = self._accounts.get(self.who_logs_in or "")
        answer = {"error": "access_denied"}
        if account is not None:
            account.revoked = False
            code = _token(account.name, "code", len(self._codes))
            self._codes[code] = account, query["redirect_uri"]
            answer = {"code": code}
        there = f"{query['redirect_uri']}?{urlencode({**answer, 'state': query.get('state', '')})}"
        return web.Response(status=302, headers={"Location": there})

    def _rotate(self, account: _Account) -> str:
        account.rotations += 1
        account.refresh_token = _token(account.name, "refresh", account.rotations)
        return account.refresh_token

    def _egvs(self, request: web.Request) -> tuple[_Account | None, web.Response]:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        account, good_until = self._access.get(token, (None, self._now()))
        if account is None or scheme != "Bearer" or account.revoked or self._now() >= good_until:
            return account, web.json_response({"fault": {"faultstring": "Invalid Access Token"}}, status=401)
        try:
            start = datetime.strptime(request.query["startDate"], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
            end = datetime.strptime(request.query["endDate"], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
        except (KeyError, ValueError):
            return account, web.json_response({"errors": ["startDate and endDate are needed, in UTC"]}, status=400)
        if not start < end <= start + _LONGEST:
            return account, web.json_response({"errors": ["the window must be 30 days at most"]}, status=400)
        kind = request.path.rpartition("/")[2]
        return account, web.json_response(self._answer(account, start, end, kind))

    def _answer(self, account: _Account, start: datetime, end: datetime, kind: str) -> dict[str, Any]:
        if kind in OTHERS:
            known = account.others.get(kind, {}).values()
            records = [one for one in known if start <= datetime.fromisoformat(one["systemTime"]) < end]
            return {"recordType": OTHERS[kind], "recordVersion": "3.0", "userId": "u", "records": records}
        there = self._now() - account.upload_delay
        shown = sorted(instant for instant in account.points if start <= instant < end and instant <= there)
        return {
            "recordType": "egv",
            "recordVersion": "3.0",
            "userId": hashlib.sha256(account.name.encode()).hexdigest(),
            "records": [_record(account, instant) for instant in reversed(shown)],
        }


def _token(name: str, kind: str, number: int) -> str:
    return f"{kind}-{hashlib.sha256(f'{name} {kind} {number}'.encode()).hexdigest()[:40]}"


def _record(account: _Account, instant: datetime) -> dict[str, Any]:
    """One EGV as the API gives it. Receivers write no offsets."""
    value = account.points[instant]
    session, since = divmod(instant - account.first, _WEAR)
    local = instant + timedelta(minutes=account.utc_offset_minutes)
    receiver = account.display_device == "receiver"
    trend, rate = _trend(account, instant)
    return {
        "recordId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"dexcom/{account.name}/{instant.isoformat()}")),
        "systemTime": f"{instant:%Y-%m-%dT%H:%M:%S}" + ("" if receiver else "Z"),
        "displayTime": f"{local:%Y-%m-%dT%H:%M:%S}" + ("" if receiver else _offset(account.utc_offset_minutes)),
        "transmitterId": hashlib.sha256(f"{account.name} {session}".encode()).hexdigest(),
        "transmitterTicks": int(since.total_seconds()),
        "value": value,
        "status": "low" if value <= LOW else "high" if value >= HIGH else None,
        "trend": trend,
        "trendRate": rate,
        "unit": "mg/dL",
        "rateUnit": "mg/dL/min",
        "displayDevice": account.display_device,
        "transmitterGeneration": account.generation,
        "displayApp": "receiver" if receiver else account.generation.upper(),
    }


def _trend(account: _Account, instant: datetime) -> tuple[str, float | None]:
    """Arrow and mg/dL per minute, from the reading before."""
    before = [at for at in (instant - timedelta(seconds=300 + jitter) for jitter in (-1, 0, 1)) if at in account.points]
    if not before:
        return "none", None
    rate = (account.points[instant] - account.points[before[0]]) / 5
    return next((name for limit, name in _TRENDS if rate < limit), "doubleUp"), round(rate, 1)


def _offset(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return "Z" if minutes == 0 else f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
