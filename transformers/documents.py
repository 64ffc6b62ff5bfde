"""What the steps that write C-CDA documents share."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

from clinical.ccda.content import Group
from clinical.ccda.write import Header, document
from clinical.records import PatientRef, order_key
from engine import sdk

_ROOT = re.compile(r"[0-2](\.(0|[1-9]\d*))+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
T = TypeVar("T")


def _oid(value: str) -> str:
    if not _ROOT.fullmatch(value):
        raise ValueError("is neither an OID nor a UUID; write the root of the site's patient identifiers")
    return value


class DocumentSettings(sdk.Settings):
    """How one site wants its documents."""

    patient_root: Annotated[str, AfterValidator(_oid)] = Field(description="OID (or UUID) of the patients' identifiers")
    assigner: str = Field(min_length=1, description="Whose identifiers these are, as the links of patients know it")
    custodian: str = Field(min_length=1, description="Who keeps the document: the organisation's name")


def documents(
    message: sdk.Message,
    settings: DocumentSettings,
    title: str,
    items: Sequence[tuple[PatientRef, T]],
    groups_of: Callable[[Sequence[T]], Sequence[Group]],
    encode: Callable[[Sequence[T]], bytes],
    meta_of: Callable[[Sequence[T]], Mapping[str, str]] = lambda _: {},
) -> list[sdk.StepOutput]:
    """One document for each patient of the items, with `meta_of` what it is about; its time is when the message was
    received, so that a retry gives the same bytes. A patient whom another assigner named is set aside: under the
    site's root the number would be somebody else's. Nothing for patients of whom a document would hold nothing."""
    by_patient: dict[str, tuple[PatientRef, list[T]]] = {}
    for patient, item in items:
        by_patient.setdefault(f"{order_key(patient)}|{patient.system}", (patient, []))[1].append(item)
    header = Header(settings.patient_root, settings.custodian, message.received_at, title)
    outputs: list[sdk.StepOutput] = []
    for patient, some in by_patient.values():
        groups = groups_of(some)
        if groups and patient.system.upper() != settings.assigner.upper():
            text = (
                "the patient is named by another assigner than the site's; link the patient to the site's own "
                "identifier at the source, or write documents of that assigner's patients in a channel of their own"
            )
            wrong = sdk.InvalidMessage(text, code="patient-elsewhere", path="patient.system")
            outputs.append(sdk.Aside(wrong, encode(some), message.shape))
        elif (written := document(patient, groups, header)) is not None:
            meta = meta_of(some)
            outputs.append(message.but(body=written, shape=sdk.Shape.XML, order_key=order_key(patient), meta=meta))
    return outputs
