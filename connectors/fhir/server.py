"""`fhir_server`: resources into a FHIR R4 server, each one once, alone or in batches."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from connectors.fhir.answers import Reply, judge, refusal, unclear
from connectors.fhir.batch import SUBMIT, bundle_of, by_write, receives_submissions, replies_of, submission_of
from connectors.fhir.paging import next_of
from connectors.fhir.repeats import Repeats, creates_conditionally
from connectors.fhir.settings import FhirServerSettings
from connectors.fhir.wire import FORM, Wire
from connectors.fhir.write import Key, Write, read_write
from engine import sdk

_MOST_PAGES: Final = 20
_MINIMAL: Final = {"Prefer": "return=minimal"}
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")

Result = sdk.Answer | sdk.EngineError


class FhirServer:
    """Destination: conditional creates and updates. See FhirServerSettings.

    A repeat is recognised by the resource's identifier (If-None-Exist), so a lost answer leads to no second
    resource; on a server that cannot do that, a create whose fate is not known is looked for before the next one.
    Meta `interaction: update` changes what is there, or creates it. A batch's entries are judged one by one; if the
    server refuses a whole batch, its resources are sent singly, so that one of them cannot hold the rest.
    """

    def __init__(self, settings: FhirServerSettings, context: sdk.PluginContext) -> None:
        self._settings = settings
        self._clock = context.clock
        self._log = context.log
        self._wire = Wire(settings, context.clock, context.log)
        self._submits = settings.batch.by == "submit_cgm_bundle"
        self._repeats = Repeats()
        self._capability: Mapping[str, Any] | None = None

    @property
    def batch_size(self) -> int:
        return self._settings.batch.up_to

    async def open(self) -> None:
        """Raises NeedsOperator if a certificate file cannot be used."""
        await self._wire.open()

    async def close(self) -> None:
        await self._wire.close()

    async def send(self, delivery: sdk.Delivery) -> sdk.Answer:
        """One resource on its own. See `connectors.fhir.answers.judge` for what each status means."""
        write = read_write(delivery)
        try:
            result = await self._one(write)
        except sdk.EngineError as error:
            result = error
        self._repeats.note(write, result)
        if isinstance(result, sdk.EngineError):
            raise result
        return result

    def rehearse(self, delivery: sdk.Delivery, word: str) -> sdk.Answer:
        """What it would come to if the server answered this status (`201`, `429`), or did `no_answer`: for channel
        tests. Raises as `send`, and ValueError for any other word."""
        write = read_write(delivery)
        if word.replace("-", "_") == "no_answer":
            raise sdk.Unavailable("the server did not answer in time", code="timed-out")
        if not re.fullmatch(r"[1-5]\d\d", word):
            raise ValueError("is no answer of a FHIR server; write a status such as 201 or 429, or no_answer")
        location = f"{write.resource_type}/rehearsal" if word == "201" else None
        result = self._judge(write, Reply(int(word), location=location))
        if isinstance(result, sdk.EngineError):
            raise result
        return result

    async def send_many(self, deliveries: Sequence[sdk.Delivery]) -> Sequence[Result]:
        """One result for each. Writes to the same resource go one after the other, in order."""
        results: dict[int, Result] = {}
        writes: dict[int, Write] = {}
        for number, delivery in enumerate(deliveries):
            try:
                writes[number] = read_write(delivery)
            except sdk.InvalidMessage as error:
                results[number] = error
        undone: dict[Key, sdk.EngineError] = {}
        for wave in _waves(writes):
            # What waits for an earlier write to the same resource, waits on.
            results.update({n: undone[writes[n].key] for n in wave if writes[n].key in undone})
            numbers = [n for n in wave if n not in results]
            try:
                found = await self._together([writes[n] for n in numbers])
            except sdk.EngineError as error:
                results.update({n: error for n in writes if n not in results})
                break
            for number, result in zip(numbers, found, strict=True):
                results[number] = result
                if isinstance(result, sdk.EngineError) and not isinstance(result, sdk.Refused):
                    undone[writes[number].key] = result
        for number, write in writes.items():
            self._repeats.note(write, results[number])
        return [results[number] for number in range(len(deliveries))]

    async def _together(self, writes: Sequence[Write]) -> list[Result]:
        """Results of writes to different resources. Raises the error word that stands for all of them."""
        submits = self._submits and receives_submissions(await self._statement())
        searched = self._settings.update_by == "search" or submits  # a submission is asked to hold creates only
        alone: list[Write] = []
        bundled: list[Write] = []
        for write in writes:
            apart = searched if write.interaction == "update" else await self._looks_first(write)
            (alone if apart else bundled).append(write)
        if len(bundled) < 2:
            return await self._singly(writes)
        sent = await self._batch(bundled, SUBMIT if submits else "")
        of = dict(zip((write.key for write in bundled), sent, strict=True))
        of.update(zip((write.key for write in alone), await self._singly(alone), strict=True))
        return [of[write.key] for write in writes]

    async def _statement(self) -> Mapping[str, Any] | None:
        """The server's CapabilityStatement; not asked for again once it has come."""
        if self._capability is None:
            reply = await self._wire.call("GET", "metadata", b"")
            self._capability = reply.resource if reply.ok else None
        return self._capability

    async def _looks_first(self, write: Write) -> bool:
        """Is this create one that the server might do a second time?"""
        if write.interaction == "create" and self._settings.create_by == "search":
            return True
        return self._repeats.in_doubt(write) and not creates_conditionally(await self._statement(), write.resource_type)

    async def _batch(self, writes: Sequence[Write], path: str) -> list[Result]:
        now = self._clock.now()
        reply = await self._wire.call("POST", path, submission_of(writes, now) if path else bundle_of(writes))
        if not reply.ok:
            error = refusal("Bundle", reply, now)
            if not isinstance(error, (sdk.Refused, sdk.NotPermitted)):
                raise error
            self._log.warning("fhir_batch_refused", code=error.code, count=len(writes))
            return await self._singly(writes)
        replies = replies_of(reply.resource, len(writes))
        if replies is None:
            raise unclear(
                f"the server answered {reply.status} with no response to these {len(writes)} entries", reply.raw
            )
        return [
            judge(write, part, now)
            if part
            else unclear("nothing in the server's response says what became of this entry")
            for write, part in zip(writes, by_write(writes, replies), strict=True)
        ]

    async def _singly(self, writes: Sequence[Write]) -> list[Result]:
        """One call for each, until the server cannot be reached or asks for patience: that stands for the rest."""
        results: list[Result] = []
        for write in writes:
            try:
                result = await self._one(write)
            except sdk.EngineError as error:
                result = error
            results.append(result)
            if isinstance(result, (sdk.Unreachable, sdk.Throttled, sdk.NeedsOperator)) or _is_silence(result):
                results += [result] * (len(writes) - len(results))
                break
        return results

    async def _one(self, write: Write) -> Result:
        if write.interaction == "create":
            found = await self._find(write) if await self._looks_first(write) else None
            if isinstance(found, sdk.EngineError):
                return found
            if found is not None:
                return sdk.Answer("200", location=f"{write.resource_type}/{found[0]}", existing=True)
            return self._judge(write, await self._create(write))
        if self._settings.update_by == "conditional":
            path = f"{write.resource_type}?{write.query}"
            return self._judge(write, await self._wire.call("PUT", path, write.body, extra=_MINIMAL))
        return await self._update_by_search(write)

    async def _create(self, write: Write) -> Reply:
        extra = {**_MINIMAL, "If-None-Exist": write.query}
        return await self._wire.call("POST", write.resource_type, write.body, extra=extra)

    async def _update_by_search(self, write: Write) -> Result:
        """Search, then update by id if it is still that version, or create."""
        target = await self._find(write)
        if isinstance(target, sdk.EngineError):
            return target
        if target is None:
            created = self._judge(write, await self._create(write))
            was_there = isinstance(created, sdk.Answer) and created.code == "200"
            return unclear("what is to be corrected appeared while it was looked for") if was_there else created
        id_, version = target
        extra = {**_MINIMAL, "If-Match": f'W/"{version}"'} if version else _MINIMAL
        reply = await self._wire.call("PUT", f"{write.resource_type}/{id_}", write.body_with_id(id_), extra=extra)
        if reply.status == 412:
            return sdk.Unavailable("somebody else changed the resource meanwhile", code="version-conflict")
        return self._judge(write, reply)

    async def _find(self, write: Write) -> tuple[str, str | None] | sdk.EngineError | None:
        """Id and version of what has our identifier, by a search in the body of a POST; see `_target`. An empty page
        with a next one says nothing yet."""
        found = await self._wire.call(
            "POST",
            f"{write.resource_type}/_search",
            write.query.encode(),
            content_type=FORM,
            extra={"Prefer": "handling=strict"},
        )
        for _ in range(_MOST_PAGES):
            if not found.ok:
                return refusal(write.resource_type, found, self._clock.now())
            target = _target(write, found)
            following = next_of(found.resource or {}) if target is None else None
            if following is None:
                return target if target is not None else _hidden(found)
            below = self._wire.below_base(following)
            if below is None:
                return unclear("the server's search goes on outside base")
            found = await self._wire.call("GET", below, b"")
        return unclear("the server's search has no end")

    def _judge(self, write: Write, reply: Reply) -> Result:
        return judge(write, reply, self._clock.now())


