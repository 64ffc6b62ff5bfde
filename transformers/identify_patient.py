"""`identify_patient`: the source's identifier of a patient becomes our own."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Literal

import msgspec

from clinical.records import PatientRef, Record, encode, order_key
from engine import sdk
from ledger import merges, patients
from ledger.patients import Name
from transformers.record_bodies import order_of, read_records


class IdentifyPatientSettings(sdk.Settings):
    """`if_unknown`: `review` asks a person, `hold` waits until somebody has linked the patient and replays it,
    `register` makes a new patient."""

    if_unknown: Literal["register", "review", "hold"] = "review"


async def _together(
    messages: Sequence[sdk.Message], settings: IdentifyPatientSettings, tx: sdk.Transaction
) -> Sequence[Sequence[sdk.StepOutput]]:
    """As `identify_patient`, for several messages in their order, their names looked up at once."""
    outputs: list[Sequence[sdk.StepOutput]] = []
    for tenant, group in groupby(messages, key=lambda message: message.tenant):
        some = list(group)
        bodies = await merges.of_survivors(tx, tenant, [read_records(message.body) for message in some])
        unnamed = {name for records in bodies for name in _unnamed(records)}
        links = await patients.find(tx, tenant, unnamed) if unnamed else {}
        for message, records in zip(some, bodies, strict=True):
            if settings.if_unknown == "register":
                links |= await _registered(message, records, links, tx)
            outputs.append(_outputs(message, records, links, settings))
    return outputs


@sdk.stateful_step(
    "identify_patient",
    settings=IdentifyPatientSettings,
    accepts={sdk.Shape.RECORDS},
    emits=sdk.Shape.RECORDS,
    together=_together,
)
async def identify_patient(
    message: sdk.Message, settings: IdentifyPatientSettings, tx: sdk.Transaction
) -> Sequence[sdk.StepOutput]:
    """Set `patient.id` of every record from the ledger's links; a record that has one keeps it, unless that patient
    was merged into another.

    Output: one `records` message for each patient, its order key the patient. Records of an unknown patient are set
    aside where others go on; if none can go on, the whole message waits.
    """
    return (await _together([message], settings, tx))[0]


async def _registered(
    message: sdk.Message, records: Sequence[Record], links: Mapping[Name, str], tx: sdk.Transaction
) -> Mapping[Name, str]:
    """New patients for the names that nobody has linked."""
    unknown = [name for name in _unnamed(records) if name not in links]
    if not unknown:
        return {}
    return await patients.register(tx, message.tenant, unknown, sdk.new_id, sdk.to_micros(message.received_at))


def _outputs(
    message: sdk.Message, records: Sequence[Record], links: Mapping[Name, str], settings: IdentifyPatientSettings
) -> Sequence[sdk.StepOutput]:
    if not records:
        return [sdk.Drop("no readings")]
    left = [(n, record) for n, record in enumerate(records) if _is_unknown(record, links)]
    known = [_identified(record, links) for record in records if not _is_unknown(record, links)]
    if not known:
        raise _unknown(left[0][0], settings)
    return [*_by_patient(message, known), *_asides(left, settings)]


def _unnamed(records: Sequence[Record]) -> list[Name]:
    return list(dict.fromkeys(_name(record.patient) for record in records if record.patient.id is None))


def _name(patient: PatientRef) -> Name:
    return patient.system, patient.value


def _is_unknown(record: Record, links: Mapping[Name, str]) -> bool:
    return record.patient.id is None and _name(record.patient) not in links


def _identified(record: Record, links: Mapping[Name, str]) -> Record:
    if record.patient.id is not None:
        return record
    patient = msgspec.structs.replace(record.patient, id=links[_name(record.patient)])
    return msgspec.structs.replace(record, patient=patient)


def _by_patient(message: sdk.Message, records: Sequence[Record]) -> Sequence[sdk.Message]:
    def patient(record: Record) -> str:
        return order_key(record.patient)

    groups = ((key, list(group)) for key, group in groupby(sorted(records, key=patient), key=patient))
    return [message.but(body=encode(group), order_key=key, meta=order_of(group)) for key, group in groups]


def _asides(left: Sequence[tuple[int, Record]], settings: IdentifyPatientSettings) -> Sequence[sdk.Aside]:
    by_name: dict[Name, list[tuple[int, Record]]] = {}
    for position, record in left:
        by_name.setdefault(_name(record.patient), []).append((position, record))
    return [
        sdk.Aside(_unknown(some[0][0], settings), encode([record for _, record in some]), sdk.Shape.RECORDS)
        for some in by_name.values()
    ]


def _unknown(position: int, settings: IdentifyPatientSettings) -> sdk.EngineError:
    """Review or hold, with the remedy."""
    word = sdk.NeedsReview if settings.if_unknown == "review" else sdk.InvalidMessage
    return word(
        "no patient is linked to this identifier; import the link, then release the message",
        code="patient-not-found",
        path=f"records[{position}].patient",
    )
