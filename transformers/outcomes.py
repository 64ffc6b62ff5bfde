"""`outcomes`: time in range and its family, kept up to date with every reading; also blood pressure and weight."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from itertools import groupby
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from pydantic import Field, field_validator, model_validator

from clinical import units
from clinical.issued import Cause, set_of
from clinical.outcomes.plain_values import BloodPressure, Weight
from clinical.outcomes.subjects import Glucose, Measured, Subject
from clinical.records import AnyRecord, DeviceEvent, PatientRef, Quantity, Status, order_key
from engine import sdk
from ledger.outcome_lane import bring_up_to_date
from ledger.outcome_rules import Change, Issued, Plan, Work
from ledger.subjects import matter_of
from transformers.record_bodies import read_records
from transformers.target_sets import GlucoseMethod

REBUILD = "rebuild"
"""Meta of a message without records that asks for all windows ending on these days: `2026-11-01/2026-11-20`."""

CLOSE = "close"
"""Meta of a message without records that asks for what has ended; its value is when that was asked."""

CHECK = "check"
"""Meta beside `rebuild`: only for patients who have outcomes already."""

PATIENT = "rebuild_patient"
"""Meta beside either: whose, as the JSON of a `PatientRef`."""

_LONGEST_DAYS = 366
_NOTHING = Quantity(steps=0, unit=units.UNITY)
_CAUSES: Mapping[Status, Cause] = {
    Status.ENTERED_IN_ERROR: Cause.WITHDRAWN,
    Status.AMENDED: Cause.CORRECTED,
    Status.CORRECTED: Cause.CORRECTED,
}


class Target(sdk.Settings):
    """Of blood pressure in mm[Hg]: a measurement is at target if both values are below."""

    systolic_below: Annotated[int, Field(ge=80, le=250)] = 130
    diastolic_below: Annotated[int, Field(ge=40, le=150)] = 80


class OutcomesSettings(GlucoseMethod):
    """`of`: what the outcomes are about. `windows`: lengths in whole local days, `1` the calendar day; `partial`:
    those that are also told of before they end; `fixed`: those that lie side by side. A window is final when it has
    ended and `grace` has passed."""

    timezone: sdk.Zone
    """Whose midnight counts, for patients without a zone of their own (`islet patients zone`)."""
    of: Literal["glucose", "blood-pressure", "weight"] = "glucose"
    windows: Annotated[tuple[int, ...], Field(min_length=1)] = (1, 7, 14, 30, 90)
    partial: tuple[int, ...] = (1,)
    fixed: tuple[int, ...] = ()
    grace: sdk.Duration = 0.0
    target: Target = Target()

    @field_validator("windows")
    @classmethod
    def _lengths(cls, windows: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 1 <= days <= _LONGEST_DAYS for days in windows) or len(set(windows)) != len(windows):
            raise ValueError(f"must be different whole numbers of days from 1 to {_LONGEST_DAYS}, such as [1, 14, 90]")
        return windows

    @field_validator("grace")
    @classmethod
    def _grace(cls, seconds: float) -> float:
        if not 0 <= seconds <= 7 * 86_400:
            raise ValueError("must be between 0s and 7d")
        return seconds

    @model_validator(mode="after")
    def _partial_of_windows(self) -> "OutcomesSettings":
        for name in ("partial", "fixed"):
            if not set(getattr(self, name)) <= set(self.windows):
                raise ValueError(f"`{name}` names a length that `windows` lacks; write it in both")
        return self

    @cached_property
    def plan(self) -> Plan:
        """What these settings stand for."""
        return Plan(
            subject=self._subject,
            zone=ZoneInfo(self.timezone),
            lengths=self.windows,
            partial=frozenset(self.partial),
            fixed=frozenset(self.fixed),
            grace_millis=round(self.grace * 1000),
        )

    @property
    def _subject(self) -> Subject:
        if self.of == "blood-pressure":
            return BloodPressure(self.target.systolic_below, self.target.diastolic_below)
        if self.of == "weight":
            return Weight()
        return Glucose(self.glucose_profile)


async def _together(
    messages: Sequence[sdk.Message], settings: OutcomesSettings, tx: sdk.Transaction
) -> Sequence[Sequence[sdk.StepOutput]]:
    """As `outcomes`, for several messages: each patient's are looked at once, and the last of them tells."""
    outputs: list[list[sdk.StepOutput]] = [[] for _ in messages]
    for works in _rounds(messages, settings.plan):
        made = await bring_up_to_date(tx, settings.plan, [work for _, work in works])
        for (place, work), issued in zip(works, made, strict=True):
            if issued:
                outputs[place].append(_output(messages[place], work, issued))
    return [found or [sdk.Drop("no figure changed")] for found in outputs]


