"""Whose results these are: the identifier in PID-3 that the receiver goes by."""

from clinical.hl7v2.delimiters import NULL
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.segment import Segment
from clinical.records import PatientRef

IDENTIFIERS = 3


def patient_of(
    pid: Segment | None, number: int, *, kind: str, assigner: str | None, fallback_system: str
) -> PatientRef:
    """The patient of a PID.

    Looked for is the repetition of PID-3 whose type (component 5, table 0203) is `kind` and, if given, whose assigner
    (component 4: name or universal id) is `assigner`. One that stands alone without a type is taken as it is. The
    record's system is `assigner`, else the assigner's name in PID-3.4, else `fallback_system`.

    Raises Hl7Error with the path if there is no such identifier, or there are two different ones.
    """
    if pid is None:
        raise Hl7Error("there is no PID segment, so the results belong to nobody", "PID", "patient-missing")
    path = f"PID[{number}]-{IDENTIFIERS}"
    repetitions = [text for text in pid.repetitions(IDENTIFIERS) if text.strip() and text != NULL]
    found = {
        PatientRef(system=assigner or _leaf(pid, text, 4) or fallback_system, value=value)
        for text in repetitions
        if (value := _leaf(pid, text, 1)) and value != NULL and _wanted(pid, text, len(repetitions), kind, assigner)
    }
    if not found:
        whose = f" assigned by {assigner}" if assigner else ""
        raise Hl7Error(
            f"no identifier of type {kind}{whose}; see patient_identifier and assigner", path, "patient-missing"
        )
    if len(found) > 1:
        raise Hl7Error(f"several different identifiers of type {kind}; set assigner", path, "patient-unclear")
    return found.pop()


def _wanted(pid: Segment, text: str, count: int, kind: str, assigner: str | None) -> bool:
    typed = _leaf(pid, text, 5)
    if typed.upper() != kind.upper() and not (count == 1 and not typed):
        return False
    if assigner is None:
        return True
    named = [_leaf(pid, text, 4), pid.leaf_of(text, 4, 2).strip()]
    return assigner.upper() in (name.upper() for name in named) or (count == 1 and not any(named))


def _leaf(pid: Segment, text: str, component: int) -> str:
    return pid.leaf_of(text, component).strip()
