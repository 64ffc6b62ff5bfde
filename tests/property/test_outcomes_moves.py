"""Whatever readings do after they came (move in time, to another patient, to another unit, go, come late), the figures
that stand are those of a full recompute from what the ledger holds."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from clinical import units
from clinical.records import AnyRecord, Device, DeviceEvent, Original, PatientRef, Road, SourceId, Status
from tests.builders import ten_oclock
from tests.contract.outcomes.support import DAY, OutcomeLedger
from tests.examples import some
from tests.unit.ledger.support import a_reading

FIRST, LAST = "2026-11-18", "2026-11-26"
PATIENTS = {name: PatientRef(system="test", value=name, id=name) for name in ("p1", "p2")}

moments = st.integers(min_value=0, max_value=4 * DAY // 300 - 1).map(lambda place: 300 * place)
jitter = st.integers(min_value=-200, max_value=200)


@dataclass
class Feed:
    """A ledger that is told one thing after the other, and what each source said last."""

    ledger: OutcomeLedger
    hours: float = 98.0
    said: dict[str, tuple[float, float, str]] = field(default_factory=dict)
    version: int = 0

    def tell(self, *records: AnyRecord) -> None:
        self.hours += 0.25
        self.ledger.tell(*records, hours=self.hours)

    def says(self, name: str, seconds: float, value: float, patient: str, **changes: object) -> None:
        self.version += 1
        self.said[name] = seconds, value, patient
        settings = {"id_": name, "version": str(self.version), "seconds": seconds, "patient": patient, **changes}
        self.tell(a_reading(value, **settings))  # type: ignore[arg-type]


def change(feed: Feed, data: st.DataObject, number: int) -> None:
    """One of the things that happen to readings."""
    names = sorted(feed.said)
    what = data.draw(st.sampled_from([*CHANGES, "new"] if names else ["new", "event"]), label="what")
    if what == "new":
        seconds, value = data.draw(moments), data.draw(st.integers(40, 390))
        feed.says(f"n{number}", seconds, value, data.draw(st.sampled_from(sorted(PATIENTS))))
    elif what == "event":
        event(feed, data)
    else:
        name = data.draw(st.sampled_from(names), label="which")
        CHANGES[what](feed, data, name)


def move(feed: Feed, data: st.DataObject, name: str) -> None:
    _, value, patient = feed.said[name]
    status = data.draw(st.sampled_from([Status.FINAL, Status.AMENDED]))
    feed.says(name, data.draw(moments), value, patient, status=status)


def drift(feed: Feed, data: st.DataObject, _: str) -> None:
    """The clock was wrong: all of a patient's readings move, over midnights too."""
    by, patient = data.draw(st.sampled_from([-7200, -40, 25, 3600])), data.draw(st.sampled_from(sorted(PATIENTS)))
    for name, (seconds, value, whose) in sorted(feed.said.items()):
        if whose == patient:
            feed.says(name, seconds + by, value, whose)


def hand_over(feed: Feed, data: st.DataObject, name: str) -> None:
    """It was another patient's."""
    seconds, value, patient = feed.said[name]
    feed.says(name, seconds, value, "p2" if patient == "p1" else "p1", status=Status.CORRECTED)


def correct(feed: Feed, data: st.DataObject, name: str) -> None:
    seconds, _, patient = feed.said[name]
    feed.says(name, seconds, data.draw(st.integers(40, 390)), patient, status=Status.CORRECTED)


def fix_unit(feed: Feed, data: st.DataObject, name: str) -> None:
    seconds, value, patient = feed.said[name]
    feed.says(name, seconds, round(value / 18, 1) if value > 35 else value, patient, unit=units.MMOL_L)


def withdraw(feed: Feed, data: st.DataObject, name: str) -> None:
    seconds, value, patient = feed.said[name]
    feed.says(name, seconds, value, patient, status=Status.ENTERED_IN_ERROR)


def copy(feed: Feed, data: st.DataObject, name: str) -> None:
    """A preferred source says the same in the other unit, some seconds away: nobody downstream is told."""
    seconds, value, patient = feed.said[name]
    if value > 35:
        steps = units.convert(round(value), units.MG_DL, units.MMOL_L)
        feed.tell(
            a_reading(steps / 10, units.MMOL_L, seconds=seconds + 20, road=Road.FHIR, id_=f"c{name}", patient=patient)
        )


def event(feed: Feed, data: st.DataObject) -> None:
    feed.version += 1
    until = data.draw(st.sampled_from([None, 3600, 30 * 3600]))
    at = data.draw(moments)
    feed.tell(
        DeviceEvent(
            patient=PATIENTS["p1"],
            effective=ten_oclock(at),
            status=Status.FINAL,
            source=SourceId(
                road=Road.CLOUD,
                system="sys-cloud",
                value=data.draw(st.sampled_from(["a", "b"])),
                version=str(feed.version),
            ),
            original=Original(code="E"),
            device=Device(vendor="Dexcom", model=data.draw(st.sampled_from(["G6", "G7"]))),
            event="sensor-start" if until is None else "sensor-error",
            until=None if until is None else ten_oclock(at + until),
        )
    )


CHANGES = {
    "move": move,
    "drift": drift,
    "hand over": hand_over,
    "correct": correct,
    "fix unit": fix_unit,
    "withdraw": withdraw,
    "copy": copy,
}


@settings(max_examples=some(12), deadline=None)
@given(st.data())
def test_moves_of_every_kind_come_to_a_full_recompute(data: st.DataObject) -> None:
    with OutcomeLedger() as ledger:
        feed = Feed(ledger)
        for number in range(data.draw(st.integers(3, 12))):
            change(feed, data, number)
        for patient in PATIENTS.values():
            ledger.end(feed.hours + 1, patient)
        ours = {name: ledger.elements(name) for name in PATIENTS}
        ledger.forget_days()
        for name, patient in PATIENTS.items():
            differing = ledger.rebuild(FIRST, LAST, feed.hours + 1, patient)
            assert [each.period for each in differing if each.replaces] == []
            whole = ledger.elements(name)
            assert all(whole[day] == element for day, element in ours[name].items() if day in whole)
