"""Answers of Abbott LibreLinkUp to records."""

from collections.abc import Sequence

from pydantic import Field

from clinical.vendors.librelinkup import read_librelinkup
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


class LibreLinkUpSettings(VendorSettings):
    """Settings of `librelinkup_to_records`."""

    connection: str | None = Field(
        None, repr=False, description="patientId, for a list of several people whom an account follows"
    )


@sdk.transformer(
    "librelinkup_to_records", settings=LibreLinkUpSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS
)
def librelinkup_to_records(
    message: sdk.Message, settings: LibreLinkUpSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One answer (graph, logbook, connections) to one message with its readings, the sensor's start and its warm-up.

    A reading that cannot be read is set aside with its path (`data.graphData[3].Value`). Raises InvalidMessage for an
    answer that says no, names another server, or is of several people.
    """
    person = whose(message, settings)
    try:
        parsed = read_librelinkup(message.body, person, patient_id=settings.connection)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
