"""A Nightscout site: entries and treatments of API v1, found by time, behind an API secret."""

import hashlib
from typing import Any

from aiohttp import web

from simulators.cloud import Cloud, as_json


class NightscoutSite(Cloud):
    """One site. What is added shows up at once; a document with a known `_id` takes the place of the old one."""

    secret = "islet-nightscout"  # noqa: S105 - of a simulator

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._entries: dict[str, dict[str, Any]] = {}
        self._treatments: dict[str, dict[str, Any]] = {}

    def add_entry(self, id_: str, date: int, sgv: int) -> None:
        self._entries[id_] = {"_id": id_, "type": "sgv", "date": date, "sgv": sgv, "direction": "Flat", "utcOffset": 0}

    def add_treatment(self, id_: str, created_at: str, event: str, **fields: Any) -> None:
        self._treatments[id_] = {"_id": id_, "created_at": created_at, "eventType": event, **fields}

    async def answer(self, request: web.Request) -> web.Response:
        if request.headers.get("api-secret") != hashlib.sha1(self.secret.encode()).hexdigest():  # noqa: S324
            return as_json({"status": 401, "message": "Unauthorized"}, 401)
        field = {"/api/v1/entries.json": "date", "/api/v1/treatments.json": "created_at"}.get(request.path)
        if field is None:
            return as_json({"status": 404}, 404)
        documents = self._entries if field == "date" else self._treatments
        start, end = request.query[f"find[{field}][$gte]"], request.query[f"find[{field}][$lt]"]
        chosen = [one for one in documents.values() if start <= str(one[field]) < end]
        chosen.sort(key=lambda one: str(one[field]), reverse=True)
        return as_json(chosen[: int(request.query.get("count", "10"))])
