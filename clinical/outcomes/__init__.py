"""Outcomes: time in range and its family, from arrays of readings. Pure: no I/O, no clock, no records.

From readings to figures:

    given = readings(millis, steps, unit, interval_seconds, detection=..., stream=..., rank=...)
    spans = disjoint([warm_up("Dexcom G6").after(sensor_start_millis)])
    chosen = slots(given, spans)                     # one for each stretch of time, the rest dropped with reasons
    window = days_ending(date(2024, 3, 10), 14, ZoneInfo("Europe/Dublin"))
    found = outcome(element(chosen, window, ISLET, spans), window, ISLET)
    found.shares.in_range, found.figures.gmi, found.events[Kind.HYPO_1], found.accounting.excluded_millis

Kept up to date (a store keeps `encode(each)` by patient, day and method):

    days = {day: element(...) for each local day}    # `day_elements` cuts a window at midnights
    again = affected_days(changed_millis, zone)      # late data: make only these anew, from the day and CONTEXT_MILLIS
    outcome(window_element(days, window, ISLET), window, ISLET, before=days.get(day_before))

The result is the same, bit for bit, as from all readings at once. `modd`, `conga` and `mage` do not merge and take
slots. `agp` gives percentiles by time of day, `core` the core set for many patients, `step` alerts, `validation.report`
the suite a clinician can read. A value is classified in the unit it came in; conversion is for averages and display.
"""

from clinical.outcomes.alerts import RULE, Alert, AlertKind, AlertRule, AlertState, step
from clinical.outcomes.batch import Core, core
from clinical.outcomes.cleaning import Readings, Slots, readings, slots, steps_from
from clinical.outcomes.daily_profile import Profile24h, agp
from clinical.outcomes.elements import Element, merged
from clinical.outcomes.episodes import Ended, Events, Kind, events
from clinical.outcomes.errors import OutcomeError
from clinical.outcomes.excursions import Mage, mage
from clinical.outcomes.figures import Figures, Shares
from clinical.outcomes.history import CONTEXT_MILLIS, affected_days, decode, encode, rolling_elements, window_element
from clinical.outcomes.profile import IGLU, ISLET, VERSION, Profile
from clinical.outcomes.reasons import Reason, Span, disjoint, warm_up
from clinical.outcomes.results import Accounting, Outcome, outcome, outcomes
from clinical.outcomes.stretches import day_elements, element
from clinical.outcomes.targets import (
    ADULT,
    OLDER,
    PREGNANCY,
    PREGNANCY_TYPE_1,
    SHIPPED,
    Band,
    Goal,
    TargetSet,
    target_set,
)
from clinical.outcomes.variability import NOT_MERGEABLE, conga, modd
from clinical.outcomes.windows import Window, WindowState, days_ending, fixed_period

__all__ = [
    "ADULT",
    "CONTEXT_MILLIS",
    "IGLU",
    "ISLET",
    "NOT_MERGEABLE",
    "OLDER",
    "PREGNANCY",
    "PREGNANCY_TYPE_1",
    "RULE",
    "SHIPPED",
    "VERSION",
    "Accounting",
    "Alert",
    "AlertKind",
    "AlertRule",
    "AlertState",
    "Band",
    "Core",
    "Element",
    "Ended",
    "Events",
    "Figures",
    "Goal",
    "Kind",
    "Mage",
    "Outcome",
    "OutcomeError",
    "Profile",
    "Profile24h",
    "Readings",
    "Reason",
    "Shares",
    "Slots",
    "Span",
    "TargetSet",
    "Window",
    "WindowState",
    "affected_days",
    "agp",
    "conga",
    "core",
    "day_elements",
    "days_ending",
    "decode",
    "disjoint",
    "element",
    "encode",
    "events",
    "fixed_period",
    "mage",
    "merged",
    "modd",
    "outcome",
    "outcomes",
    "readings",
    "rolling_elements",
    "slots",
    "step",
    "steps_from",
    "target_set",
    "warm_up",
    "window_element",
]