@sdk.stateful_step(
    "outcomes", settings=OutcomesSettings, accepts={sdk.Shape.RECORDS}, emits=sdk.Shape.JSON, together=_together
)
async def outcomes(message: sdk.Message, settings: OutcomesSettings, tx: sdk.Transaction) -> Sequence[sdk.StepOutput]:
    """Compute anew what reconciled readings change, from the ledger's readings, and issue what is new.

    Output: for each patient a message with the JSON of a `clinical.issued.IssuedSet`; a Drop if no figure changed. A
    message without records and with `rebuild` in its meta is the batch lane's, one with `close` the schedule's.
    """
    return (await _together([message], settings, tx))[0]


def _rounds(messages: Sequence[sdk.Message], plan: Plan) -> Iterable[list[tuple[int, Work]]]:
    """The work of messages, each with the place of the message that tells; in a round every patient once, of one
    tenant. Requests are rounds of their own."""
    for asked, some in groupby(enumerate(messages), key=lambda each: (_is_request(each[1]), each[1].tenant)):
        if asked[0]:
            yield from ([(place, _request(message))] for place, message in some)
            continue
        works: dict[str, tuple[int, Work]] = {}
        for place, message in some:
            for work in _works(message, plan):
                before = works.get(work.key)
                works[work.key] = place, work if before is None else _joined(before[1], work)
        if works:
            yield list(works.values())


def _joined(one: Work, later: Work) -> Work:
    now = max(one.now_millis, later.now_millis)
    return replace(later, changes=[*one.changes, *later.changes], now_millis=now)


def _is_request(message: sdk.Message) -> bool:
    return REBUILD in message.meta or CLOSE in message.meta


def _output(message: sdk.Message, work: Work, made: Sequence[Issued]) -> sdk.Message:
    counts = Counter(sorted(each.outcome.status.value for each in made))
    tally = " ".join(f"{status}={count}" for status, count in counts.items())
    return message.but(
        body=set_of([each.body for each in made]), shape=sdk.Shape.JSON, order_key=work.key, meta={"tally": tally}
    )


def _works(message: sdk.Message, plan: Plan) -> list[Work]:
    changes: dict[str, list[Change]] = {}
    patients: dict[str, PatientRef] = {}
    for record in read_records(message.body):
        if matter_of(record).subject in plan.subject.reads:
            key = order_key(record.patient)
            patients.setdefault(key, record.patient)
            changes.setdefault(key, []).extend(_changes(record, plan))
    return [_work(message, patients[key], changes[key]) for key in changes]


def _work(message: sdk.Message, patient: PatientRef, changes: Sequence[Change]) -> Work:
    return Work(
        tenant=message.tenant,
        patient=patient,
        key=order_key(patient),
        changes=changes,
        now_millis=sdk.to_micros(message.received_at) // 1000,
        message_id=message.id,
        origin_id=message.origin_id,
        new_id=sdk.new_id,
    )


def _changes(record: AnyRecord, plan: Plan) -> list[Change]:
    """What a record changed; a device event changes the time that it excludes."""
    millis = record.effective.millis
    if not isinstance(record, DeviceEvent):
        return [Change(millis, _CAUSES.get(record.status, Cause.NEW))]
    event = Measured(
        millis,
        record.value or _NOTHING,
        record.source.system,
        device=record.device,
        event=record.event,
        until_millis=record.until.millis if record.until is not None else None,
    )
    return [Change(millis, Cause.EXCLUSION, span) for span in plan.subject.spans([event])]


def _request(message: sdk.Message) -> Work:
    """What the schedule or a person asks for."""
    try:
        patient = msgspec.json.decode(message.meta.get(PATIENT, ""), type=PatientRef)
        if CLOSE in message.meta:
            return replace(_work(message, patient, ()), close=True)
        first, _, last = message.meta[REBUILD].partition("/")
        days = date.fromisoformat(first), date.fromisoformat(last)
    except (ValueError, msgspec.MsgspecError):
        raise sdk.InvalidMessage(
            "names no days and no patient; a rebuild is asked for with `islet outcomes rebuild`",
            code="rebuild",
            path=f"meta.{REBUILD}",
        ) from None
    if days[1] < days[0]:
        raise sdk.InvalidMessage("ends before it begins", code="rebuild", path=f"meta.{REBUILD}")
    return replace(_work(message, patient, ()), rebuild=days, check=CHECK in message.meta)
