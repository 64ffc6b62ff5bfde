"""Links of patients that a hospital's own messages make and move."""

from collections.abc import Iterable

from sqlalchemy import insert, select, update

from ledger.patients import Name
from ledger.store import Transaction
from ledger.tables import patient_link, reading

ADMITTED, MERGED = "adt", "merged"


async def attach(tx: Transaction, tenant: str, names: Iterable[Name], patient: str, at: int) -> None:
    """Link names that have no link yet to a patient who is known. `at` in microseconds."""
    rows = [
        {"tenant": tenant, "system": system, "value": value, "patient": patient, "how": ADMITTED, "made_at": at}
        for system, value in names
    ]
    if rows:
        await tx.execute(insert(patient_link), rows)


async def move(tx: Transaction, tenant: str, prior: str, survivor: str) -> None:
    """Every link of the patient `prior` is one of `survivor` from now on."""
    links = patient_link.c
    await tx.execute(
        update(patient_link).where(links.tenant == tenant, links.patient == prior).values(patient=survivor, how=MERGED)
    )


async def has_readings(tx: Transaction, tenant: str, patient: str) -> bool:
    """Does the ledger hold readings under this patient?"""
    query = select(reading.c.id).where(reading.c.tenant == tenant, reading.c.patient == patient).limit(1)
    return bool(list(await tx.execute(query)))
