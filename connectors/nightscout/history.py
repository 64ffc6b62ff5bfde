"""Nightscout's API v3: what has changed since, deletions among it.

`GET /api/v3/COLLECTION/history/MILLISECONDS` tells documents by the time of their last change (`srvModified`), the
oldest change first, and those that were deleted with `isValid: false`. A token of a subject is traded for one that
lasts for hours (`/api/v2/authorization/request/TOKEN`: Nightscout takes it nowhere but in the address).
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Protocol

import msgspec

from clinical.vendors.json_fields import not_this
from connectors.cloud.accounts import Account, Feed, Look, Person
from connectors.cloud.calls import Caller
from connectors.cloud.tokens import Session, Tokens, known
from connectors.cloud.windows import Reach, Window
from engine import sdk

_COLLECTIONS: Final = ("entries", "treatments")
_PAGE, _MOST_PAGES = 1000, 200
_ONE_REQUEST: Final = timedelta(days=36500)
_AGAIN: Final = timedelta(minutes=5)  # a change of this moment may become visible a little later


class Site(Protocol):
    """What settings say of a site."""

    @property
    def name(self) -> str: ...
    @property
    def patient(self) -> Person: ...
    @property
    def base_url(self) -> str: ...
    @property
    def access_token(self) -> sdk.Secret | None: ...


def accounts(site: Site, caller: Caller, reach: Reach, context: sdk.PluginContext) -> list[Account]:
    """One for each collection, with one token. All changes come in one answer: the first one of a site is history."""
    assert site.access_token is not None
    keeper = Session([site.access_token], partial(_login, caller, site.base_url, site.access_token), context)
    reach = replace(reach, window=_ONE_REQUEST, overlap=_AGAIN)
    made = []
    for collection in _COLLECTIONS:
        ask: Callable[[str, Window], Awaitable[bytes]] = partial(_changes, caller, site.base_url, collection)
        feed = Feed("Nightscout", f"{collection}-history:{site.name}", ask, _look)
        made.append(Account(site.name, site.patient, keeper, feed, reach, context))
    return made


class _Ticket(msgspec.Struct):
    token: str
    iat: int
    exp: int


async def _login(caller: Caller, base: str, token: sdk.Secret) -> Tokens:
    path = f"/api/v2/authorization/request/{known(token, 'access token')}"
    answer = await caller.call("GET", path, base=base)
    if answer.status == 401:
        text = "Nightscout does not accept this access token; put one of a subject that may read into the secret"
        raise sdk.Refused(text, code="login-refused")
    caller.judge(answer)
    try:
        ticket = msgspec.json.decode(answer.body, type=_Ticket)
    except (ValueError, RecursionError):
        raise sdk.Unavailable("the login was answered with rubbish", code="token-malformed") from None
    return Tokens(ticket.token, None, max(float(ticket.exp - ticket.iat), 120.0))


class _Change(msgspec.Struct):
    srvModified: int  # noqa: N815 - Nightscout's name


class _Page(msgspec.Struct):
    result: list[msgspec.Raw] = []


async def _changes(caller: Caller, base: str, collection: str, token: str, window: Window) -> bytes:
    """All pages from the window's start on as one answer of v3."""
    since, found = int(window.start.timestamp() * 1000), list[msgspec.Raw]()
    for _ in range(_MOST_PAGES):
        path = f"/api/v3/{collection}/history/{since}"
        headers = {"Authorization": f"Bearer {token}"}
        answer = await caller.call("GET", path, base=base, params={"limit": str(_PAGE)}, headers=headers)
        if answer.status == 304:
            return _as_answer(found)
        caller.judge(answer)
        try:
            page = msgspec.json.decode(answer.body, type=_Page).result
            newest = max((_modified(document) for document in page), default=since)
        except (ValueError, RecursionError):
            return answer.body  # to be held where people see it
        found += page
        if newest <= since:
            return _as_answer(found)
        since = newest
    raise sdk.Unavailable("there are too many changes for one answer; set a shorter `start`", code="too-many-pages")


def _as_answer(documents: list[msgspec.Raw]) -> bytes:
    return msgspec.json.encode({"status": 200, "result": documents})


def _modified(document: msgspec.Raw) -> int:
    return msgspec.json.decode(document, type=_Change).srvModified


class _Changes(msgspec.Struct):
    result: list[_Change]


def _look(body: bytes) -> Look:
    """Raises Unreadable for what is no answer of v3."""
    try:
        changes = msgspec.json.decode(body, type=_Changes).result
    except (ValueError, RecursionError):
        raise not_this("an answer of Nightscout's API v3", "not-nightscout") from None
    newest = max((change.srvModified for change in changes), default=None)
    return Look(None if newest is None else datetime.fromtimestamp(newest / 1000, UTC), bool(changes))
