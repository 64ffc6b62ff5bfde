"""Records to a C-CDA document, for sites that import documents and take nothing else."""

from pydantic import Field

from clinical.ccda.content import groups_of_records
from clinical.records import encode
from engine import sdk
from transformers.documents import DocumentSettings, documents
from transformers.record_bodies import read_records


class RecordsToCcdaSettings(DocumentSettings):
    """See DocumentSettings."""

    title: str = Field("Glucose and vital signs", min_length=1)


@sdk.transformer("records_to_ccda", settings=RecordsToCcdaSettings, accepts={sdk.Shape.RECORDS}, emits=sdk.Shape.XML)
def records_to_ccda(message: sdk.Message, settings: RecordsToCcdaSettings) -> list[sdk.StepOutput]:
    """One document for each patient: glucose as results, weight, heart rate, steps and blood pressure as vital signs.

    The document's time is when the message was received, so it is the same on every retry. Records of other kinds, and
    those entered in error, are left out; patients of another assigner are set aside; a message with nothing else is
    dropped.
    """
    items = [(record.patient, record) for record in read_records(message.body)]
    made = documents(message, settings, settings.title, items, groups_of_records, encode)
    return made or [sdk.Drop("nothing that a document's results or vital signs hold")]
