"""The book: what the ledger knows near the records of some messages, and what they change. In memory, and pure.

Load it, let every record of a message `arrive`, turn the page, go on with the next message, then write down what the
book says (`ledger.store`): so some messages cost a few SQL statements however many readings they carry, and records
meet each other by the same rules as those before. Each page tells what its message alone did, and the rows come out as
if every message had been written down before the next was read.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    """A reading that a message made or moved. `before`: what it was read from, None if from nothing; `now`: what it is
    read from, None if no source speaks of it any more; `made`: the ledger did not have it; `comes_back`: it was
    withdrawn, which those downstream were told, and stands again. Later messages change the reading, none of these."""

    reading: Reading
    before: Claim | None
    now: Claim | None
    made: bool
    comes_back: bool

    @property
    def withdrawn(self) -> bool:
        return self.now is None or self.now.withdrawn


class Page(msgspec.Struct, frozen=True):
    """What one message did: its records in their order, and the readings that are read from something else since. `at`:
    when it was received, in microseconds."""

    at: int
    arrivals: Sequence[Arrival]
    moves: Sequence[Passed]

    @property
    def tally(self) -> Counter[str]:
        """How many records came to which fate."""
        return Counter(arrival.fate.value for arrival in self.arrivals)

    @property
    def left(self) -> Sequence[tuple[str, str, int]]:
        """Patient, analyte and time (milliseconds) of what readings of the ledger were read from before they moved, and
        of what they are read from now."""
        claims = (claim for moved in self.moves if not moved.made for claim in (moved.before, moved.now))
        return [(claim.patient, claim.analyte, claim.millis) for claim in claims if claim is not None]


@dataclass(slots=True)
class Row:
    """What the ledger's row of a reading becomes. `read_from` None: stays as it is; `made_at` None: it is there
    already; `gone`: no source speaks of it any more; `moves`: how many pages moved it."""

    reading: Reading
    changed_at: int
    made_at: int | None = None
    read_from: Claim | None = None
    gone: bool = False
    moves: int = 0

    def move(self, at: int) -> None:
        """Follow the reading. One that its only source left in the very message that made it is read from what was said
        last; one that is left later keeps what it was read from."""
        truth = self.reading.truth
        self.changed_at, self.gone = at, truth is None
        self.moves += 1
        if truth is not None:
            self.read_from = truth
        elif self.made_at is not None and self.read_from is None:
            self.read_from = self.reading.claims[-1]


class Book:
    """Known readings by moment and by source, and the arrivals of some messages."""

    def __init__(self, tenant: str, rules: Rules, new_id: Callable[[], str]) -> None:
        self.tenant = tenant
        self.pages: list[Page] = []
        self.claims: dict[Place, Claim] = {}
        """Every claim as it stands now, by message and position."""
        self.rows: dict[str, Row] = {}
        """Readings that were made or moved, by id, in the order in which that began."""
        self._rules = rules
        self._new_id = new_id
        self._readings: dict[str, Reading] = {}
        self._by_moment: defaultdict[bytes, list[Reading]] = defaultdict(list)
        self._by_source: dict[bytes, tuple[Reading, Place]] = {}
        self._known: dict[Place, Claim] = {}
        self._arrivals: list[Arrival] = []
        self._before: dict[str, Claim | None] = {}  # what this page has touched, and what it was read from
        self._new: set[str] = set()
        self._near: dict[Place, list[bytes]] = {}

    def moments_near(self, claim: Claim) -> list[bytes]:
        """The keys under which readings of about the claim's moment are found, its own among them."""
        moments = self._near.get(claim.place)
        if moments is None:
            moments = self._near[claim.place] = near_moments(self.tenant, claim, self._rules.tolerance_of(claim).millis)
        return moments

    def know(self, reading: Reading) -> None:
        """Take up a reading from the ledger, with all its claims."""
        self._readings[reading.id] = reading
        for claim in reading.claims:
            self._index(reading, claim)
            self._known[claim.place] = claim

    def arrive(self, record: AnyRecord, claim: Claim, *, verdict: Verdict | None = None) -> Arrival:
        """Let one record arrive; all records before it count as known.

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
        self._arrivals.append(arrival)
        return arrival

    def turn_page(self, at: int) -> Page:
        """End a message that was received at this time (microseconds): what arrives now is the next one's."""
        moves = []
        for id_, before in self._before.items():
            reading = self._readings[id_]
            made = id_ in self._new
            if made or _place(before) != _place(reading.truth):
                moves.append(Passed(reading, before, reading.truth, made, not made and _comes_back(reading, before)))
                row = self.rows.get(id_)
                if row is None:
                    row = self.rows[id_] = Row(reading, at, at if made else None)
                row.move(at)
        page = Page(at, self._arrivals, moves)
        self.pages.append(page)
        self._arrivals, self._before, self._new = [], {}, set()
        return page

    # --- what to write down

    @property
    def changed(self) -> Sequence[Claim]:
        """Claims of the ledger that have changed, as they stand now."""
        return [self.claims[place] for place, claim in self._known.items() if self.claims[place] is not claim]

    def passed(self, page: Page, *, same_value: bool = False) -> Sequence[Passed]:
        """What those downstream must hear of a page: new readings and those that changed, in the order of their time.

        A reading that is only read from a preferred source now, with the same value within the tolerance, is none of
        these unless `same_value` asks for it.
        """
        return sorted((p for p in page.moves if self._matters(p, same_value)), key=_time_of)

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
        self._readings[reading.id] = reading
        self._new.add(reading.id)
        return reading

    def _index(self, reading: Reading, claim: Claim) -> None:
        self.claims[claim.place] = claim
        if claim.standing is not Standing.EARLIER:
            self._by_source[claim.identity] = reading, claim.place
        readings = self._by_moment[claim.same_moment]
        if reading not in readings:
            readings.append(reading)

    def _put(self, reading: Reading, claim: Claim, instead_of: Claim | None = None) -> None:
        """Write a claim into a reading, in the place of what it was, and see what the reading is read from."""
        self._before.setdefault(reading.id, reading.truth)
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


def _comes_back(reading: Reading, before: Claim | None) -> bool:
    now = reading.truth
    if now is None or now.withdrawn or not (before is None or before.withdrawn):
        return False
    return any(not claim.withdrawn and claim is not now for claim in reading.claims)


def _place(claim: Claim | None) -> Place | None:
    return None if claim is None else claim.place


def _time_of(passed: Passed) -> tuple[int, str]:
    claim = passed.now or passed.before
    assert claim is not None
    return claim.millis, passed.reading.id
