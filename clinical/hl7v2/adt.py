"""Who is who: the identifiers that an ADT message says belong together, and the merges (HL7 v2.9.1 sections 3.3, 3.6).

A01, A04, A05, A08, A28, A31 and the like name one patient by all of PID-3. A40 (and A18, A30, A34 of older versions)
says with each PID and the MRG after it that the identifiers of MRG-1 belong to the patient of PID-3 from now on.
"""

from collections.abc import Collection

from clinical.hl7v2.delimiters import NULL
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.message import Message
from clinical.hl7v2.segment import Segment
from clinical.identities import Identities, Name

NAMING = frozenset({"A01", "A02", "A03", "A04", "A05", "A08", "A13", "A28", "A31"})
MERGING = frozenset({"A18", "A30", "A34", "A36", "A40"})


def event_of(message: Message) -> str:
    """The trigger event: MSH-9.2, else EVN-1."""
    event = message.segments[0].leaf(9, 2).strip()
    evn = next((segment for segment in message.segments if segment.name == "EVN"), None)
    return (event or (evn.leaf(1).strip() if evn is not None else "")).upper()


def identities_of(message: Message, kinds: Collection[str]) -> list[Identities]:
    """The patients of an ADT message, in its order; none if its event says nothing of identities.

    `kinds` are the types of identifiers (table 0203) that count; one without a type counts where it stands alone.
    An identifier's system is the assigner's name (component 4), else the sending facility, as in `patient_of`.
    Raises Hl7Error with the path for a patient without such an identifier, and for a merge without its other side.
    """
    event = event_of(message)
    if event not in NAMING | MERGING:
        return []
    wanted = frozenset(kind.upper() for kind in kinds)
    fallback = message.segments[0].leaf(4).strip()
    found: list[Identities] = []
    counts = {"PID": 0, "MRG": 0}
    for segment in message.segments:
        if segment.name not in counts:
            continue
        counts[segment.name] += 1
        number = counts[segment.name]
        if segment.name == "PID":
            found.append(Identities(_names(segment, 3, f"PID[{number}]-3", wanted, fallback)))
        elif event in MERGING:
            if not found or found[-1].prior:
                raise Hl7Error("a merge without the patient who stays", f"MRG[{number}]", "merge-alone")
            found[-1] = found[-1]._replace(prior=_names(segment, 1, f"MRG[{number}]-1", wanted, fallback))
    if not found:
        raise Hl7Error("there is no PID segment", "PID", "patient-missing")
    if event in MERGING and (place := next((n for n, each in enumerate(found, 1) if not each.prior), None)):
        raise Hl7Error("a merge without whom it merges; MRG is missing after this PID", f"PID[{place}]", "merge-alone")
    return found


def _names(segment: Segment, field: int, path: str, kinds: frozenset[str], fallback: str) -> tuple[Name, ...]:
    repetitions = [text for text in segment.repetitions(field) if text.strip() and text != NULL]
    names = []
    for text in repetitions:
        value, assigner, kind = (segment.leaf_of(text, component).strip() for component in (1, 4, 5))
        if value and value != NULL and (kind.upper() in kinds or (not kind and len(repetitions) == 1)):
            names.append((assigner or fallback, value))
    if not names:
        raise Hl7Error("no identifier of the types that count; see identifier_types", path, "patient-missing")
    return tuple(dict.fromkeys(names))
