"""One record of each kind and for each way in which its mapping branches, and any such record for property tests."""

from typing import Any

from hypothesis import strategies as st

from clinical import units
from clinical.measures import UNIT, Measure
from clinical.records import (
    Analyte,
    Annotation,
    AnyRecord,
    BloodPressure,
    Carbohydrate,
    Deed,
    Detection,
    Device,
    DeviceEvent,
    Glucose,
    Instant,
    InsulinDose,
    InsulinKind,
    InsulinTotal,
    Original,
    PatientRef,
    Quantity,
    Road,
    SourceId,
    Status,
    VitalKind,
    VitalSign,
)
from tests.builders import TEN_OCLOCK_MILLIS
from tests.unit.fhir.builders import a_reading

PUMP = Device(vendor="Tandem", model="t:slim X2", serial="P-77", udi="(01)00852162004385(21)77")


def entry(**changes: Any) -> dict[str, Any]:
    """What every record has."""
    reading = a_reading()
    good = {name: getattr(reading, name) for name in ("patient", "effective", "status", "source", "original")}
    return good | {"device": PUMP, **changes}


def q(steps: int, unit: str) -> Quantity:
    return Quantity(steps=steps, unit=unit)


def every_kind() -> list[AnyRecord]:
    """Every kind but glucose, in all their shapes."""
    bolus = q(4500, units.INSULIN)
    base = entry()
    later = Instant(millis=TEN_OCLOCK_MILLIS + 1_800_000, how="offset", offset_minutes=0)
    day = Instant(millis=TEN_OCLOCK_MILLIS - 36_000_000, how="zone", zone="UTC", precision="day")
    return [
        *(InsulinDose(**entry(status=status), kind=InsulinKind.BOLUS, delivered=bolus) for status in Status),
        InsulinDose(**base, kind=InsulinKind.BOLUS, requested=q(6000, units.INSULIN), delivered=bolus, automatic=True),
        InsulinDose(**base, kind=InsulinKind.BOLUS, requested=bolus, insulin="NovoRapid"),
        InsulinDose(**base, kind=InsulinKind.INJECTION, delivered=q(20_000, units.INSULIN), insulin="Lantus SoloStar"),
        InsulinDose(**base, kind=InsulinKind.INJECTION, delivered=bolus, insulin="rapid-acting"),
        InsulinDose(**base, kind=InsulinKind.EXTENDED_BOLUS, delivered=bolus, duration_seconds=5400),
        InsulinDose(**base, kind=InsulinKind.BASAL, rate=q(850, units.INSULIN_RATE), duration_seconds=1800),
        InsulinDose(**base, kind=InsulinKind.BASAL, rate=q(0, units.INSULIN_RATE)),
        InsulinDose(**base, kind=InsulinKind.PRIMING, delivered=q(300, units.INSULIN)),
        InsulinDose(**entry(status=Status.ENTERED_IN_ERROR), kind=InsulinKind.BOLUS),
        InsulinTotal(
            **entry(effective=day),
            total=q(41_250, units.INSULIN),
            basal=q(20_000, units.INSULIN),
            bolus=q(21_250, units.INSULIN),
        ),
        InsulinTotal(**base),
        Carbohydrate(**entry(notes=("breakfast",)), amount=q(455, units.GRAM)),
        DeviceEvent(**base, event="calibration", value=q(105, units.MG_DL)),
        DeviceEvent(**entry(original=Original(code="Site Change")), event="site-change"),
        DeviceEvent(**base, event="suspend", until=later),
        VitalSign(**base, kind=VitalKind.WEIGHT, value=q(8150, units.KILOGRAM)),
        VitalSign(**base, kind=VitalKind.HEART_RATE, value=q(62, units.PER_MINUTE)),
        VitalSign(**base, kind=VitalKind.STEPS, value=q(4211, units.COUNT), duration_seconds=3600),
        VitalSign(**base, kind=VitalKind.STEPS, value=q(9876, units.COUNT), duration_seconds=86_400),
        BloodPressure(**base, systolic=q(128, units.PRESSURE), diastolic=q(82, units.PRESSURE)),
        BloodPressure(
            **base, systolic=q(128, units.PRESSURE), diastolic=q(82, units.PRESSURE), pulse=q(70, units.PER_MINUTE)
        ),
        Annotation(**base, text="felt low"),
        Annotation(**base, text="run", kind="exercise", duration_seconds=2700),
    ]


