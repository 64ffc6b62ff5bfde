from clinical.hl7v2 import header
from engine.cli.bench.parse import oru, python_hl7, records, retained_kib, typed


def test_what_is_compared_reads_the_same_fields() -> None:
    for readings in (1, 288):
        raw = oru(readings)
        ours, theirs = typed(raw), python_hl7(raw)
        assert len(ours) == len(theirs) == records(raw) == readings
        for (code, number, unit, status, _), (their_code, their_number, their_unit, their_status, _) in zip(
            ours, theirs, strict=True
        ):
            assert (code, str(number), unit, status) == (their_code, their_number, their_unit, their_status)
    assert header(oru(1)).message_type == "ORU^R01"


def test_the_messages_have_the_size_that_is_claimed() -> None:
    assert 600 <= len(oru(1)) <= 750
    assert 40_000 <= len(oru(288)) <= 60_000


def test_an_opened_day_of_readings_stays_under_half_a_megabyte() -> None:
    assert retained_kib(typed, oru(288)) < 512
