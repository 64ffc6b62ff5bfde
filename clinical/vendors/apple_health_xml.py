"""Apple Health's `export.xml` as a stream: elements one by one, and a file of any size split into small ones.

Real exports begin with a document type that is often malformed, so it is taken out before the parser sees it; with
it goes every way of declaring entities. Lines stay where they were.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from xml.parsers import expat

from clinical.vendors.parsing import Unreadable

ROOT: Final = "HealthData"
GLUCOSE: Final = "HKQuantityTypeIdentifierBloodGlucose"
INSULIN: Final = "HKQuantityTypeIdentifierInsulinDelivery"
CARBOHYDRATE: Final = "HKQuantityTypeIdentifierDietaryCarbohydrates"
WEIGHT: Final = "HKQuantityTypeIdentifierBodyMass"
HEART_RATE: Final = "HKQuantityTypeIdentifierHeartRate"
STEPS: Final = "HKQuantityTypeIdentifierStepCount"
SYSTOLIC: Final = "HKQuantityTypeIdentifierBloodPressureSystolic"
DIASTOLIC: Final = "HKQuantityTypeIdentifierBloodPressureDiastolic"
PRESSURE: Final = "HKCorrelationTypeIdentifierBloodPressure"
PRESSURES: Final = frozenset({SYSTOLIC, DIASTOLIC, PRESSURE})
WANTED: Final = PRESSURES | {GLUCOSE, INSULIN, CARBOHYDRATE, WEIGHT, HEART_RATE, STEPS}

_OPENING = b"<HealthData"
_HEAD, _FOOT = b"<HealthData>\n", b"</HealthData>\n"
_LONGEST_PREAMBLE = 1_000_000
_LONGEST_ELEMENT = 4_000_000
_SLICE = 1 << 20

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]


def new_parser(start: Start, end: End) -> Any:
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    return parser


def feed(parser: Any, data: bytes) -> None:
    try:
        parser.Parse(data, False)
    except expat.ExpatError as error:
        _let_go(parser)
        raise _broken(error) from None


def feed_whole(parser: Any, body: bytes) -> None:
    """In slices, so that a single element cannot be longer than any real one: a parser looks at it again with each."""
    for begin in range(0, len(body), _SLICE):
        piece = body[begin : begin + _SLICE]
        feed(parser, piece)
        check_length(parser, begin + len(piece) - parser.CurrentByteIndex)


def check_length(parser: Any, pending: int) -> None:
    """Raises Unreadable if what the parser has not told yet is too long."""
    if pending > _LONGEST_ELEMENT + _SLICE:
        _let_go(parser)
        path = f"line {parser.CurrentLineNumber}"
        raise Unreadable("one element is longer than any real one", code="element-too-long", path=path)


def finish(parser: Any) -> None:
    try:
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise _broken(error) from None
    finally:
        _let_go(parser)


def _let_go(parser: Any) -> None:
    """Whoever listens has the parser, and the parser has them: without this, what they have read stays in memory until
    the collector of cycles comes by, which records do not call."""
    parser.StartElementHandler = parser.EndElementHandler = None


def _broken(error: expat.ExpatError) -> Unreadable:
    path = f"line {error.lineno} column {error.offset + 1}"
    ends = {
        expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
    }
    if error.code in ends:
        return Unreadable("the XML ends in the middle: it was cut; export it again", code="xml-cut", path=path)
    return Unreadable("this is not well-formed XML", code="xml-invalid", path=path)


def without_preamble(body: bytes) -> bytes:
    """From the root on, after as many line ends as stood before it. Raises Unreadable if there is no such root."""
    at = body.find(_OPENING)
    if at < 0 or at > _LONGEST_PREAMBLE:
        raise Unreadable("this is no export of Apple Health: it has no <HealthData>", code="not-apple-health")
    return b"\n" * body.count(b"\n", 0, at) + body[at:]


class Splitter:
    """Cuts an export, fed slice by slice, into bodies of the same format with at most `batch` elements each.

    Only what can become records is kept, as it stands in the file: neither the person's birth date (`Me`) nor
    workouts and routes. Blood pressure is told twice in an export, far apart, and is kept back for the last bodies.
    """

    def __init__(self, batch: int = 2000) -> None:
        self._batch = batch
        self._parser = new_parser(self._start, self._end)
        self._depth = 0
        self._window = bytearray()
        self._base = 0
        self._pending: tuple[int, bool] | None = None
        self._ready: list[bytes] = []
        self._pressures: list[bytes] = []
        self._preamble: bytearray | None = bytearray()
        self.skipped = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Bodies that are full. Raises Unreadable (line and column)."""
        for begin in range(0, len(data), _SLICE):
            self._feed(data[begin : begin + _SLICE])
            while len(self._ready) >= self._batch:
                yield _body(self._ready[: self._batch])
                del self._ready[: self._batch]

    def finish(self) -> Iterator[bytes]:
        """The last bodies. Raises Unreadable if the file was cut."""
        if self._preamble is not None:
            without_preamble(bytes(self._preamble))
        finish(self._parser)
        for kept in (self._ready, self._pressures):
            for begin in range(0, len(kept), self._batch):
                yield _body(kept[begin : begin + self._batch])

    def _feed(self, data: bytes) -> None:
        if self._preamble is not None:
            self._preamble += data
            if _OPENING not in self._preamble and len(self._preamble) <= _LONGEST_PREAMBLE:
                return
            data, self._preamble = without_preamble(bytes(self._preamble)), None
        self._window += data
        feed(self._parser, data)
        keep = self._pending[0] if self._pending else self._parser.CurrentByteIndex
        check_length(self._parser, self._base + len(self._window) - keep)
        del self._window[: keep - self._base]
        self._base = keep

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth == 2:
            self._close()
            kind = attributes.get("type")
            if kind in WANTED:
                self._pending = self._parser.CurrentByteIndex, kind in PRESSURES
            else:
                self.skipped += 1
        elif self._depth == 1 and name != ROOT:
            raise Unreadable("this is no export of Apple Health", code="not-apple-health")

    def _end(self, _name: str) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._close()

    def _close(self) -> None:
        """An element ends where the next one begins."""
        if self._pending is None:
            return
        begin, pressure = self._pending
        raw = bytes(self._window[begin - self._base : self._parser.CurrentByteIndex - self._base])
        (self._pressures if pressure else self._ready).append(raw.strip() + b"\n")
        self._pending = None


def _body(elements: list[bytes]) -> bytes:
    return b"".join((_HEAD, *elements, _FOOT))
