"""`fhir_search`: what is new on a FHIR server, page by page."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from clinical.fhir.errors import FhirError
from clinical.fhir.frame import encode
from clinical.fhir.times import instant_text, read_date_time
from connectors.fhir.answers import Reply, refusal
from connectors.fhir.paging import next_of
from connectors.fhir.settings import FhirSearchSettings
from connectors.fhir.wire import FORM, Wire
from engine import sdk

# Digits are data in FHIR (R4 section 2.24.0.1, decimal): 5.40 must not come out as 5.4.
_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_CURSOR: Final = "last-updated"
_MOST_PAGES: Final = 10_000


class FhirSearch:
    """Source: one arrival for each page (a Bundle of type searchset) that holds anything.

    Asks by POST [type]/_search, so that no address holds a patient, for what was updated since the newest resource
    that was seen, less `overlap`, and follows `next` links below the base. The cursor moves when the journal has the
    last page, so a crash between means that pages come again; equal ones are recognised, and so are their records.
    """

    def __init__(self, settings: FhirSearchSettings, context: sdk.PluginContext) -> None:
        self._settings = settings
        self._clock = context.clock
        self._cursors = context.cursors
        self._log = context.log
        self._wire = Wire(settings, context.clock, context.log)
        self._closing = asyncio.Event()
        self._type, _, self._parameters = settings.search.partition("?")

    async def deliveries(self) -> AsyncIterator[sdk.Arrival]:
        """See `sdk.Source`. Raises NeedsOperator for what an operator must put right; other error words and silence
        of the server pass: it is asked again."""
        await self._wire.open()
        try:
            while not self._closing.is_set():
                async for arrival in self._round():
                    yield arrival
                await self._pause()
        finally:
            await self._wire.close()

    async def close(self) -> None:
        """See `sdk.Source`."""
        self._closing.set()

    def rehearse(self, body: bytes, meta: Mapping[str, str]) -> sdk.Arrival:  # noqa: ARG002
        """What this page of the server would be, for channel tests."""
        return self._arrival(body, asyncio.get_running_loop().create_future())

    async def _round(self) -> AsyncIterator[sdk.Arrival]:
        """One search with all its pages; ends early if a page was not taken. Raises Unavailable if the pages lead in
        a circle: the cursor stays, for nobody knows what was left out."""
        newest = await self._cursors.get(_CURSOR)
        followed: set[str] = set()
        reply = await self._wire.call(
            "POST",
            f"{self._type}/_search",
            self._form(newest).encode(),
            content_type=FORM,
            extra={"Prefer": "handling=strict"},
        )
        for _ in range(_MOST_PAGES):
            page = self._page(reply)
            if page.get("entry"):
                body = encode({"resourceType": "Bundle", "type": "searchset", "entry": _decode(reply.body)["entry"]})
                taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                yield self._arrival(body, taken)
                if not await taken:
                    return
                newest = max(filter(None, (newest, _newest(page, self._clock.now()))), default=None)
            following = self._next(page)
            if following is None:
                break
            if following in followed:
                raise sdk.Unavailable("the server's next links lead in a circle", code="paging-loop")
            followed.add(following)
            reply = await self._wire.call("GET", following, b"")
        if newest is not None:
            await self._cursors.put(_CURSOR, newest)

    def _form(self, newest: str | None) -> str:
        since = self._settings.start
        if newest is not None:
            since = instant_text(datetime.fromisoformat(newest) - timedelta(seconds=self._settings.overlap))
        parts = [self._parameters, f"_count={self._settings.page_size}", "_sort=_lastUpdated"]
        if since is not None:
            parts.append(f"_lastUpdated=ge{since}")
        return "&".join(part for part in parts if part)

    def _page(self, reply: Reply) -> Mapping[str, Any]:
        if not reply.ok:
            raise refusal(self._type, reply, self._clock.now())
        page = reply.resource
        if page is None or page.get("resourceType") != "Bundle" or page.get("type") != "searchset":
            raise sdk.Unavailable("the server answered the search with no searchset", code="unclear-answer")
        if not isinstance(page.get("entry") or [], list):
            raise sdk.Unavailable("the searchset's entry is no list", code="unclear-answer")
        return page

    def _next(self, page: Mapping[str, Any]) -> str | None:
        url = next_of(page)
        below = self._wire.below_base(url) if url is not None else None
        if url is not None and below is None:
            raise sdk.NeedsOperator(
                "the server's next page lies outside base, where our sign-in is not shown; write the base that its "
                "links have",
                code="page-elsewhere",
            )
        return below

    def _arrival(self, body: bytes, taken: "asyncio.Future[bool]") -> sdk.Arrival:
        async def settle(verdict: sdk.Verdict) -> None:
            if not taken.done():
                taken.set_result(isinstance(verdict, sdk.Accepted))

        digest = hashlib.sha256(body).hexdigest()[:32]
        return sdk.Arrival(body=body, shape=sdk.Shape.FHIR, settle=settle, source_key=f"fhir:{digest}")

    async def _pause(self) -> None:
        waits = [
            asyncio.ensure_future(wait) for wait in (self._closing.wait(), self._clock.sleep(self._settings.every))
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _newest(page: Mapping[str, Any], now: datetime) -> str | None:
    """The latest `meta.lastUpdated` on a page, in UTC, so that texts sort. No later than now: a clock over there that
    was wrong once must not keep us from asking for what comes until then."""
    found = []
    for entry in page.get("entry", ()):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        meta = resource.get("meta") if isinstance(resource, dict) else None
        try:
            millis = read_date_time(meta.get("lastUpdated") if isinstance(meta, dict) else None, "meta").millis
        except FhirError:
            continue
        found.append(millis)
    if not found:
        return None
    newest = min(max(found), round(now.timestamp() * 1000))
    return datetime.fromtimestamp(newest / 1000, UTC).isoformat(timespec="milliseconds")


plugin = sdk.source("fhir_search", FhirSearch, settings=FhirSearchSettings, emits=sdk.Shape.FHIR)
