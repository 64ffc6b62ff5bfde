"""Outcomes read back from ORU^R01: what `outcome_out` writes, and what others write with the same LOINC codes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from zoneinfo import ZoneInfo

from clinical.hl7v2.dtm import offset_of, read_dtm
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.meaning import OUR_SYSTEM
from clinical.hl7v2.message import Message
from clinical.hl7v2.oru import Order, patient_results
from clinical.hl7v2.outcome_rows import ID, READINGS, VERSION, WINDOW, figures_of, subject_of
from clinical.hl7v2.patient import patient_of
from clinical.hl7v2.segment import Segment
from clinical.hl7v2.status import status_of
from clinical.hl7v2.times import Clock, Time
from clinical.hl7v2.values import has_value, read_text, read_value
from clinical.records import PatientRef, Status

_ABOUT = frozenset({ID, VERSION, WINDOW, READINGS})
_STRONGEST_FIRST = (Status.CORRECTED, Status.AMENDED, Status.PRELIMINARY, Status.FINAL)


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one window. Names of figures are those of `IssuedOutcome`; `deleted` are those that the sender
    has taken back. `end_millis` is not in the window; `about` is what our own codes tell of the outcome itself."""

    patient: PatientRef = field(repr=False)
    subject: str
    start_millis: int
    end_millis: int
    status: Status
    figures: Mapping[str, Decimal] = field(repr=False)
    deleted: frozenset[str]
    about: Mapping[str, str]


def read_outcomes(message: Message, zone: ZoneInfo, *, kind: str = "MR", assigner: str | None = None) -> list[Summary]:
    """The outcomes of a message, one for each OBR that holds one; everything else in it is passed over.

    `zone` is for times without an offset; `kind` and `assigner` as in `patient_of`. Raises Hl7Error with the path for
    a window, a figure or a unit that cannot be read, and for a patient who is not named.
    """
    msh = message.segments[0]
    clock = Clock(zone, offset_of(msh.leaf(7)))
    found = []
    for result in patient_results(message):
        for order in result.orders:
            obr = order.obr
            subject = None if obr is None else subject_of(obr.leaf(4).strip(), obr.leaf(4, 3).strip())
            if subject is not None:
                fallback = msh.leaf(4).strip()
                patient = patient_of(result.pid, result.number, kind=kind, assigner=assigner, fallback_system=fallback)
                found.append(_summary(patient, subject, order, clock))
    return found


def _summary(patient: PatientRef, subject: str, order: Order, clock: Clock) -> Summary:
    told = _Told(subject)
    for each in order.observations:
        try:
            told.add(each.obx)
        except Hl7Error as error:
            raise Hl7Error(error.text, f"OBX[{each.number}]-{error.path}", error.code) from None
    start, end = (_millis(order, number, clock) for number in (7, 8))
    return Summary(patient, subject, start, end + 1000, told.status, told.figures, frozenset(told.deleted), told.about)


class _Told:
    """What the OBX of one outcome say, one after the other."""

    def __init__(self, subject: str) -> None:
        self.figures: dict[str, Decimal] = {}
        self.deleted: set[str] = set()
        self.about: dict[str, str] = {}
        self._names = {(told.code[0], told.code[2]): (name, told.unit) for name, told in figures_of(subject).items()}
        self._statuses: set[Status] = set()

    @property
    def status(self) -> Status:
        """Corrected if anything is, preliminary if anything is that, else final; if all is deleted, that."""
        return next((s for s in _STRONGEST_FIRST if s in self._statuses), Status.ENTERED_IN_ERROR)

    def add(self, obx: Segment) -> None:
        """Raises Hl7Error with the path inside the segment."""
        code, system = obx.leaf(3).strip(), obx.leaf(3, 3).strip()
        if system == OUR_SYSTEM and code in _ABOUT:
            self.about[code] = str(read_value(obx).number) if code in (VERSION, READINGS) else read_text(obx)
        elif (code, system) in self._names:
            self._figure(obx, *self._names[code, system])

    def _figure(self, obx: Segment, name: str, unit: str) -> None:
        status = status_of(obx, Status.PRELIMINARY)
        if status is Status.ENTERED_IN_ERROR:
            self.deleted.add(name)
        else:
            self._statuses.add(status)
        if not has_value(obx):
            return
        if (sent := obx.leaf(6).strip()) and sent != unit:
            raise Hl7Error(f"the unit is not the one of this figure; send {unit}", "6", "unit-unknown")
        number = read_value(obx).number
        if number is None:
            raise Hl7Error("is a limit, not a figure", "5", "not-a-number")
        self.figures[name] = number


def _millis(order: Order, number: int, clock: Clock) -> int:
    path = f"OBR[{order.number}]-{number}"
    text = order.obr.leaf(number).strip() if order.obr is not None else ""
    try:
        return clock.effective(Time(text, read_dtm(text), path)).instant.millis
    except Hl7Error as error:
        raise Hl7Error(error.text, path, error.code) from None
