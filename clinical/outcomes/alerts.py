"""Hypoglycaemia alerts: predicted within 30 minutes, and confirmed, each with hysteresis, as pure functions of state.

Feed each new slot once, in order, to `step`; keep the state it returns for the patient. Not a medical device's alarm:
the figures behind the rule (about 2.8 predicted alerts a day for patients at risk, 90 % of lows warned of, 20 minutes
ahead in the median, two thirds of alerts not followed by a low) come from 647 patient days on which it was also tuned.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from clinical.outcomes.errors import OutcomeError
from clinical.outcomes.levels import I64, MICRO, STEPS_PER_UNIT
from clinical.outcomes.targets import ADULT, TargetSet


class AlertKind(StrEnum):
    """What is told."""

    PREDICTED_LOW = "predicted-low"
    CONFIRMED_LOW = "confirmed-low"
    CONFIRMED_VERY_LOW = "confirmed-very-low"


@dataclass(frozen=True, slots=True)
class Alert:
    """`at_millis`: the slot that raised it. `forecast_mg_dl`: only with a prediction."""

    kind: AlertKind
    at_millis: int
    forecast_mg_dl: float | None = None


@dataclass(frozen=True, slots=True)
class AlertRule:
    """When to predict a low: least squares over `look_back_seconds`, at least `least_slots`, no pause longer than
    `longest_pause_seconds`; the last value in tight range, falling by `fall_per_minute` or more (mg/dL), and the
    forecast `ahead_seconds` later below `forecast_below`. It can be raised again after value and forecast have been at
    `rearm_at` or above for `rearm_seconds`, and not within `apart_seconds`. Only slots not older than
    `freshest_seconds` raise anything, so a late backfill never does. Confirmed: `confirm_seconds` in the band; over
    after `recover_seconds` out of it.
    """

    targets: TargetSet = ADULT
    look_back_seconds: int = 1200
    least_slots: int = 3
    longest_pause_seconds: int = 600
    fall_per_minute: float = 0.5
    ahead_seconds: int = 1800
    forecast_below: float = 60.0
    rearm_at: float = 80.0
    rearm_seconds: int = 900
    apart_seconds: int = 1800
    freshest_seconds: int = 600
    confirm_seconds: int = 900
    recover_seconds: int = 900


RULE: Final = AlertRule()


@dataclass(frozen=True, slots=True)
class Latch:
    """A confirmed low of one depth: nominal seconds in the band or out of it without interruption, and whether told."""

    inside_seconds: int = 0
    outside_seconds: int = 0
    raised: bool = False


@dataclass(frozen=True, slots=True)
class AlertState:
    """What must be remembered for a patient: recent slots as (time, level, interval in seconds), and the latches."""

    recent: tuple[tuple[int, int, int], ...] = ()
    predicted: bool = False
    predicted_at_millis: int | None = None
    rearming_since_millis: int | None = None
    low: Latch = Latch()
    very_low: Latch = Latch()


def step(
    state: AlertState, slot: tuple[int, int, int], now_millis: int, rule: AlertRule = RULE
) -> tuple[AlertState, tuple[Alert, ...]]:
    """The state after one slot that counts (time in UTC milliseconds, level, nominal interval in seconds), and what it
    raises. Slots in warm-up and other exclusions must not be given. A slot at or before the last one given is backfill:
    it changes nothing."""
    millis, level, _ = slot
    if state.recent and millis <= state.recent[-1][0]:
        return state, ()
    if not 0 <= level < MICRO.size:
        raise OutcomeError("no such level", "level")
    fresh = now_millis - millis <= rule.freshest_seconds * 1000
    state, predicted = _predict(_remembering(state, slot, rule), fresh, rule)
    state, confirmed = _confirm(state, slot, fresh, rule)
    return state, predicted + confirmed


def _remembering(state: AlertState, slot: tuple[int, int, int], rule: AlertRule) -> AlertState:
    """With the slot, without what is too old; after a long pause everything that counts without interruption begins
    anew."""
    paused = bool(state.recent) and slot[0] - state.recent[-1][0] > rule.longest_pause_seconds * 1000
    if paused:
        low, very_low = (replace(latch, inside_seconds=0, outside_seconds=0) for latch in (state.low, state.very_low))
        state = replace(state, recent=(), rearming_since_millis=None, low=low, very_low=very_low)
    since = slot[0] - rule.look_back_seconds * 1000
    return replace(state, recent=(*(each for each in state.recent if each[0] >= since), slot))


def forecast(recent: tuple[tuple[int, int, int], ...], rule: AlertRule = RULE) -> tuple[float, float] | None:
    """The least-squares line through recent slots: its fall in mg/dL per minute (negative when falling), and its value
    `ahead_seconds` after the last slot. None for too few."""
    if len(recent) < rule.least_slots:
        return None
    table: I64 = np.array(recent, np.int64)
    minutes = (table[:, 0] - table[-1, 0]) / 60_000
    values = MICRO[table[:, 1]] / 1e6
    centred = minutes - minutes.mean()
    slope = float(centred @ values / (centred @ centred))
    return slope, float(values.mean() + slope * (rule.ahead_seconds / 60 - minutes.mean()))


def _predict(state: AlertState, fresh: bool, rule: AlertRule) -> tuple[AlertState, tuple[Alert, ...]]:
    millis, level, _ = state.recent[-1]
    line = forecast(state.recent, rule)
    if line is None:
        return state, ()
    slope, ahead = line
    if state.predicted:
        return _rearmed(state, min(int(MICRO[level]) / 1e6, ahead), rule), ()
    last = state.predicted_at_millis
    apart = last is None or millis - last >= rule.apart_seconds * 1000
    falling = slope <= -rule.fall_per_minute and ahead < rule.forecast_below
    if not (fresh and apart and falling and bool(rule.targets.tight()[level])):
        return state, ()
    alert = Alert(AlertKind.PREDICTED_LOW, millis, ahead)
    return replace(state, predicted=True, predicted_at_millis=millis, rearming_since_millis=None), (alert,)


def _rearmed(state: AlertState, lower: float, rule: AlertRule) -> AlertState:
    """`lower`: the lower of value and forecast."""
    millis = state.recent[-1][0]
    if lower < rule.rearm_at:
        return replace(state, rearming_since_millis=None)
    since = state.rearming_since_millis if state.rearming_since_millis is not None else millis
    done = millis - since >= rule.rearm_seconds * 1000
    return replace(state, predicted=not done, rearming_since_millis=None if done else since)


def _confirm(
    state: AlertState, slot: tuple[int, int, int], fresh: bool, rule: AlertRule
) -> tuple[AlertState, tuple[Alert, ...]]:
    millis, level, interval = slot
    thresholds = rule.targets.by_unit[level // STEPS_PER_UNIT]
    steps = level % STEPS_PER_UNIT
    low, told_low = _latched(state.low, steps < thresholds.low, interval, fresh, rule)
    very_low, told_very_low = _latched(state.very_low, steps < thresholds.very_low, interval, fresh, rule)
    told = ((AlertKind.CONFIRMED_LOW, told_low), (AlertKind.CONFIRMED_VERY_LOW, told_very_low))
    alerts = tuple(Alert(kind, millis) for kind, yes in told if yes)
    return replace(state, low=low, very_low=very_low), alerts


def _latched(latch: Latch, inside: bool, interval: int, fresh: bool, rule: AlertRule) -> tuple[Latch, bool]:
    """The latch after one slot, and whether it tells now."""
    if inside:
        seconds = latch.inside_seconds + interval
        tells = fresh and not latch.raised and seconds >= rule.confirm_seconds
        return Latch(seconds, 0, latch.raised or tells), tells
    out = latch.outside_seconds + interval
    return Latch(0, out, latch.raised and out < rule.recover_seconds), False
