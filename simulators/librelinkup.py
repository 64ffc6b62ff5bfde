"""LibreLinkUp as followers see it: a login that may send to another region or ask for a step, and graphs."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from simulators.cloud import Cloud, as_json

_US_TIME = "%-m/%-d/%Y %-I:%M:%S %p"


class LibreLinkUpCloud(Cloud):
    """One follower. Regions are paths (`/eu2`), since all of them live on one port. `step` and `status` are what the
    login answers instead; `oldest_version` what it takes."""

    email, password, user_id = "follower@example.org", "islet-llu", "5e9f3a1c-0000-4000-8000-000000000001"

    def __init__(self, *args: Any, region: str | None = None) -> None:
        super().__init__(*args)
        self.region = region
        self.step: str | None = None
        self.status: int | None = None
        self.oldest_version = "4.12.0"
        self.people = ["11111111-2222-4000-8000-000000000001"]
        self.points: dict[datetime, int] = {}
        self.logins = 0

    def expire_sessions(self) -> None:
        self.logins += 1

    async def answer(self, request: web.Request) -> web.Response:
        region, path = self._region_of(request.path)
        if _version(request.headers.get("version", "")) < _version(self.oldest_version):
            return as_json({"status": 920, "data": {"minimumVersion": self.oldest_version}})
        if path == "/llu/auth/login":
            return as_json(self._login(await request.json(), region))
        account = hashlib.sha256(self.user_id.encode()).hexdigest()
        token = f"Bearer {self._token()}"
        if request.headers.get("Authorization") != token or request.headers.get("account-id") != account:
            return as_json({"message": "MissingOrInvalid"}, 401)
        if path == "/llu/connections":
            people = [{"patientId": one, "firstName": "CANARY", "lastName": "CANARY"} for one in self.people]
            return as_json({"status": 0, "data": people, "ticket": self._ticket()})
        if path in [f"/llu/connections/{one}/graph" for one in self.people]:
            return as_json({"status": 0, "data": self._graph(), "ticket": self._ticket()})
        return as_json({"status": 4, "error": {"message": "couldNotLoadPatient"}})

    def _region_of(self, path: str) -> tuple[str | None, str]:
        first, _, rest = path[1:].partition("/")
        return (None, path) if first == "llu" else (first, f"/{rest}")

    def _login(self, said: Any, region: str | None) -> dict[str, Any]:
        if region != self.region:
            return {"status": 0, "data": {"redirect": True, "region": self.region}}
        if self.status is not None:
            return {"status": self.status, "error": {"message": "notAuthenticated"}}
        if (said.get("email"), said.get("password")) != (self.email, self.password):
            return {"status": 2, "error": {"message": "notAuthenticated"}}
        if self.step is not None:
            return {"status": 4, "data": {"step": {"type": self.step}}}
        self.logins += 1
        return {
            "status": 0,
            "data": {"user": {"id": self.user_id, "firstName": "CANARY"}, "authTicket": self._ticket()},
        }

    def _token(self) -> str:
        return f"jwt-CANARY-{self.logins}"

    def _ticket(self) -> dict[str, Any]:
        return {"token": self._token(), "expires": int(self.now().timestamp()) + 15552000, "duration": 15552000000}

    def _graph(self) -> dict[str, Any]:
        shown = [_point(instant, value) for instant, value in sorted(self.points.items()) if instant <= self.now()]
        current = {**shown[-1], "type": 1, "TrendArrow": 3} if shown else None
        return {"connection": {"glucoseMeasurement": current}, "graphData": shown, "activeSensors": []}


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def _point(instant: datetime, value: int) -> dict[str, Any]:
    written = instant.astimezone(UTC).strftime(_US_TIME)
    return {"FactoryTimestamp": written, "Timestamp": written, "type": 0, "ValueInMgPerDl": value, "GlucoseUnits": 1}
