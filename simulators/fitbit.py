"""Fitbit's Web API and the Google Health API on one port: OAuth2 with rotating refresh tokens, days, and pages."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from simulators.cloud import Cloud, as_json


class FitbitCloud(Cloud):
    """One wearer of a watch. Heart rates by instant; the profile's zone is UTC. `page` is Google's page size."""

    client = ("islet-client", "islet-secret")

    def __init__(self, *args: Any, page: int = 2) -> None:
        super().__init__(*args)
        self.rates: dict[datetime, int] = {}
        self.page = page
        self.rotations = 0
        self.revoked = False
        self._expired = 0
        self._challenge = ""
        self._redirect = ""

    @property
    def refresh_token(self) -> str:
        return f"refresh-{self.rotations}"

    def expire_access_tokens(self) -> None:
        self._expired = self.rotations

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/authorize":
            return self._authorize(dict(request.query))
        if request.path in ("/oauth2/token", "/token"):
            return self._token(request, dict(await request.post()))
        if request.path in ("/oauth2/revoke", "/revoke"):
            return self._revoke(request, dict(await request.post()))
        number = request.headers.get("Authorization", "").removeprefix("Bearer access-")
        if not number.isdecimal() or int(number) <= self._expired or self.revoked:
            return as_json({"errors": [{"errorType": "expired_token"}], "success": False}, 401)
        if request.path.startswith("/v4/users/me/dataTypes/"):
            return self._google(request)
        if "/activities/heart/date/" in request.path:
            return self._day(request.path.split("/date/")[1][:10])
        return as_json({"weight": []} if "weight" in request.path else {"activities-steps": []})

    def _token(self, request: web.Request, form: dict[str, Any]) -> web.Response:
        in_form = (form.get("client_id"), form.get("client_secret")) == self.client
        if not in_form and request.headers.get("Authorization") != self._basic():
            return as_json({"error": "invalid_client"}, 401)
        good = form.get("refresh_token") == self.refresh_token and not self.revoked
        if form.get("grant_type") == "authorization_code":
            good = self._agreed(form)
        if not good:
            return as_json({"error": "invalid_grant"}, 400)
        self.rotations += 1
        tokens = {"access_token": f"access-{self.rotations}", "refresh_token": self.refresh_token, "expires_in": 28800}
        return as_json(tokens)

    def _revoke(self, request: web.Request, form: dict[str, Any]) -> web.Response:
        """Fitbit asks who the client is, Google does not; both refuse a token that they do not know."""
        if request.path == "/oauth2/revoke" and request.headers.get("Authorization") != self._basic():
            return as_json({"errors": [{"errorType": "invalid_client"}]}, 401)
        if form.get("token") != self.refresh_token:
            return as_json({"error": "invalid_token"}, 400)
        self.revoked = True
        return as_json({})

    def _basic(self) -> str:
        return "Basic " + base64.b64encode(":".join(self.client).encode()).decode()

    def _authorize(self, query: dict[str, Any]) -> web.Response:
        """The person agrees at once. A verifier must come with the code (RFC 7636)."""
        if query.get("client_id") != self.client[0] or query.get("code_challenge_method") != "S256":
            return as_json({"error": "invalid_request"}, 400)
        self._challenge, self._redirect, self.revoked = query["code_challenge"], query["redirect_uri"], False
        answer = urlencode({"code": f"code-{self.rotations}", "state": query["state"]})
        there = f"{self._redirect}?{answer}"
        return web.Response(status=302, headers={"Location": there})

    def _agreed(self, form: dict[str, Any]) -> bool:
        digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        proved = base64.urlsafe_b64encode(digest).decode().rstrip("=") == self._challenge
        self._challenge = "" if proved else self._challenge
        return proved and (form.get("code"), form.get("redirect_uri")) == (f"code-{self.rotations}", self._redirect)

    def _day(self, day: str) -> web.Response:
        shown = sorted(at for at in self.rates if at.date().isoformat() == day and at <= self.now())
        dataset = [{"time": f"{at:%H:%M:%S}", "value": self.rates[at]} for at in shown]
        intraday = {"dataset": dataset, "datasetInterval": 1, "datasetType": "minute"}
        return as_json({"activities-heart": [{"dateTime": day}], "activities-heart-intraday": intraday})

    def _google(self, request: web.Request) -> web.Response:
        if "heart-rate" not in request.path:
            return as_json({})
        start, end = request.query["filter"].split('"')[1::2]
        shown = [at for at in sorted(self.rates) if start <= f"{at:%Y-%m-%dT%H:%M:%SZ}" < end and at <= self.now()]
        first = int(request.query.get("pageToken", "0"))
        points = [_point(at, self.rates[at]) for at in shown[first : first + self.page]]
        more = {"nextPageToken": str(first + self.page)} if first + self.page < len(shown) else {}
        return as_json({"dataPoints": points, **more})


def _point(at: datetime, rate: int) -> dict[str, Any]:
    time = {"physicalTime": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", "utcOffset": "0s"}
    return {"dataSource": {"platform": "FITBIT"}, "heartRate": {"sampleTime": time, "beatsPerMinute": str(rate)}}
