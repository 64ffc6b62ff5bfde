"""`glucose_alerts`: a low that is coming within 30 minutes, or has come, as an event, once; and that it is over."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

from clinical import units
from clinical.fhir.identifiers import reading_value
from clinical.outcomes import SHIPPED
from clinical.outcomes.alerts import RULE, Alert, AlertKind, AlertRule, AlertState
from clinical.outcomes.alerts import step as alert_step
from clinical.outcomes.profile import ISLET
from clinical.outcomes.subjects import Glucose as GlucoseSubject
from clinical.outcomes.subjects import Measured
from clinical.outcomes.windows import Window
from clinical.records import (
    Deed,
    DeviceEvent,
    Glucose,
    Instant,
    Original,
    PatientRef,
    Quantity,
    Road,
    SourceId,
    Status,
    encode,
    order_key,
)
from engine import sdk
from ledger import outcome_store
from ledger.alert_store import Known, Told, known_alerts, put_alerts, put_told
from transformers.record_bodies import read_records

ALERT_SYSTEM = "urn:islet:alerts"
_UTC = ZoneInfo("UTC")
_DEED = "glucose_alerts"
_SUBJECT = GlucoseSubject(ISLET)
_BACK_MILLIS = 7_200_000
"""How far before the newest reading slots are looked for: sensors that overlap are told apart by it."""

_WORDS: Mapping[AlertKind, str] = {
    AlertKind.PREDICTED_LOW: "alert-predicted-low",
    AlertKind.CONFIRMED_LOW: "alert-low",
    AlertKind.CONFIRMED_VERY_LOW: "alert-urgent-low",
}


class GlucoseAlertsSettings(sdk.Settings):
    """`targets`: what is low. `tell`: which of them."""

    targets: Literal["adult", "older-or-high-risk", "pregnancy-type-1", "pregnancy"] = "adult"
    tell: tuple[AlertKind, ...] = tuple(AlertKind)

    @cached_property
    def rule(self) -> AlertRule:
        return replace(RULE, targets=SHIPPED[self.targets])


@sdk.stateful_step(
    "glucose_alerts", settings=GlucoseAlertsSettings, accepts={sdk.Shape.RECORDS}, emits=sdk.Shape.RECORDS
)
async def glucose_alerts(
    message: sdk.Message, settings: GlucoseAlertsSettings, tx: sdk.Transaction
) -> Sequence[sdk.StepOutput]:
    """Look at each patient's newest readings in the ledger, and tell what has begun or ended.

    An alert is a device event with the same name at its source from beginning to end: final without `until` when it is
    raised, amended with `until` when it is over. Readings that are late or repeated, corrections and excluded time
    raise nothing; what was told is remembered in the transaction of the message, so that a replay tells nothing.
    """
    patients = _patients(message.body)
    known = await known_alerts(tx, message.tenant, settings.targets, list(patients))
    after: dict[str, Known] = {}
    outputs: list[sdk.StepOutput] = []
    told: list[Told] = []
    for key, patient in patients.items():
        before = known.get(key, Known())
        given = await _newest(message, key, tx)
        after[key], events = _look(message, patient, before, given, settings)
        if events:
            meta = {"tally": f"alerts={len(events)}"}
            outputs.append(message.but(body=encode([event for event, _ in events]), order_key=key, meta=meta))
        told += [_told(message, event, first) for event, first in events]
    changed = {key: each for key, each in after.items() if each != known.get(key, Known())}
    await put_alerts(tx, message.tenant, settings.targets, changed)
    await put_told(tx, told)
    return outputs or [sdk.Drop("no alert")]


def _patients(body: bytes) -> dict[str, PatientRef]:
    """Those with a reading of a sensor, by key."""
    found = [record for record in read_records(body) if isinstance(record, Glucose)]
    return {order_key(each.patient): each.patient for each in found if each.analyte.value in _SUBJECT.reads}


async def _newest(message: sdk.Message, key: str, tx: sdk.Transaction) -> list[Measured]:
    now = _millis(message)
    window = Window(now - _BACK_MILLIS, now + 1, _UTC)
    return await outcome_store.standing_readings(tx, message.tenant, key, _SUBJECT, window, around=0)


def _look(
    message: sdk.Message, patient: PatientRef, before: Known, given: Sequence[Measured], settings: GlucoseAlertsSettings
) -> tuple[Known, list[tuple[DeviceEvent, int]]]:
    """What is known after the slots that are new, and the events to tell, each with the time of the first slot that it
    rests on."""
    state, opened = before.state, dict(before.open)
    since = state.recent[-1][0] if state.recent else 0
    events: list[tuple[DeviceEvent, int]] = []
    for slot in _SUBJECT.newer_slots(given, since):
        following, alerts = alert_step(state, slot, _millis(message), settings.rule)
        first = following.recent[0][0]
        for kind in _ended(state, following):
            raised = opened.pop(kind.value, None)
            if raised is not None:
                events.append((_event(message, patient, Alert(kind, raised), until=slot[0]), first))
        for alert in alerts:
            if alert.kind in settings.tell:
                opened[alert.kind.value] = alert.at_millis
                events.append((_event(message, patient, alert), first))
        state = following
    return Known(state, opened), events


def _ended(before: AlertState, after: AlertState) -> Iterable[AlertKind]:
    pairs = (
        (AlertKind.PREDICTED_LOW, before.predicted, after.predicted),
        (AlertKind.CONFIRMED_LOW, before.low.raised, after.low.raised),
        (AlertKind.CONFIRMED_VERY_LOW, before.very_low.raised, after.very_low.raised),
    )
    return [kind for kind, was, is_ in pairs if was and not is_]


def _event(message: sdk.Message, patient: PatientRef, alert: Alert, until: int | None = None) -> DeviceEvent:
    named = repr((message.tenant, order_key(patient), alert.kind.value, alert.at_millis))
    forecast = alert.forecast_mg_dl
    return DeviceEvent(
        patient=patient,
        effective=Instant(millis=alert.at_millis, how="device-utc"),
        status=Status.FINAL if until is None else Status.AMENDED,
        source=SourceId(
            road=Road.CLOUD,
            system=ALERT_SYSTEM,
            value=hashlib.sha256(named.encode()).hexdigest()[:32],
            version="1" if until is None else "2",
        ),
        original=Original(code=alert.kind.value),
        done=(Deed(rule=_DEED, version="1", what="raised" if until is None else "ended"),),
        event=_WORDS[alert.kind],
        value=None if forecast is None else Quantity(steps=max(0, round(forecast)), unit=units.MG_DL),
        until=None if until is None else Instant(millis=until, how="device-utc"),
    )


def _told(message: sdk.Message, event: DeviceEvent, first: int) -> Told:
    return Told(
        id=reading_value(event),
        version=1 if event.until is None else 2,
        tenant=message.tenant,
        patient=order_key(event.patient),
        event=event.event,
        first=first,
        last=(event.until or event.effective).millis,
        message_id=message.id,
        origin_id=message.origin_id,
        at=sdk.to_micros(message.received_at),
    )


def _millis(message: sdk.Message) -> int:
    return sdk.to_micros(message.received_at) // 1000
