"""`reconcile`: one true record of each measurement, dose, meal and event of a patient, whichever road it came by."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from typing import Annotated, Literal, NamedTuple

import msgspec
import orjson
from pydantic import Field, field_validator, model_validator

from clinical import units
from clinical.records import AnyRecord, Road, encode, order_key
from engine import sdk
from ledger import keys, merges, store
from ledger.book import Arrival, Book, Page, Passed, Place
from ledger.claims import Claim, claim_of
from ledger.rules import Fate, Rules, Verdict
from ledger.subjects import Tolerance
from ledger.telling import source_of, told
from transformers.record_bodies import order_of, read_records

VERDICT = "review"
"""Meta of a released copy in which a reviewer said `accept` (the new value) or `keep` (the stored one)."""

Kind = Literal[
    "insulin-dose", "insulin-total", "carbohydrate", "device-event", "vital-sign", "blood-pressure", "annotation"
]
_LARGEST_SECONDS = 120
_LARGEST_BYTES = 1_000_000
_MOST_MESSAGES = 256
_KNOWN_ALREADY = frozenset({Fate.DUPLICATE, Fate.SUPERSEDES, Fate.SUPERSEDED, Fate.OUTDATED})


class Amount(sdk.Settings):
    """A glucose amount, `{amount: 15, unit: mg/dL}`."""

    amount: Annotated[Decimal, Field(gt=0)]
    unit: str

    @field_validator("unit")
    @classmethod
    def _ucum(cls, unit: str) -> str:
        known = units.ucum(unit)
        if known is None:
            raise ValueError("is not a unit of glucose; write mg/dL or mmol/L")
        return known

    @model_validator(mode="after")
    def _whole_steps(self) -> "Amount":
        if self.amount % units.STEP[self.unit]:
            raise ValueError(f"must be a whole number of {units.STEP[self.unit]} {self.unit}")
        return self

    @property
    def steps(self) -> int:
        return int(self.amount / units.STEP[self.unit])


class SmallDifference(Amount):
    """A difference that needs no person: `{amount: 15, unit: mg/dL, then: keep_preferred}`."""

    then: Literal["keep_preferred"]


class Disagreement(sdk.Settings):
    """What happens when two sources give different values for one moment."""

    by_less_than: SmallDifference | None = None
    otherwise: Literal["review", "keep_preferred"] = "review"


class ReconcileSettings(sdk.Settings):
    """`prefer`: the roads, best first; a tie goes to the earliest received. `time_tolerance` and `value_tolerance`:
    how far apart two sources may be and still mean one glucose reading; `time_tolerances` says it of other kinds of
    record, where it is not to be as usual (`ledger.subjects`). `pass_on_same_value`: also tell those downstream when
    a reading is only read from a preferred source now, with the same value within the tolerance."""

    prefer: Annotated[tuple[Road, ...], Field(min_length=1)] = (Road.FHIR, Road.HL7V2, Road.CLOUD, Road.CSV)
    correction_wins: bool = True
    time_tolerance: sdk.Duration = 30.0
    value_tolerance: Amount = Amount(amount=Decimal("0.1"), unit=units.MMOL_L)
    if_they_disagree: Disagreement = Disagreement()
    time_tolerances: Mapping[Kind, sdk.Duration] = Field(default_factory=dict)
    pass_on_same_value: bool = False

    @field_validator("prefer")
    @classmethod
    def _each_once(cls, prefer: tuple[Road, ...]) -> tuple[Road, ...]:
        if len(set(prefer)) != len(prefer):
            raise ValueError("names a road twice")
        return prefer

    @field_validator("time_tolerance")
    @classmethod
    def _within_a_bucket(cls, seconds: float) -> float:
        if not 0 <= seconds * 1000 <= keys.LARGEST_TIME_TOLERANCE:
            raise ValueError("must be between 0s and 60s: further apart, readings of a minute-by-minute sensor merge")
        return seconds

    @field_validator("time_tolerances")
    @classmethod
    def _apart_from_the_next(cls, tolerances: Mapping[Kind, float]) -> Mapping[Kind, float]:
        if any(not 0 <= seconds <= _LARGEST_SECONDS for seconds in tolerances.values()):
            raise ValueError("must be between 0s and 2m each: further apart, doses that a pump gives one by one merge")
        return tolerances

    @field_validator("value_tolerance")
    @classmethod
    def _in_buckets(cls, amount: Amount) -> Amount:
        if amount.unit != units.MMOL_L:
            raise ValueError("is compared in mmol/L; write {amount: 0.1, unit: mmol/L}")
        return amount

    @cached_property
    def rules(self) -> Rules:
        """The rules that these settings stand for."""
        small = self.if_they_disagree.by_less_than
        return Rules(
            prefer=self.prefer,
            correction_wins=self.correction_wins,
            tolerance=Tolerance(round(self.time_tolerance * 1000), self.value_tolerance.steps),
            time_tolerances={kind: round(seconds * 1000) for kind, seconds in self.time_tolerances.items()},
            agree_below=None if small is None else (small.steps, small.unit),
            review=self.if_they_disagree.otherwise == "review",
        )


async def _together(
    messages: Sequence[sdk.Message], settings: ReconcileSettings, tx: sdk.Transaction
) -> Sequence[Sequence[sdk.StepOutput]]:
    """As `reconcile`, for several messages, in their order; those of one tenant meet in one book."""
    outputs: list[Sequence[sdk.StepOutput]] = []
    for some in _handfuls(messages):
        outputs += await _entered(some, settings, tx)
    return outputs


@sdk.stateful_step(
    "reconcile",
    settings=ReconcileSettings,
    accepts={sdk.Shape.RECORDS},
    emits=sdk.Shape.RECORDS,
    together=_together,
)
async def reconcile(message: sdk.Message, settings: ReconcileSettings, tx: sdk.Transaction) -> Sequence[sdk.StepOutput]:
    """Enter every record in the ledger; pass on new readings and those that changed, set conflicts aside.

    Output: `records` messages, one for each patient, their readings with `reading_id`; the tally of all records in
    the first one's meta. A Drop with the tally if there is nothing to pass on; it is a duplicate if all was known.
    """
    return (await _together([message], settings, tx))[0]


def _handfuls(messages: Sequence[sdk.Message]) -> Iterable[Sequence[sdk.Message]]:
    """Of one tenant, and not so large that their readings fill the memory."""
    some: list[sdk.Message] = []
    size = 0
    for message in messages:
        if some and (message.tenant != some[0].tenant or size > _LARGEST_BYTES or len(some) == _MOST_MESSAGES):
            yield some
            some, size = [], 0
        some.append(message)
        size += len(message.body)
    if some:
        yield some


async def _entered(
    messages: Sequence[sdk.Message], settings: ReconcileSettings, tx: sdk.Transaction
) -> Sequence[Sequence[sdk.StepOutput]]:
    tenant = messages[0].tenant
    received = await merges.of_survivors(tx, tenant, [read_records(message.body) for message in messages])
    claims = [
        [claim_of(record, tenant, message.id, message.origin_id, position) for position, record in enumerate(records)]
        for message, records in zip(messages, received, strict=True)
    ]
    book = Book(tenant, settings.rules, sdk.new_id)
    every = [claim for each in claims for claim in each]
    seen = await store.load(tx, book, [message.id for message in messages], every) if every else set()
    written: list[_Written | None] = []
    for message, records, claimed in zip(messages, received, claims, strict=True):
        fresh = bool(records) and message.id not in seen
        written.append(_write(book, message, records, claimed, settings) if fresh else None)
    await store.save(tx, book)
    sources = await _sources(book, [passed for each in written if each is not None for passed in each.passed], tx)
    return [
        _known(message, seen) if each is None else [*_passed_on(message, each, sources), *each.conflicts]
        for message, each in zip(messages, written, strict=True)
    ]


class _Written(NamedTuple):
    """What a message came to, said before the next one changes it."""

    page: Page
    passed: Sequence[Passed]
    conflicts: Sequence[sdk.Aside]


def _write(
    book: Book,
    message: sdk.Message,
    records: Sequence[AnyRecord],
    claims: Sequence[Claim],
    settings: ReconcileSettings,
) -> _Written:
    verdict = _verdict(message)
    for record, claim in zip(records, claims, strict=True):
        book.arrive(record, claim, verdict=verdict)
    page = book.turn_page(sdk.to_micros(message.received_at))
    return _Written(page, book.passed(page, same_value=settings.pass_on_same_value), _conflicts(page))


def _known(message: sdk.Message, seen: Collection[str]) -> Sequence[sdk.StepOutput]:
    if message.id in seen:
        return [sdk.Drop("every record of this message is in the ledger already", duplicate=True)]
    return [sdk.Drop("no readings")]


def _verdict(message: sdk.Message) -> Verdict | None:
    word = message.meta.get(VERDICT)
    if word is None:
        return None
    if word not in set(Verdict):
        raise sdk.InvalidMessage("is neither `accept` nor `keep`", code="unknown-verdict", path=f"meta.{VERDICT}")
    return Verdict(word)


async def _sources(book: Book, passed: Iterable[Passed], tx: sdk.Transaction) -> Mapping[Place, AnyRecord]:
    """The records that are told of: those that have just come, and those of the ledger."""
    here = {arrival.said.place: arrival.record for page in book.pages for arrival in page.arrivals}
    wanted = {source_of(p) for p in passed}
    return here | await store.records(tx, wanted - here.keys())


def _passed_on(message: sdk.Message, written: _Written, sources: Mapping[Place, AnyRecord]) -> Sequence[sdk.StepOutput]:
    page, passed, _ = written
    if not passed:
        known = all(arrival.fate in _KNOWN_ALREADY for arrival in page.arrivals)
        return [sdk.Drop("nothing to pass on", duplicate=known, tally=page.tally)]
    tally = " ".join(f"{fate}={count}" for fate, count in page.tally.items())
    tell = sorted((told(p, sources[source_of(p)]) for p in passed), key=_patient)
    groups = ((patient, list(group)) for patient, group in groupby(tell, key=_patient))
    outputs = [message.but(body=encode(group), order_key=patient, meta=order_of(group)) for patient, group in groups]
    counted = " ".join(part for part in (message.meta.get("tally"), tally) if part)
    return [outputs[0].but(meta={"tally": counted}), *(output.but(meta={"tally": ""}) for output in outputs[1:])]


def _patient(record: AnyRecord) -> str:
    return order_key(record.patient)


def _conflicts(page: Page) -> Sequence[sdk.Aside]:
    """Each disagreement as a part for a person, with both readings in its detail.

    The part names the reading that it disagrees with: that is how it is known when it comes back from review.
    """
    return [_aside(arrival) for arrival in page.arrivals if arrival.fate is Fate.CONFLICT]


def _aside(arrival: Arrival) -> sdk.Aside:
    kept = arrival.reading.truth
    detail = {"reading_id": arrival.reading.id, "arrived": _side(arrival.said), "kept": kept and _side(kept)}
    error = sdk.NeedsReview(
        "another source gives a different value for the same moment; a person decides which one is true",
        code="readings-disagree",
        path=f"records[{arrival.position}].value",
        detail=orjson.dumps(detail).decode(),
    )
    part = msgspec.structs.replace(arrival.record, reading_id=arrival.reading.id)
    return sdk.Aside(error, encode([part]), sdk.Shape.RECORDS)


def _side(claim: Claim) -> dict[str, str | int]:
    return {
        "value": units.text_of(claim.steps, claim.unit),
        "unit": claim.unit,
        "effective_millis": claim.millis,
        "road": claim.road.value,
        "status": claim.status.value,
        "message_id": claim.message_id,
        "origin_id": claim.origin_id,
    }
