"""Any answer of Dexcom's developer API with measurements to records: for accounts that are asked for several kinds."""

from collections.abc import Sequence

from engine import sdk
from transformers.dexcom_egvs_to_records import dexcom_egvs_to_records
from transformers.dexcom_events_to_records import dexcom_events_to_records
from transformers.vendor_patient import VendorSettings


@sdk.transformer("dexcom_to_records", settings=VendorSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS)
def dexcom_to_records(message: sdk.Message, settings: VendorSettings) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One answer with EGVs, events, calibrations or alerts to one message with its records, as the step of its kind
    does it. Raises InvalidMessage for a body that is none of these, or was cut."""
    output: sdk.StepOutput | Sequence[sdk.StepOutput]
    try:
        output = dexcom_egvs_to_records(message, sdk.NoSettings())
    except sdk.InvalidMessage as error:
        if error.code != "wrong-record-type":
            raise
        output = dexcom_events_to_records(message, settings)
    return output
