"""A Nightscout site: API v1, found by time, behind an API secret; API v3, by change, behind a token."""

import hashlib
from typing import Any

from aiohttp import web

from simulators.cloud import Cloud, as_json


class NightscoutSite(Cloud):
    """One site. What is added shows up at once; a document with a known `_id` takes the place of the old one."""

    secret = "islet-nightscout"  # noqa: S105 - of a simulator
    access_token = "islet-0123456789abcdef"  # noqa: S105
    page = 1000

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._entries: dict[str, dict[str, Any]] = {}
        self._treatments: dict[str, dict[str, Any]] = {}
        self._deleted: set[str] = set()
        self._modified: dict[str, int] = {}
        self.logins = 0

    def add_entry(self, id_: str, date: int, sgv: int) -> None:
        self._entries[id_] = {"_id": id_, "type": "sgv", "date": date, "sgv": sgv, "direction": "Flat", "utcOffset": 0}
        self._touch(id_)

    def add_treatment(self, id_: str, created_at: str, event: str, **fields: Any) -> None:
        self._treatments[id_] = {"_id": id_, "created_at": created_at, "eventType": event, **fields}
        self._touch(id_)

    def delete(self, id_: str) -> None:
        """v3 keeps a tombstone, v1 forgets."""
        self._deleted.add(id_)
        self._touch(id_)

    def expire_tokens(self) -> None:
        self.logins += 1

    def _touch(self, id_: str) -> None:
        self._modified[id_] = int(self.now().timestamp() * 1000)

    async def answer(self, request: web.Request) -> web.Response:
        if request.path.startswith("/api/v2/authorization/request/"):
            return self._authorize(request.path.rpartition("/")[2])
        if request.path.startswith("/api/v3/"):
            return self._history(request)
        if request.headers.get("api-secret") != hashlib.sha1(self.secret.encode()).hexdigest():  # noqa: S324
            return as_json({"status": 401, "message": "Unauthorized"}, 401)
        field = {"/api/v1/entries.json": "date", "/api/v1/treatments.json": "created_at"}.get(request.path)
        if field is None:
            return as_json({"status": 404}, 404)
        documents = self._entries if field == "date" else self._treatments
        start, end = request.query[f"find[{field}][$gte]"], request.query[f"find[{field}][$lt]"]
        there = [one for one in documents.values() if one["_id"] not in self._deleted]
        chosen = [one for one in there if start <= str(one[field]) < end]
        chosen.sort(key=lambda one: str(one[field]), reverse=True)
        return as_json(chosen[: int(request.query.get("count", "10"))])

    def _authorize(self, token: str) -> web.Response:
        if token != self.access_token:
            return as_json({"status": 401, "message": "Unauthorized"}, 401)
        self.logins += 1
        issued = int(self.now().timestamp())
        return as_json({"token": f"jwt-{self.logins}", "sub": "islet", "iat": issued, "exp": issued + 28800})

    def _history(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer jwt-{self.logins}":
            return as_json({"status": 401, "message": "Bad access token or JWT"}, 401)
        _, _, _, collection, _, since = request.path.split("/")
        documents = self._entries if collection == "entries" else self._treatments
        changed = sorted((self._modified[id_], id_) for id_ in documents if self._modified[id_] > int(since))
        limit = min(int(request.query["limit"]), self.page)
        if not changed:
            return web.Response(status=304)
        return as_json({"status": 200, "result": [self._told(documents[id_], at) for at, id_ in changed[:limit]]})

    def _told(self, document: dict[str, Any], at: int) -> dict[str, Any]:
        own = {"identifier": document["_id"], "srvModified": at, "isValid": document["_id"] not in self._deleted}
        return {**document, **own}