# XML 1.0 has no other signs, and FHIR's strings are meant to fit in it; one that is blank is none.
_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF), min_size=1, max_size=20).filter(str.strip)
_INSTANTS = st.builds(
    Instant,
    millis=st.integers(0, 4_000_000_000_000),
    how=st.sampled_from(["offset", "zone", "device-utc"]),
    local=st.none() | st.just("2026-11-20T10:00:00"),
    offset_minutes=st.none() | st.integers(-840, 840),
    zone=st.none() | st.just("Europe/Dublin"),
    precision=st.sampled_from(["minute", "second", "millisecond"]),
    fold=st.booleans(),
    gap=st.booleans(),
)
_SOURCES = st.builds(
    SourceId, road=st.sampled_from(Road), system=_TEXT, value=_TEXT, sender=st.none() | _TEXT, version=st.none() | _TEXT
)
_ORIGINALS = st.builds(Original, value=st.none() | _TEXT, unit=st.none() | _TEXT, code=st.none() | _TEXT)
_DEVICES = st.builds(
    Device,
    vendor=st.none() | _TEXT,
    model=st.none() | _TEXT,
    generation=st.none() | _TEXT,
    serial=st.none() | _TEXT,
    udi=st.none() | st.just("(01)00386270003591"),
).filter(lambda device: device != Device())


def _quantities(measure: Measure, most: int) -> st.SearchStrategy[Quantity]:
    return st.builds(Quantity, steps=st.integers(30, most), unit=st.just(UNIT[measure]))


def _records(made: type[Any], /, **own: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        made,
        patient=st.builds(PatientRef, system=_TEXT, value=_TEXT, id=st.none() | st.just("p-1")),
        effective=_INSTANTS,
        status=st.sampled_from(Status),
        source=_SOURCES,
        original=_ORIGINALS,
        device=st.none() | _DEVICES,
        notes=st.lists(_TEXT, max_size=2).map(tuple),
        done=st.lists(st.builds(Deed, rule=_TEXT, version=_TEXT, what=_TEXT), max_size=2).map(tuple),
        reading_id=st.none() | _TEXT,
        **own,
    )


_BOLUS = _quantities(Measure.BOLUS, 100_000)
_SECONDS = st.none() | st.integers(0, 86_400)
_GLUCOSE = st.builds(Quantity, steps=st.integers(10, 550), unit=st.sampled_from([units.MG_DL, units.MMOL_L]))

any_record: st.SearchStrategy[AnyRecord] = st.one_of(
    _records(
        Glucose,
        analyte=st.sampled_from(Analyte),
        value=_GLUCOSE,
        detection=st.none() | st.sampled_from(Detection),
        trend=st.none() | st.just("flat"),
        replaces_value=st.none() | _GLUCOSE,
    ),
    _records(
        InsulinDose,
        kind=st.sampled_from(InsulinKind),
        requested=st.none() | _BOLUS,
        delivered=_BOLUS,
        rate=st.none() | _quantities(Measure.BASAL_RATE, 9000),
        duration_seconds=_SECONDS,
        automatic=st.booleans(),
        insulin=st.none() | _TEXT | st.sampled_from(["NovoRapid", "Tresiba", "rapid-acting"]),
    ),
    _records(InsulinTotal, total=st.none() | _BOLUS, basal=st.none() | _BOLUS, bolus=st.none() | _BOLUS),
    _records(Carbohydrate, amount=_quantities(Measure.CARBOHYDRATE, 2000)),
    _records(
        DeviceEvent,
        event=st.sampled_from(["calibration", "suspend", "alarm"]),
        value=st.none() | _BOLUS | _GLUCOSE,
        until=st.none() | _INSTANTS,
    ),
    _records(VitalSign, kind=st.just(VitalKind.WEIGHT), value=_quantities(Measure.WEIGHT, 50_000)),
    _records(
        VitalSign, kind=st.just(VitalKind.STEPS), value=_quantities(Measure.STEPS, 50_000), duration_seconds=_SECONDS
    ),
    _records(
        BloodPressure,
        systolic=_quantities(Measure.SYSTOLIC, 250),
        diastolic=_quantities(Measure.DIASTOLIC, 150),
        pulse=st.none() | _quantities(Measure.HEART_RATE, 200),
    ),
    _records(Annotation, text=_TEXT, kind=st.sampled_from(["note", "meal"]), duration_seconds=_SECONDS),
)
