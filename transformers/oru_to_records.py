"""ORU^R01 to records: the results of each patient in a message that are a record's kind."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from clinical.hl7v2 import FALLBACK, Hl7Error, known_charset, parse
from clinical.hl7v2.results import IMPLAUSIBLE, IN_THE_FUTURE, Problem, Results, Rules, read_results
from clinical.measures import Measure
from clinical.records import Analyte, Status, encode, order_key
from engine import sdk

_MEANINGS: dict[str, Analyte | Measure] = {meaning.value: meaning for meaning in (*Analyte, *Measure)}
Kind = Literal["glucose", "insulin", "carbohydrate", "vital-sign", "device-event", "annotation"]
Charset = Annotated[str, AfterValidator(known_charset)]


def _with_analytes(table: sdk.Table | None) -> sdk.Table | None:
    """Every row of a table of codes must say which analyte, or what else that can be measured, its code is."""
    known = ", ".join(_MEANINGS)
    for code, row in (table or {}).items():
        if row.get("analyte") not in _MEANINGS:
            raise ValueError(f"the table's row for {code!r} must have one of these in its column `analyte`: {known}")
    return table


class OruToRecordsSettings(sdk.Settings):
    """How one sender's results are read."""

    timezone: sdk.Zone
    """Where the sender's clocks stand. For times without an offset, if MSH-7 has none either."""
    codes: Annotated[sdk.TableRef | None, AfterValidator(_with_analytes)] = None
    """Local codes: a table with a column `analyte` (an analyte, or `weight`, `bolus` …). Asked before LOINC and MDC
    codes."""
    kinds: frozenset[Kind] = frozenset(get_args(Kind))
    """Which kinds of record are read; codes of the others count as not known."""
    other_codes: Literal["hold", "ignore"] = "hold"
    """What becomes of an OBX whose code is not known."""
    patient_identifier: str = Field(default="MR", min_length=1)
    """The type (PID-3.5, table 0203) of the identifier that names the patient."""
    assigner: str | None = None
    """Who assigned it (PID-3.4). Needed where PID-3 has that type from several; also the `system` of the patient."""
    not_verified: Literal["preliminary", "final"] = "preliminary"
    """What OBX-11 R means: CGM gateways send it for every value, for good."""
    if_twice: Literal["earlier", "later", "hold"] = "earlier"
    """A wall time that occurs twice when clocks go back, where nothing in the message tells which is meant."""
    default_charset: Charset = FALLBACK
    """For text that is not UTF-8 where MSH-18 does not say what it is."""

    @cached_property
    def rules(self) -> Rules:
        return Rules(
            zone=ZoneInfo(self.timezone),
            codes={code: _MEANINGS[row["analyte"]] for code, row in (self.codes or {}).items()},
            kinds=frozenset[str](self.kinds),
            patient_identifier=self.patient_identifier,
            assigner=self.assigner,
            not_verified=Status(self.not_verified),
            ignore_others=self.other_codes == "ignore",
            if_twice=self.if_twice,
        )


@sdk.transformer("oru_to_records", settings=OruToRecordsSettings, accepts={sdk.Shape.HL7V2}, emits=sdk.Shape.RECORDS)
def oru_to_records(message: sdk.Message, settings: OruToRecordsSettings) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """The results of each patient as one `records` message, kept in order by patient.

    An OBX that cannot be read is set aside with its path (`OBX[2]-6`) as the smallest message that holds it; the
    others go on. One whose value nobody can have in its unit, or whose time is still to come, waits for review.
    Control results, rows about the device and OBX without a result are passed over and counted. Two blood pressures,
    and what our own codes tell more of a record, become one record with it.
    Raises InvalidMessage if the message cannot be taken apart.
    """
    try:
        results = read_results(parse(message.body, settings.default_charset), settings.rules, message.received_at)
    except Hl7Error as error:
        raise sdk.InvalidMessage(error.text, code=error.code, path=error.path) from None
    tally = {"tally": " ".join(f"{reason}={count}" for reason, count in sorted(results.passed_over.items()))}
    outputs: list[sdk.StepOutput] = [
        message.but(
            body=encode(records),
            shape=sdk.Shape.RECORDS,
            order_key=order_key(patient),
            meta=tally if number == 0 and results.passed_over else None,
        )
        for number, (patient, records) in enumerate(results.records.items())
    ]
    outputs += [_aside(problem) for problem in results.problems]
    return outputs or sdk.Drop(_why_nothing(results))


def _aside(problem: Problem) -> sdk.Aside:
    word = sdk.NeedsReview if problem.code in (IMPLAUSIBLE, IN_THE_FUTURE) else sdk.InvalidMessage
    return sdk.Aside(word(problem.text, code=problem.code, path=problem.path), problem.body, sdk.Shape.HL7V2)


def _why_nothing(results: Results) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(results.passed_over.items()))
    return f"no results ({reasons})" if reasons else "no results"
