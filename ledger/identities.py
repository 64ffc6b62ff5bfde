"""Links of patients that a hospital's own messages make."""

from collections.abc import Iterable

from sqlalchemy import insert, select

from ledger.patients import Name
from ledger.store import Transaction
from ledger.tables import patient_link, reading

ADMITTED = "adt"


async def attach(tx: Transaction, tenant: str, names: Iterable[Name], patient: str, at: int) -> None:
    """Link names that have no link yet to a patient who is known. `at` in microseconds."""
    rows = [
        {"tenant": tenant, "system": system, "value": value, "patient": patient, "how": ADMITTED, "made_at": at}
        for system, value in names
    ]
    if rows:
        await tx.execute(insert(patient_link), rows)


async def has_readings(tx: Transaction, tenant: str, patient: str) -> bool:
    """Does the ledger hold readings under this patient?"""
    query = select(reading.c.id).where(reading.c.tenant == tenant, reading.c.patient == patient).limit(1)
    return bool(list(await tx.execute(query)))
