"""Patients who were merged into others: whose they are now, and what is still kept under them.

The id of a merged patient stays behind as a name of the survivor's, in a system of our own; so a survivor who is merged
in turn takes it along, as every other name.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import insert, select, update

from clinical.records import AnyRecord, Record, Status
from ledger import patients
from ledger.claims import Standing
from ledger.patients import Name
from ledger.store import Transaction
from ledger.tables import patient_link, reading, reading_source

FORMER = "islet-merged"
"""The system in which the ids of merged patients are names."""
MERGED = "merged"

_decoder: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(Record)


async def merge(tx: Transaction, tenant: str, prior: str, survivor: str, at: int) -> None:
    """Every name of the patient `prior`, and what bears its id, is of `survivor` from now on. `at` in microseconds."""
    links = patient_link.c
    moved = update(patient_link).values(patient=survivor, how=MERGED)
    await tx.execute(moved.where(links.tenant == tenant, links.patient == prior))
    if prior in await survivors(tx, tenant, [prior]):  # somebody has linked names to a merged patient since
        await tx.execute(moved.where(links.tenant == tenant, links.system == FORMER, links.value == prior))
        return
    row = {"tenant": tenant, "system": FORMER, "value": prior, "patient": survivor, "how": MERGED, "made_at": at}
    await tx.execute(insert(patient_link), [row])


async def survivors(tx: Transaction, tenant: str, ids: Iterable[str]) -> dict[str, str]:
    """Of these patients those who were merged, and into whom."""
    found = await patients.find(tx, tenant, [(FORMER, id_) for id_ in ids])
    return {former: survivor for (_, former), survivor in found.items()}


async def of_survivors(
    tx: Transaction, tenant: str, bodies: Sequence[Sequence[AnyRecord]]
) -> Sequence[Sequence[AnyRecord]]:
    """The records of some messages, those of merged patients as their survivors': what was on its way when they were
    merged."""
    ids = {record.patient.id for records in bodies for record in records if record.patient.id is not None}
    merged = await survivors(tx, tenant, ids)
    return [_of_survivors(records, merged) for records in bodies] if merged else bodies


def _of_survivors(records: Sequence[AnyRecord], merged: Mapping[str, str]) -> Sequence[AnyRecord]:
    names = [merged.get(record.patient.id or "") for record in records]
    return [r if name is None else of_patient(r, name) for r, name in zip(records, names, strict=True)]


def of_patient(record: AnyRecord, patient: str) -> AnyRecord:
    """The record, said of another patient of ours."""
    moved: AnyRecord = msgspec.structs.replace(record, patient=msgspec.structs.replace(record.patient, id=patient))
    return moved


async def left_behind(tx: Transaction, tenant: str, survivor: str, names: Collection[Name]) -> list[AnyRecord]:
    """What the ledger still keeps under those who were merged into a patient, and under these names of it, from when
    nobody had linked them: each record as it came, those of one reading one after the other.

    Of a reading for which a person has chosen a source only that source's; what is withdrawn stays.
    """
    links = patient_link.c
    former = select(links.value).where(links.tenant == tenant, links.system == FORMER, links.patient == survivor)
    ids = [row[0] for row in await tx.execute(former)] + [f"{system}|{value}" for system, value in names]
    source = reading_source.c
    query = (
        select(reading.c.id, source.standing, source.record)
        .join_from(reading, reading_source, reading.c.id == source.reading_id)
        .where(
            reading.c.tenant == tenant,
            reading.c.patient.in_(ids),
            reading.c.status != Status.ENTERED_IN_ERROR.value,
            source.standing.in_([Standing.SPEAKS.value, Standing.CHOSEN.value]),
            source.status != Status.ENTERED_IN_ERROR.value,
        )
        .order_by(reading.c.effective, reading.c.id, source.origin_id, source.message_id, source.position)
    )
    rows: Sequence[tuple[str, str, bytes]] = await tx.execute(query)
    chosen = {id_ for id_, standing, _ in rows if standing == Standing.CHOSEN.value}
    return [
        msgspec.structs.replace(_decoder.decode(record), reading_id=None)
        for id_, standing, record in rows
        if id_ not in chosen or standing == Standing.CHOSEN.value
    ]
