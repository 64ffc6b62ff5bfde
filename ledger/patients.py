"""Patients, and which of them a source means by its own identifier."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sqlalchemy import Executable, bindparam, insert, select, tuple_

from ledger.store import Transaction
from ledger.tables import patient, patient_link

T = TypeVar("T")

COLUMNS = ("system", "value", "patient")
REGISTERED, IMPORTED = "registered", "imported"

_AT_ONCE = 5000
_LINKS = select(patient_link.c.system, patient_link.c.value, patient_link.c.patient).where(
    patient_link.c.tenant == bindparam("tenant"),
    tuple_(patient_link.c.system, patient_link.c.value).in_(bindparam("names", expanding=True)),
)
_PATIENTS = select(patient.c.id).where(
    patient.c.tenant == bindparam("tenant"), patient.c.id.in_(bindparam("ids", expanding=True))
)

Name = tuple[str, str]
"""A patient as a source names one: system and value."""


@dataclass(frozen=True, slots=True)
class Link:
    """`value` in `system` is our patient `patient`. `line`: where it was written, for people."""

    system: str
    value: str = field(repr=False)
    patient: str = field(repr=False)
    line: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to. `conflicts`: links that are known with another patient; if there are any, nothing was
    written."""

    added: int
    known: int
    conflicts: Sequence[Link] = ()


class Reader(Protocol):
    """What a look-up needs of the journal's queries."""

    async def all(self, statement: Executable) -> Sequence[Any]: ...


class BadLinks(ValueError):
    """A list of links that cannot be read; says the line, and holds nothing of its content."""


async def find(tx: Transaction, tenant: str, names: Iterable[Name]) -> dict[Name, str]:
    """Our patient for each of these names that is linked."""
    found: dict[Name, str] = {}
    for some in _portions(sorted(set(names))):
        for row in await tx.execute(_LINKS, [{"tenant": tenant, "names": some}]):
            found[row[0], row[1]] = row[2]
    return found


async def register(
    tx: Transaction, tenant: str, names: Sequence[Name], new_id: Callable[[], str], at: int
) -> dict[Name, str]:
    """Make a patient for each of these unlinked names, and link it. `at` in microseconds."""
    made = {name: new_id() for name in names}
    links = [Link(system, value, id_) for (system, value), id_ in made.items()]
    await _add(tx, tenant, links, set(made.values()), REGISTERED, at)
    return made


async def import_links(tx: Transaction, tenant: str, links: Sequence[Link], at: int) -> Imported:
    """Write links that people have listed; a patient that is not known is made. All or, if any link is known with
    another patient (or listed with two), nothing. `at` in microseconds."""
    known = await find(tx, tenant, ((link.system, link.value) for link in links))
    fresh: dict[Name, Link] = {}
    conflicts = []
    for link in links:
        name = link.system, link.value
        patient_known = known[name] if name in known else fresh.setdefault(name, link).patient
        if patient_known != link.patient:
            conflicts.append(link)
    if conflicts:
        return Imported(0, 0, conflicts)
    wanted = {link.patient for link in fresh.values()}
    await _add(tx, tenant, list(fresh.values()), wanted - await _existing(tx, tenant, wanted), IMPORTED, at)
    return Imported(len(fresh), len(links) - len(fresh))


def read_links(text: str) -> list[Link]:
    """Links from CSV with the columns system, value and patient, in any order. Raises BadLinks."""
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
        if missing:
            raise BadLinks(f"line 1: the header lacks {', '.join(missing)}; write {','.join(COLUMNS)}")
        return [_link(row, rows.line_num) for row in rows]
    except csv.Error as error:
        raise BadLinks(f"line {rows.line_num + 1}: is not CSV ({error})") from None


def _link(row: dict[str, str | None], line: int) -> Link:
    cells = {column: (row[column] or "").strip() for column in COLUMNS}
    empty = [column for column, cell in cells.items() if not cell]
    if empty:
        raise BadLinks(f"line {line}: {', '.join(empty)} is empty")
    return Link(**cells, line=line)


async def _add(tx: Transaction, tenant: str, links: Sequence[Link], patients: Iterable[str], how: str, at: int) -> None:
    made = [{"tenant": tenant, "id": id_, "made_at": at} for id_ in sorted(patients)]
    if made:
        await tx.execute(insert(patient), made)
    if links:
        await tx.execute(
            insert(patient_link),
            [
                {
                    "tenant": tenant,
                    "system": link.system,
                    "value": link.value,
                    "patient": link.patient,
                    "how": how,
                    "made_at": at,
                }
                for link in links
            ],
        )


async def _existing(tx: Transaction, tenant: str, ids: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for some in _portions(sorted(ids)):
        found |= {row[0] for row in await tx.execute(_PATIENTS, [{"tenant": tenant, "ids": some}])}
    return found


def _portions(values: Sequence[T]) -> Iterable[Sequence[T]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


async def order_keys(queries: Reader, identifier: str) -> tuple[str, ...]:
    """What one patient's messages may be ordered by: the identifier as it stands, our id of each patient that some
    source calls so, and `system|identifier` of those sources."""
    links = await queries.all(
        select(patient_link.c.system, patient_link.c.patient).where(patient_link.c.value == identifier)
    )
    names = [name for system, ours in links for name in (f"{system}|{identifier}", ours)]
    return tuple(dict.fromkeys([identifier, *names]))
