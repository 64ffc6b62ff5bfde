"""Apple's XML, Tandem's binary events and tables mapped by YAML against bodies gone wrong in their own ways."""

from typing import Any
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinical.records import decode
from clinical.vendors.apple_health import read_apple_health
from clinical.vendors.apple_health_xml import Splitter
from clinical.vendors.making import Whose
from clinical.vendors.parsing import Unreadable
from clinical.vendors.tandem import read_tandem_events
from engine import sdk
from tests.examples import some
from tests.unit.vendors import test_mapping as mapping
from tests.unit.vendors.mutations import PATIENT, mutated, survives
from tests.unit.vendors.tandem_files import a_body, alarm, basal, bolus, egv, request, request_more
from tests.unit.vendors.test_fuzz_tables import mutated as mutated_table

BOSTON = Whose(PATIENT, "v1", ZoneInfo("America/New_York"))
AT = "2026-03-01 10:00:00 +0200"


def a_record(kind: str, value: str, unit: str, **notes: str) -> dict[str, Any]:
    said = {"sourceName": "Watch", "unit": unit, "creationDate": AT, "startDate": AT, "endDate": AT, "value": value}
    return {"tag": "Record", "said": {"type": f"HKQuantityTypeIdentifier{kind}", **said}, "notes": notes}


EXPORT = [
    a_record("HeartRate", "61", "count/min"),
    a_record("StepCount", "500", "count"),
    a_record("BloodGlucose", "5.4", "mmol<180.1558800000541>/L", HKWasUserEntered="1"),
    a_record("BloodGlucose", "101", "mg/dL", HKTimeZone="Europe/Dublin"),
    a_record("InsulinDelivery", "4.5", "IU", HKInsulinDeliveryReason="2"),
    a_record("DietaryCarbohydrates", "45", "g"),
    a_record("BodyMass", "70.5", "kg"),
    a_record("BloodPressureSystolic", "120", "mmHg"),
    a_record("BloodPressureDiastolic", "80", "mmHg"),
]
"""An export before it is written down: elements with their attributes and notes."""


def _attributes(said: Any) -> str:
    pairs = said.items() if isinstance(said, dict) else ()
    return " ".join(f"{name}={_quoted(value)}" for name, value in pairs if name.isidentifier() and name.isascii())


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    return quoteattr("".join(letter for letter in text if letter.isprintable()))


def as_xml(export: Any) -> bytes:
    """As far as XML can say it: a NUL or a name that is none is for `torn`."""
    lines = []
    for element in export if isinstance(export, list) else ():
        if isinstance(element, dict):
            notes = element.get("notes")
            inside = "".join(
                f"<MetadataEntry key={_quoted(key)} value={_quoted(value)}/>"
                for key, value in (notes.items() if isinstance(notes, dict) else ())
            )
            tag = "Record" if element.get("tag") == "Record" else "Correlation"
            lines.append(f"<{tag} {_attributes(element.get('said'))}>{inside}</{tag}>")
    return f"<HealthData>\n{chr(10).join(lines)}\n</HealthData>\n".encode()


def test_the_export_itself_gives_records() -> None:
    parsed = survives(lambda body: read_apple_health(body, BOSTON), as_xml(EXPORT))
    assert parsed is not None
    assert len(parsed.records) == 8
    assert not parsed.problems


@given(mutated(EXPORT))
@settings(max_examples=some(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_export_with_attributes_changed_dropped_renamed_or_doubled(export: Any) -> None:
    body = as_xml(export)
    whole = survives(lambda body: read_apple_health(body, BOSTON), body)
    assert whole is not None, "it is well-formed"
    try:
        parts = [part for splitter in [Splitter(3)] for part in (*splitter.feed(body), *splitter.finish())]
    except Unreadable:
        return
    read = [survives(lambda body: read_apple_health(body, BOSTON), part) for part in parts]
    assert all(part is not None for part in read)


def test_an_attribute_of_many_megabytes_is_refused_or_set_aside() -> None:
    long = a_record("BloodGlucose", "9" * 5_000_000, "mg/dL")
    parsed = survives(lambda body: read_apple_health(body, BOSTON), as_xml([long, EXPORT[0]]))
    assert parsed is not None
    assert (len(parsed.records), len(parsed.problems)) == (1, 1)


NOON = "2025-12-13T12:00:00"
EVENTS = [
    egv(1, NOON, 120),
    egv(2, NOON, 0, number=256, status=1),
    egv(3, NOON, 90, number=480, state=100),
    request(4, NOON),
    request_more(5, NOON),
    bolus(6, "2025-12-13T12:05:00", 2.5, 3.0),
    basal(7, NOON, 850),
    alarm(8, NOON, 2),
]


@st.composite
def mutated_events(draw: st.DrawFn) -> bytes:
    """Events with bytes overwritten, whole events dropped, doubled or moved, and one shortened now and then."""
    events = list(EVENTS)
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(events) - 1)) if events else 0
        match draw(st.sampled_from(("bytes", "bytes", "drop", "double", "move", "short"))) if events else "none":
            case "bytes":
                begin = draw(st.integers(0, 25))
                new = draw(st.sampled_from((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xc0\0\0")) | st.binary(max_size=4))
                events[place] = (events[place][:begin] + new + events[place][begin + len(new) :])[:26]
            case "drop":
                del events[place]
            case "double":
                events.append(events[place])
            case "move":
                events.insert(0, events.pop(place))
            case "short":
                events[place] = events[place][: draw(st.integers(0, 25))]
    return a_body(*events)


@given(mutated_events())
@settings(max_examples=some(200), deadline=None)
def test_events_with_bytes_changed_dropped_doubled_or_moved(body: bytes) -> None:
    survives(lambda body: read_tandem_events(body, BOSTON, serial="123"), body)


@given(mutated_table(mapping.CSV.encode()))
@settings(max_examples=some(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_mapped_table_with_cells_columns_and_rows_changed(body: bytes) -> None:
    """Columns are found by name, so a table whose columns moved is read and one whose columns are gone is refused."""
    try:
        outputs = mapping.run_csv(body.decode("utf-8", "replace"))
    except sdk.InvalidMessage as refused:
        assert refused.code  # noqa: PT017
        return
    for output in outputs:
        if isinstance(output, sdk.Message):
            assert decode(output.body)


def test_a_mapped_cell_of_many_megabytes_breaks_nothing() -> None:
    long = f"28.02.2026;10:15;Sensor;{'9' * 11_000_000};;x\n"
    try:
        outputs = mapping.run_csv(mapping.CSV + long)
    except sdk.InvalidMessage as refused:
        assert refused.path  # noqa: PT017
    else:
        assert any(isinstance(output, sdk.Aside) for output in outputs)
