"""Which segments of an ORU^R01 belong together (HL7 v2.9.1 section 7.3.1, and what older versions make of it).

Whatever the version says about order and cardinality: a PID starts a patient, an ORC or OBR an order, and NTE and PRT
(v2.7 and later: who and what took part) belong to what stands before them, with Z segments between or not. Segments
that are not needed here are passed over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.message import Message
from clinical.hl7v2.segment import Segment

# Table 0369, specimen role: everything that is no patient's.
_NO_PATIENTS_SPECIMEN = frozenset({"B", "C", "E", "F", "O", "Q", "V"})


@dataclass(slots=True)
class Observation:
    """An OBX, its place among the OBX of the message (from 1), and what `follows` and belongs to it: NTE, PRT, Z."""

    obx: Segment
    number: int
    follows: list[Segment] = field(default_factory=list)

    @property
    def notes(self) -> list[Segment]:
        return [segment for segment in self.follows if segment.name == "NTE"]


@dataclass(slots=True)
class Order:
    """ORC and OBR as far as they are there. `number`: the place of the OBR in the message (from 1)."""

    orc: Segment | None = None
    obr: Segment | None = None
    number: int = 0
    observations: list[Observation] = field(default_factory=list)
    participations: list[Segment] = field(default_factory=list)
    """PRT of the order itself."""
    control: bool = False
    """The specimen is a control or calibrator (SPM-11; before v2.5, OBR-15.7): no patient's results."""


@dataclass(slots=True)
class PatientResult:
    """One patient's part. `number`: the place of the PID in the message (from 1), 0 if there is none."""

    pid: Segment | None = None
    pv1: Segment | None = None
    number: int = 0
    orders: list[Order] = field(default_factory=list)

    def observations(self) -> Iterator[tuple[Order, Observation]]:
        for order in self.orders:
            for observation in order.observations:
                yield order, observation


def patient_results(message: Message) -> list[PatientResult]:
    """The patients of a message with their orders and observations, in its order.

    Raises Hl7Error if a second MSH stands inside: two messages glued together.
    """
    return _Grouping().run(message)


class _Grouping:
    """One pass over the segments."""

    def __init__(self) -> None:
        self.patient = PatientResult()
        self.patients: list[PatientResult] = []
        self.order: Order | None = None
        self.noted: Observation | None = None
        self.counts = {"OBX": 0, "OBR": 0, "PID": 0}

    def run(self, message: Message) -> list[PatientResult]:
        for segment in message.segments[1:]:
            name = segment.name
            if name == "OBX":
                self._observation(segment)
            elif name in ("NTE", "PRT") or name.startswith("Z"):
                self._belongs(name, segment)
            else:
                self.noted = None
                self._other(name, segment)
        return self.patients

    def _observation(self, segment: Segment) -> None:
        self.counts["OBX"] += 1
        self.noted = Observation(segment, self.counts["OBX"])
        self._current_order().observations.append(self.noted)

    def _belongs(self, name: str, segment: Segment) -> None:
        """To what stands before it."""
        if self.noted is not None:
            self.noted.follows.append(segment)
        elif name == "PRT" and self.order is not None:
            self.order.participations.append(segment)

    def _other(self, name: str, segment: Segment) -> None:
        if name == "MSH":
            raise Hl7Error("a second MSH inside the message; send one message at a time", "MSH[2]", "two-messages")
        if name == "PID":
            self.counts["PID"] += 1
            self._start_patient(PatientResult(pid=segment, number=self.counts["PID"]))
        elif name == "PV1":
            self.patient.pv1 = segment
        elif name == "ORC":
            self._start_order(Order(orc=segment))
        elif name == "OBR":
            self._order_detail(segment)
        elif name == "SPM" and segment.leaf(11).strip().upper() in _NO_PATIENTS_SPECIMEN:
            self._current_order().control = True

    def _order_detail(self, segment: Segment) -> None:
        self.counts["OBR"] += 1
        if self.order is None or self.order.obr is not None or self.order.observations:
            self._start_order(Order())
        order = self._current_order()
        order.obr, order.number = segment, self.counts["OBR"]
        order.control = segment.leaf(15, 7).strip().upper() in _NO_PATIENTS_SPECIMEN

    def _start_patient(self, patient: PatientResult) -> None:
        self.patient, self.order = patient, None
        self.patients.append(patient)

    def _start_order(self, order: Order) -> None:
        if not self.patients:
            self._start_patient(self.patient)
        self.order = order
        self.patient.orders.append(order)

    def _current_order(self) -> Order:
        """Results may stand right under the patient (v2.6 and later): an order without ORC and OBR."""
        if self.order is None:
            self._start_order(Order())
        assert self.order is not None
        return self.order