def _is_silence(result: Result) -> bool:
    return isinstance(result, sdk.Unavailable) and result.code == "timed-out"


def _waves(writes: dict[int, Write]) -> Iterator[list[int]]:
    """Numbers of writes that may go together: a batch has no order, so no wave holds two for one resource."""
    wave: list[int] = []
    keys: set[Key] = set()
    for number, write in writes.items():
        if write.key in keys:
            yield wave
            wave, keys = [], set()
        wave.append(number)
        keys.add(write.key)
    if wave:
        yield wave


def _target(write: Write, reply: Reply) -> tuple[str, str | None] | sdk.EngineError | None:
    """Id and version of the one resource that was found; None if there is none; an error word if it is not clear."""
    bundle = reply.resource
    if bundle is None or bundle.get("type") != "searchset":
        return unclear(f"the server answered {reply.status} to the search with no searchset", reply.raw)
    entries = [entry for entry in bundle.get("entry") or [] if isinstance(entry, dict)]
    resources = [entry["resource"] for entry in entries if isinstance(entry.get("resource"), dict)]
    others = [resource for resource in resources if resource.get("resourceType") == write.resource_type]
    ours = [resource for resource in others if write.matches(resource)]
    if len(ours) > 1:
        text = "several resources there have our identifier; remove all but one, then release this"
        return sdk.Refused(text, code="several-matches")
    if not ours and others:
        text = "the server ignores the search by identifier, so nobody can tell if the resource is there"
        advice = (
            "set update_by: conditional if it can do that" if write.interaction == "update" else "look for it there"
        )
        return sdk.Refused(f"{text}; {advice}", code="search-ignored")
    if not ours:
        return None
    id_, meta = ours[0].get("id"), ours[0].get("meta")
    if not isinstance(id_, str) or not _ID.fullmatch(id_):
        return unclear("the server's search answered with a resource that has no id")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return id_, version if isinstance(version, str) and _ID.fullmatch(version) else None


def _hidden(reply: Reply) -> sdk.EngineError | None:
    """A search that counts what it does not show: to create it would be to double it."""
    total = (reply.resource or {}).get("total")
    if not isinstance(total, int) or total <= 0:
        return None
    text = "the server's search counts a resource that it does not show, so nobody can tell if ours is there"
    return sdk.Refused(f"{text}; ask the site if our sign-in may read it", code="search-hidden")


plugin = sdk.destination(
    "fhir_server", FhirServer, settings=FhirServerSettings, accepts={sdk.Shape.FHIR}, side_by_side=True
)
