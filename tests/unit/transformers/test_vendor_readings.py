"""What the steps that read vendors' formats give."""

from clinical.records import DeviceEvent, Original, PatientRef
from clinical.vendors.parsing import Parsed
from engine import sdk
from engine.testing.builders import a_message
from tests.builders import a_glucose, an_entry
from transformers.vendor_readings import outputs

PATIENT = PatientRef(system="stm", value="P-1")


def test_events_that_no_table_knows_are_counted_and_kept() -> None:
    strange = DeviceEvent(**an_entry(original=Original(code="X-17")), event="unmapped")
    (given,) = _messages(outputs(a_message(), Parsed((a_glucose(), strange)), PATIENT))
    assert given.meta["tally"] == "unmapped=1"
    assert b"X-17" in given.body


def test_without_such_events_there_is_nothing_to_count() -> None:
    (given,) = _messages(outputs(a_message(), Parsed((a_glucose(),)), PATIENT))
    assert "tally" not in given.meta


def _messages(given: object) -> list[sdk.Message]:
    assert isinstance(given, list)
    return [one for one in given if isinstance(one, sdk.Message)]
