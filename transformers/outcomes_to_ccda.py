"""Issued outcomes to a C-CDA document, for sites that import documents and take nothing else."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from clinical.ccda.content import Group, groups_of_outcomes
from clinical.issued import IssuedOutcome, encode
from engine import sdk
from transformers.documents import DocumentSettings, documents
from transformers.outcome_bodies import read_outcomes

_UNITS = {"mg/dL": ("mg/dL",), "mmol/L": ("mmol/L",), "both": ("mg/dL", "mmol/L")}


class OutcomesToCcdaSettings(DocumentSettings):
    """See DocumentSettings."""

    title: str = Field("Continuous glucose monitoring summary", min_length=1)
    unit: Literal["mg/dL", "mmol/L", "both"] = "mg/dL"
    """Of the mean glucose."""


@sdk.transformer("outcomes_to_ccda", settings=OutcomesToCcdaSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.XML)
def outcomes_to_ccda(message: sdk.Message, settings: OutcomesToCcdaSettings) -> list[sdk.StepOutput]:
    """One document for each patient, each window's figures as an organizer of its results.

    A figure keeps its id in every version of its outcome. Outcomes of other subjects than glucose, figures without a
    LOINC code and what was withdrawn are left out; patients of another assigner are set aside; a message with nothing
    else is dropped. Raises InvalidMessage for a body that is no set of outcomes.
    """

    def groups(outcomes: Sequence[IssuedOutcome]) -> Sequence[Group]:
        return groups_of_outcomes(outcomes, _UNITS[settings.unit])

    def meta_of(outcomes: Sequence[IssuedOutcome]) -> Mapping[str, str]:
        written = {group.key for group in groups(outcomes)}
        return {"outcome": " ".join(outcome.id for outcome in outcomes if outcome.series in written)}

    items = [(outcome.patient, outcome) for outcome in read_outcomes(message.body)]
    made = documents(message, settings, settings.title, items, groups, encode, meta_of)
    return made or [sdk.Drop("no figures that a document's results hold")]
