"""Many patients in one pass: each one's day, and its figures, are those of the patient alone."""

from datetime import date
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from clinical import units
from clinical.outcomes import CONTEXT_MILLIS, ISLET, days_ending
from clinical.outcomes.subjects import Asked, Glucose, Growth, Measured
from clinical.outcomes.windows import Window
from clinical.records import Detection, Device, Quantity
from tests.examples import some

DAY = date(2024, 3, 31)
ZONES = [ZoneInfo(name) for name in ("Europe/Dublin", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC")]
MINUTE = 60_000
SUBJECT = Glucose(ISLET)
DEVICES = [None, Device(vendor="Dexcom", model="G7", serial="a"), Device(vendor="Abbott", model="FreeStyle Libre 2")]


@st.composite
def patients(draw: st.DrawFn) -> tuple[Window, list[Measured], int]:
    """A day, readings of it, before, after and of no possible time, and how many of them come later."""
    day = days_ending(DAY, 1, draw(st.sampled_from(ZONES)))
    start = day.start_millis
    moments = st.one_of(
        st.integers(start - 120 * MINUTE, day.end_millis + 60 * MINUTE),
        st.integers(0, 11).map(lambda place: start + 5 * MINUTE * place),
        st.sampled_from([start, day.end_millis, start + (1 << 42), (1 << 42) - 1, 1 << 43, -1]),
    )
    given = [_reading(draw, number, draw(moments)) for number in range(draw(st.integers(0, 12)))]
    return day, given, draw(st.integers(0, len(given)))


def _reading(draw: st.DrawFn, number: int, millis: int) -> Measured:
    unit = draw(st.sampled_from([units.MG_DL, units.MG_DL, units.MMOL_L, "1"]))
    event = draw(st.sampled_from([None] * 6 + ["sensor-start", "sensor-error"]))
    return Measured(
        millis,
        Quantity(steps=draw(st.integers(2, 420)), unit=unit),
        draw(st.sampled_from(["one", "other"])),
        draw(st.sampled_from([None, None, None, *Detection])),
        draw(st.sampled_from(DEVICES)),
        event=event,
        until_millis=millis + draw(st.integers(1, 300)) * MINUTE if event == "sensor-error" else None,
        key=number,
    )


@settings(max_examples=some(60), deadline=None)
@given(st.lists(patients(), min_size=1, max_size=5))
def test_days_that_grow_together_are_those_of_each_patient_alone(
    many: list[tuple[Window, list[Measured], int]],
) -> None:
    asked, alone = [], []
    for day, told, later in many:
        late = {each.key for each in told[:later] if each.event is None}
        late |= {each.key for each in told if each.event is None and each.millis >= day.end_millis + CONTEXT_MILLIS}
        kept, new = ([each for each in told if (each.key in late) is wanted] for wanted in (False, True))
        values = [each for each in told if each.event is None and each.millis >= day.start_millis]
        asked.append(Growth(SUBJECT.kept(kept, day), new, [day], day.start_millis, len(values)))
        alone.append(SUBJECT.days(told, day)[0])
    grown = SUBJECT.grown(asked)
    for each, element in zip(grown, alone, strict=True):
        assert each is not None
        assert SUBJECT.stored(each[0].element) == SUBJECT.stored(element)
    wanted = [Asked([element], day, day.end_millis) for element, (day, _, _) in zip(alone, many, strict=True)]
    assert SUBJECT.found(wanted) == [SUBJECT.found([each])[0] for each in wanted]
    stored = [each._replace(days=[SUBJECT.stored(element) for element in each.days]) for each in wanted]
    assert SUBJECT.found(stored) == SUBJECT.found(wanted)
