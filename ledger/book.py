"""The book of one message: what the ledger knows near its records, and what they change. In memory, and pure.

Load it, let every record `arrive`, then write down what it says (`ledger.store`): so a message costs a few SQL
statements however many readings it carries, and its records meet each other by the same rules as those before.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import msgspec

from clinical.records import AnyRecord
from ledger import keys
from ledger.claims import Claim, Standing, agree
from ledger.rules import Decision, Fate, Reading, Rules, Verdict, decide, fate_by_rank, settled, truth

Place = tuple[str, int]


class Arrival(msgspec.Struct, frozen=True):
    """A record that has arrived, and what it came to. `said`: its claim as it came in (`Book.claims` has it as it
    stands now); `keyed`: it says something new, so that its claim is kept."""

    position: int
    record: AnyRecord
    said: Claim
    fate: Fate
    reading: Reading
    keyed: bool

    def __repr__(self) -> str:
        """Without the record (law 9)."""
        return f"Arrival({self.position} {self.fate} {self.reading.id})"


class Passed(msgspec.Struct, frozen=True):
    """A reading that those downstream must hear of. `before`: what it was read from, None if from nothing; `now`: what
    it is read from, None if no source speaks of it any more. `known`: it was in the ledger before."""

    reading: Reading
    before: Claim | None
    now: Claim | None
    known: bool = True

    @property
    def withdrawn(self) -> bool:
        return self.now is None or self.now.withdrawn

    @property
    def comes_back(self) -> bool:
        """It was withdrawn, which those downstream were told, and stands again."""
        if self.withdrawn or not self.known or not (self.before is None or self.before.withdrawn):
            return False
        return any(not claim.withdrawn and claim is not self.now for claim in self.reading.claims)


class Book:
    """Known readings by moment and by source, and the arrivals of one message."""

    def __init__(self, tenant: str, rules: Rules, new_id: Callable[[], str]) -> None:
        self.tenant = tenant
        self.arrivals: list[Arrival] = []
        self.claims: dict[Place, Claim] = {}
        """Every claim as it stands now, by message and position."""
        self._rules = rules
        self._new_id = new_id
        self._readings: dict[str, Reading] = {}
        self._by_moment: defaultdict[bytes, list[Reading]] = defaultdict(list)
        self._by_source: dict[bytes, tuple[Reading, Place]] = {}
        self._known: dict[Place, Claim] = {}
        self._before: dict[str, Claim | None] = {}
        self._near: dict[Place, list[bytes]] = {}

    def moments_near(self, claim: Claim) -> list[bytes]:
        """The keys under which readings of about the claim's moment are found, its own among them."""
        moments = self._near.get(claim.place)
        if moments is None:
            moments = self._near[claim.place] = near_moments(self.tenant, claim, self._rules.tolerance_of(claim).millis)
        return moments

    def know(self, reading: Reading) -> None:
        """Take up a reading from the ledger, with all its claims."""
        self._take_up(reading)
        self._before[reading.id] = reading.truth
        for claim in reading.claims:
            self._index(reading, claim)
            self._known[claim.place] = claim

    def arrive(self, record: AnyRecord, claim: Claim, *, verdict: Verdict | None = None) -> Arrival:
        """Let one record arrive; all of the message's own records before it count as known.

        A record with a `reading_id` comes back from the review of that reading, with the reviewer's `verdict`.
        """
        near, own = self._readings_near(claim), self._own(claim)
        decision = decide(claim, own, near, self._rules, sent_back_to=record.reading_id, verdict=verdict)
        reading = decision.reading or self._new_reading(claim)
        if decision.change is not None:
            self._put(decision.change.reading, decision.change.becomes, instead_of=decision.change.claim)
        if decision.claim is not None:
            self._put(reading, decision.claim)
        fate = self._fate(decision, reading)
        arrival = Arrival(claim.position, record, claim, fate, reading, decision.claim is not None)
        self.arrivals.append(arrival)
        return arrival

    # --- what to write down

    @property
    def made(self) -> Sequence[Reading]:
        """Readings that the ledger does not have yet."""
        return [reading for reading in self._readings.values() if reading.id not in self._before]

    @property
    def moved(self) -> Sequence[Reading]:
        """Readings of the ledger that are read from another claim than before, or from none any more."""
        both = ((before, self._readings[id_]) for id_, before in self._before.items())
        return [reading for before, reading in both if _place(before) != _place(reading.truth)]

    @property
    def left(self) -> Sequence[tuple[str, str, int]]:
        """Patient, analyte and time (milliseconds) of what readings of the ledger were read from before they moved, and
        of what they are read from now."""
        return [
            (claim.patient, claim.analyte, claim.millis)
            for reading in self.moved
            for claim in (self._before[reading.id], reading.truth)
            if claim is not None
        ]

    @property
    def changed(self) -> Sequence[Claim]:
        """Claims of the ledger that have changed, as they stand now."""
        return [self.claims[place] for place, claim in self._known.items() if self.claims[place] is not claim]

    @property
    def tally(self) -> Counter[str]:
        """How many records came to which fate."""
        return Counter(arrival.fate.value for arrival in self.arrivals)

    def passed(self, *, same_value: bool = False) -> Sequence[Passed]:
        """What those downstream must hear of: new readings and those that changed, in the order of their time.

        A reading that is only read from a preferred source now, with the same value within the tolerance, is none of
        these unless `same_value` asks for it.
        """
        passed = [
            Passed(reading, self._before.get(id_), reading.truth, id_ in self._before)
            for id_, reading in self._readings.items()
        ]
        return sorted((p for p in passed if self._matters(p, same_value)), key=_time_of)

    def _matters(self, passed: Passed, same_value: bool) -> bool:
        before, now = passed.before, passed.now
        if before is None or before.withdrawn:
            return now is not None and not now.withdrawn
        if now is None or now.withdrawn:
            return True
        if now.place == before.place:
            return False
        if now.identity == before.identity or same_value:
            return True
        return not agree(now, before, self._rules.tolerance_of(now))

    # --- inside

    def _readings_near(self, claim: Claim) -> Sequence[Reading]:
        lists = [self._by_moment[moment] for moment in self.moments_near(claim) if moment in self._by_moment]
        return list({reading.id: reading for readings in lists for reading in readings}.values()) if lists else ()

    def _own(self, claim: Claim) -> tuple[Reading, Claim] | None:
        own = self._by_source.get(claim.identity)
        return None if own is None else (own[0], self.claims[own[1]])

    def _new_reading(self, claim: Claim) -> Reading:
        reading = Reading(self._new_id(), claim.patient, claim.analyte)
        self._take_up(reading)
        return reading

    def _take_up(self, reading: Reading) -> None:
        self._readings[reading.id] = reading

    def _index(self, reading: Reading, claim: Claim) -> None:
        self.claims[claim.place] = claim
        if claim.standing is not Standing.EARLIER:
            self._by_source[claim.identity] = reading, claim.place
        readings = self._by_moment[claim.same_moment]
        if reading not in readings:
            readings.append(reading)

    def _put(self, reading: Reading, claim: Claim, instead_of: Claim | None = None) -> None:
        """Write a claim into a reading, in the place of what it was, and see what the reading is read from."""
        if instead_of is None:
            reading.claims.append(claim)
        else:
            reading.claims[reading.claims.index(instead_of)] = claim
        self._index(reading, claim)
        reading.truth = truth(reading.claims, self._rules)
        no_longer_disputed = settled(reading, self._rules)
        if no_longer_disputed:  # one by one: each may move the truth
            first = no_longer_disputed[0]
            self._put(reading, first.but(standing=Standing.SPEAKS), instead_of=first)

    def _fate(self, decision: Decision, reading: Reading) -> Fate:
        if decision.fate is not None:
            return decision.fate
        assert decision.claim is not None
        return fate_by_rank(decision.claim, reading.truth, self._rules)


def near_moments(tenant: str, claim: Claim, tolerance: int) -> list[bytes]:
    """The keys under which readings of about the claim's moment are found; its own among them."""
    minute = keys.minute_of(claim.millis)
    near = keys.minutes_near(claim.millis, claim.to_the_minute, tolerance)
    return [
        claim.same_moment if other == minute else keys.same_moment(tenant, claim.patient, claim.analyte, other)
        for other in near
    ]


def _place(claim: Claim | None) -> Place | None:
    return None if claim is None else claim.place


def _time_of(passed: Passed) -> tuple[int, str]:
    claim = passed.now or passed.before
    assert claim is not None
    return claim.millis, passed.reading.id
