"""Where a record came from, as a Provenance inside the resource that it speaks of (US Core 9, Writing Vital Signs).

`target` is `#`, the resource around it, so that servers which take no Provenance of their own keep it all the same.
"""

from datetime import datetime
from typing import Any

from clinical.fhir.terms import concept
from clinical.fhir.times import instant_text
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
