"""`outcomes_to_oru`: issued outcomes as ORU^R01, one message for each."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal

from clinical.hl7v2 import Hl7Error
from clinical.hl7v2.oru_form import OruForm
from clinical.hl7v2.outcome_out import write_outcome
from clinical.issued import encode
from clinical.units import MG_DL, MMOL_L
from engine import sdk
from transformers.oru_settings import OruSettings, control_id
from transformers.outcome_bodies import read_outcomes


class OutcomesToOruSettings(OruSettings):
    """How one receiver wants outcomes."""

    unit: Literal["mg/dL", "mmol/L", "both"] = "mg/dL"
    """Of the mean glucose."""
    own_codes: bool = True
    """Also what has no LOINC code: tight range, events, and what is said of the outcome itself (99ISLET)."""

    @cached_property
    def form(self) -> OruForm:
        return replace(super().form, unit={"mg/dL": MG_DL, "mmol/L": MMOL_L}.get(self.unit))


@sdk.transformer("outcomes_to_oru", settings=OutcomesToOruSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.HL7V2)
def outcomes_to_oru(message: sdk.Message, settings: OutcomesToOruSettings) -> Sequence[sdk.StepOutput]:
    """Each outcome as an ORU^R01: an OBR for its window, an OBX for each figure. In order by patient.

    MSH-10 and MSH-7 are the same on every retry. An outcome whose patient the receiver would not know is set aside.
    Raises InvalidMessage for a body that is no set of outcomes.
    """
    outputs: list[sdk.StepOutput] = []
    for number, outcome in enumerate(read_outcomes(message.body)):
        named = control_id(message.id, number)
        try:
            body = write_outcome(outcome, settings.form, named, message.received_at, own_codes=settings.own_codes)
        except Hl7Error as error:
            wrong = sdk.InvalidMessage(error.text, code=error.code, path=f"outcomes[{number}].{error.path}")
            outputs.append(sdk.Aside(wrong, encode([outcome]), sdk.Shape.JSON))
            continue
        meta = {"control_id": named, "message_type": "ORU^R01", "outcome": outcome.id}
        outputs.append(message.but(body=body, shape=sdk.Shape.HL7V2, meta=meta))
    return outputs
