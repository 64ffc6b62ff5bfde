"""Patient resources: which identifiers name one person, and which Patients were merged (R4 and R5 section 8.1)."""

from collections.abc import Iterator, Mapping
from typing import Any

from clinical.fhir.errors import FhirError
from clinical.fhir.read_common import ReadForm, dicts, id_in_reference
from clinical.identities import Identities, Name


def identities_of(patient: Mapping[str, Any], form: ReadForm) -> list[Identities]:
    """Who a Patient is: its id on the server, and the identifiers of the systems that `form.patient_systems` lists.

    Identifiers of use `old` and `temp` are left out: they may be another's by now, or soon. A link `replaced-by` is a
    merge into the other Patient, `replaces` a merge of the other one into this; `seealso` and `refer` say nothing of
    who is who. Raises FhirError with the element's path for a Patient without an id, or a merge that names nobody.
    """
    id_ = patient.get("id")
    if not isinstance(id_, str) or not id_:
        raise FhirError("has no id, so nothing can name it", "Patient.id", "no-identifier")
    names = tuple(dict.fromkeys([(form.server, id_), *_identifiers(patient, form)]))
    found = [Identities(names)]
    for place, link in enumerate(dicts(patient.get("link"))):
        kind = link.get("type")
        if kind not in ("replaced-by", "replaces"):
            continue
        held = link.get("other")
        other = id_in_reference(held.get("reference") if isinstance(held, dict) else None, form)
        if other is None:
            raise FhirError("names no Patient", f"Patient.link[{place}].other", "merge-alone")
        if kind == "replaces":
            found.append(Identities(names, ((form.server, other),)))
        else:
            found = [Identities(((form.server, other),), names)]
    return found


def _identifiers(patient: Mapping[str, Any], form: ReadForm) -> Iterator[Name]:
    for identifier in dicts(patient.get("identifier")):
        system, value = identifier.get("system"), identifier.get("value")
        if not isinstance(system, str) or not isinstance(value, str) or not value.strip():
            continue
        assigner = form.patient_systems.get(system)
        if assigner is not None and identifier.get("use") not in ("old", "temp"):
            yield assigner, value.strip()
