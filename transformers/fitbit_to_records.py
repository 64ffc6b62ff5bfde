"""Answers of Fitbit's Web API and of the Google Health API to records."""

from collections.abc import Sequence
from typing import Literal

from clinical.vendors.fitbit import read_fitbit
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


class FitbitSettings(VendorSettings):
    """Settings of `fitbit_to_records`. `timezone` is that of the person's profile: Fitbit writes wall clocks."""

    weight_unit: Literal["kg", "lb", "stone"] = "kg"
    """What weights were asked for in (`Accept-Language`); the answer does not say it."""


@sdk.transformer("fitbit_to_records", settings=FitbitSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS)
def fitbit_to_records(message: sdk.Message, settings: FitbitSettings) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One answer with heart rates, steps or weights to one message with its records.

    A value that cannot be read is set aside with its path (`activities-heart-intraday.dataset[3].value`). Raises
    InvalidMessage, with line and column, for what is no such answer.
    """
    person = whose(message, settings)
    try:
        parsed = read_fitbit(message.body, person, weight_unit=settings.weight_unit)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
