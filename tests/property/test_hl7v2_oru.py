"""Results of any message: a record, a problem with its field, or counted; and out and in again is the same."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from clinical.hl7v2 import Hl7Error, parse
from clinical.hl7v2.oru_out import OruForm, write_oru
from clinical.hl7v2.results import Rules, read_results
from clinical.records import (
    Analyte,
    AnyRecord,
    Detection,
    Glucose,
    Instant,
    Original,
    PatientRef,
    Quantity,
    Road,
    SourceId,
    Status,
    decode,
    encode,
)
from clinical.units import MG_DL, MMOL_L
from tests.builders import a_glucose

NOW = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
DUBLIN = ZoneInfo("Europe/Dublin")
RULES = Rules(zone=DUBLIN)

# Around the change of the clocks, around the epoch of nothing, and nonsense.
times = st.sampled_from(
    [
        "20261025013000",
        "20261025011500",
        "20260329013000",
        "20261120100000+0000",
        "20261120",
        "202611201000",
        "",
        '""',
        "x",
    ]
)
fields = st.fixed_dictionaries(
    {
        2: st.sampled_from(["NM", "SN", "ST", "CE", "", "nm"]),
        3: st.sampled_from(
            [
                "99504-3^a^LN",
                "2339-0",
                "X^y^L^160212^z^MDC",
                "160208^c^MDC",
                "GLU",
                "",
                "^^^",
                "\\T\\^~",
                "8480-6^s^LN",
                "8462-4^d^LN",
                "8867-4^h^LN",
                "29463-7^w^LN",
                "8418344^b^MDC",
                "8418300^r^MDC",
                "kind^k^99ISLET",
                "duration^d^99ISLET",
                "48767-8^c^LN",
                "device-event^e^99ISLET",
                "9059-7",
            ]
        ),
        4: st.sampled_from(["", "1", "1.1", "1.2", "1.0.0.1"]),
        5: st.one_of(
            st.sampled_from(["182", "5.4", ">400", "<^40", "^^-^", "HI", "lo", '""', "", "1~2", "6.5", "\\X31\\"]),
            st.text(alphabet="0123456789.-+<>^~&\\ HI", max_size=8),
        ),
        6: st.sampled_from(["mg/dL", "mmol/L^x^UCUM", "", "K/uL", "mg/dL^^^mmol/L", '""', "mm[Hg]", "/min", "s", "U"]),
        11: st.sampled_from(["F", "C", "D", "W", "X", "R", "", "q"]),
        14: times,
        18: st.sampled_from(["", "SN^ACME", "^ACME^12^EUI-64", "~"]),
        19: times,
        21: st.sampled_from(["", "R1^x", "^"]),
    }
)
others = st.sampled_from(
    [
        "PID|1||A^^^STM^MR",
        "PID|2||B",
        "PID|3",
        "OBR|1||F|c|||20261120",
        "OBR",
        "ORC|RE",
        "NTE|1||n",
        "SPM|||||||||||Q",
        "ZZZ",
        "MSH|^~\\&|",
    ]
)


def line(values: dict[int, str]) -> str:
    return "|".join(["OBX", *(values.get(number, "") for number in range(1, 22))])


bodies = st.lists(st.one_of(fields.map(line), others), max_size=12)


@given(bodies, st.sampled_from(["20261025011000", "20261120+0100", "", "soon"]), st.booleans())
def test_every_result_is_a_record_a_problem_or_passed_over_and_nothing_else(
    lines: list[str], sent: str, ignore: bool
) -> None:
    raw = "\r".join([f"MSH|^~\\&|G|S|||{sent}||ORU^R01|1|P|2.5", *lines]).encode()
    message = parse(raw)
    rules = Rules(zone=DUBLIN, ignore_others=ignore)
    try:
        results = read_results(message, rules, NOW)
    except Hl7Error as error:
        assert error.code == "two-messages"  # noqa: PT017 - the only way to be refused whole
        return
    records = [record for patient in results.records.values() for record in patient]
    whole_patients = [problem for problem in results.problems if problem.path.startswith("PID")]
    in_problems = sum(problem.count for problem in results.problems)
    passed_over = results.passed_over.total() + results.joined
    assert len(records) + in_problems + passed_over == len(message.all("OBX"))
    assert all(problem.path and problem.code and problem.text for problem in results.problems)
    assert len(results.problems) - len(whole_patients) + len(records) <= len(message.all("OBX"))
    assert list(decode(encode(records))) == records
    for patient, theirs in results.records.items():
        assert {record.patient for record in theirs} == {patient}


@given(bodies)
def test_what_is_set_aside_gives_the_same_problem_when_it_comes_again(lines: list[str]) -> None:
    raw = "\r".join(["MSH|^~\\&|G|S|||20261120||ORU^R01|1|P|2.5", *lines]).encode()
    try:
        results = read_results(parse(raw), RULES, NOW)
    except Hl7Error:
        return
    for problem in results.problems:
        if problem.code == "same-identity":
            continue  # alone it has nothing to be mistaken for
        again = read_results(parse(problem.body), RULES, NOW)
        assert not again.records
        assert [other.code for other in again.problems] == [problem.code]


@st.composite
def readings(draw: st.DrawFn) -> list[Glucose]:
    """Readings of one patient at different moments, in either unit."""
    moments = draw(st.lists(st.integers(0, 1_500_000), min_size=1, max_size=12, unique=True))
    made = []
    for number, moment in enumerate(moments):
        unit = draw(st.sampled_from([MG_DL, MMOL_L]))
        made.append(
            a_glucose(
                patient=PatientRef(system="STM", value="MRN|^~\\&1"),
                analyte=draw(st.sampled_from(Analyte)),
                value=Quantity(steps=draw(st.integers(20, 333)), unit=unit),
                effective=Instant(millis=1_700_000_000_000 + moment * 61_007, how="offset"),
                status=draw(
                    st.sampled_from([Status.FINAL, Status.PRELIMINARY, Status.CORRECTED, Status.ENTERED_IN_ERROR])
                ),
                source=SourceId(road=Road.CLOUD, system="x", value=str(number)),
                original=Original(value="1"),
                detection=draw(st.sampled_from([None, Detection.ABOVE, Detection.BELOW])),
                notes=tuple(draw(st.lists(st.text(min_size=1, max_size=8).filter(_is_note), max_size=2))),
            )
        )
    return made


def _is_note(text: str) -> bool:
    return text == text.strip() and text != '""' and text.isprintable()


@given(readings(), st.sampled_from(["2.3", "2.5.1", "2.6", "2.8"]), st.booleans())
def test_readings_that_are_written_and_read_again_are_the_same(
    records: list[Glucose], version: str, alone: bool
) -> None:
    form = OruForm(zone=DUBLIN, version=version, by_reading=alone)
    results = read_results(parse(write_oru(records, form, "C1", NOW)), RULES, NOW)
    assert results.problems == []
    (back,) = results.records.values()
    assert sorted(map(_said, back)) == sorted(map(_said, records))
    assert len({record.source.value for record in back}) == len(records)


def _said(record: AnyRecord) -> tuple[object, ...]:
    assert isinstance(record, Glucose)
    return (
        record.effective.millis,
        record.analyte,
        record.value.steps,
        record.value.unit,
        record.status,
        record.detection or "",
        record.notes,
        record.patient.value,
    )
