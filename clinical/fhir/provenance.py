"""Where a record came from, as a Provenance inside the resource that it speaks of (US Core 9, Writing Vital Signs).

`target` is `#`, the resource around it, so that servers which take no Provenance of their own keep it all the same.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from clinical.fhir.terms import concept
from clinical.fhir.times import instant_text
from clinical.issued import IssuedOutcome, OutcomeStatus
from clinical.records import AnyRecord, Status

CONTAINED_ID = "provenance"
_AGENTS = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_DEEDS = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_DEED = {
    Status.AMENDED: ("UPDATE", "revise"),
    Status.CORRECTED: ("UPDATE", "revise"),
    Status.ENTERED_IN_ERROR: ("NULLIFY", "nullify"),
}


def provenance_of(record: AnyRecord, recorded: datetime, device: dict[str, Any] | None) -> dict[str, Any]:
    """A Provenance to be contained. `recorded`: when the resource was made (aware; the same on every retry).

    Author is the device where one is known, else the source; transmitter the feed; assembler ourselves. The entity
    names the record at its source.
    """
    source = record.source
    named = {"display": source.sender or source.system}
    code, display = _DEED.get(record.status, ("CREATE", "create"))
    return {
        "resourceType": "Provenance",
        "id": CONTAINED_ID,
        "target": [{"reference": "#"}],
        "recorded": instant_text(recorded),
        "activity": concept(_DEEDS, code, display),
        "agent": [
            {"type": concept(_AGENTS, "author", "Author"), "who": device or named},
            {"type": concept(_AGENTS, "transmitter", "Transmitter"), "who": named},
            {"type": concept(_AGENTS, "assembler", "Assembler"), "who": {"display": "Islet"}},
        ],
        "entity": [{"role": "source", "what": {"identifier": {"value": f"{source.system}|{source.value}"}}}],
    }


_OUTCOME_DEED = {
    OutcomeStatus.PARTIAL: ("CREATE", "create"),
    OutcomeStatus.FINAL: ("CREATE", "create"),
    OutcomeStatus.AMENDED: ("UPDATE", "revise"),
    OutcomeStatus.ENTERED_IN_ERROR: ("NULLIFY", "nullify"),
}
VERSION_SYSTEM = "urn:islet:outcome-version"


def outcome_provenance(outcome: IssuedOutcome) -> dict[str, Any]:
    """A Provenance to be contained in a figure: computed by us, from which evidence, what it revises.

    Entities: the digest of what it was computed from, the message that made it be issued, and for a later version the
    one that it replaces.
    """
    code, display = _OUTCOME_DEED[outcome.status]
    sources = [("urn:islet:evidence", outcome.evidence), ("urn:islet:message", outcome.origin_id)]
    entities = [{"role": "source", "what": {"identifier": {"system": s, "value": v}}} for s, v in sources]
    if outcome.replaces is not None:
        revised = {"system": VERSION_SYSTEM, "value": outcome.replaces}
        entities.append({"role": "revision", "what": {"identifier": revised}})
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=outcome.at_millis)
    return {
        "resourceType": "Provenance",
        "id": CONTAINED_ID,
        "target": [{"reference": "#"}],
        "recorded": instant_text(at),
        "activity": concept(_DEEDS, code, display),
        "agent": [
            {
                "type": concept(_AGENTS, "assembler", "Assembler"),
                "who": {"display": f"Islet, {outcome.method.name} version {outcome.method.version}"},
            }
        ],
        "entity": entities,
    }
