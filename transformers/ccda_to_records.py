"""C-CDA documents to records: their Results and Vital Signs sections."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from pydantic import Field

from clinical.ccda.read import CcdaError, read_document
from clinical.records import encode, order_key
from engine import sdk

_REVIEWED = "implausible"


class CcdaToRecordsSettings(sdk.Settings):
    """How one site's documents are read."""

    timezone: sdk.Zone
    """For times that say no offset."""
    patient_systems: Mapping[str, str] = Field(default_factory=dict)
    """Root (OID) of patients' identifiers: assigner, as the links of patients know it. Else the first one counts, its
    root the assigner."""


@sdk.transformer("ccda_to_records", settings=CcdaToRecordsSettings, accepts={sdk.Shape.XML}, emits=sdk.Shape.RECORDS)
def ccda_to_records(message: sdk.Message, settings: CcdaToRecordsSettings) -> list[sdk.StepOutput]:
    """The document's glucose, weights, heart rates, steps and blood pressures as one `records` message.

    An observation is named by its id, so a document that comes again brings nothing new. One that cannot be read is set
    aside with the whole document and its path, and the others go on; a value that nobody can have waits for review.
    Observations of other kinds are counted. Raises InvalidMessage for what is no document of one patient.
    """
    try:
        found = read_document(message.body, ZoneInfo(settings.timezone), settings.patient_systems)
    except CcdaError as error:
        raise sdk.InvalidMessage(error.text, code=error.code, path=error.path) from None
    outputs: list[sdk.StepOutput] = []
    if found.records:
        outputs.append(
            message.but(
                body=encode(found.records),
                shape=sdk.Shape.RECORDS,
                order_key=order_key(found.records[0].patient),
                meta={"tally": f"other-code={found.others}"} if found.others else None,
            )
        )
    for problem in found.problems:
        word = sdk.NeedsReview if problem.code == _REVIEWED else sdk.InvalidMessage
        waiting = word(problem.text, code=problem.code, path=problem.path)
        outputs.append(sdk.Aside(waiting, message.body, sdk.Shape.XML))
    return outputs or [sdk.Drop(f"no results or vital signs of ours ({found.others} other)")]
