"""Outcomes inside the journal's own transactions, on both databases."""

from datetime import timedelta

from clinical.issued import decode
from clinical.records import AnyRecord, encode
from engine import sdk
from engine.model.message import Message, Shape
from engine.testing.builders import a_message
from tests.contract.ledger.test_on_the_journal import AnyJournal, journal
from tests.contract.outcomes.support import TEN
from tests.unit.ledger.support import a_reading
from transformers.outcomes import OutcomesSettings, outcomes
from transformers.reconcile import ReconcileSettings, reconcile

__all__ = ["journal"]
SETTINGS = OutcomesSettings.model_validate({"timezone": "Europe/Dublin", "windows": [1, 7]})


async def told(journal: AnyJournal, hours: float, *records: AnyRecord) -> list[tuple[int, str, int]]:
    """Readings, status and version of what is issued."""
    message = a_message(encode(records), Shape.RECORDS, received_at=TEN + timedelta(hours=hours))
    async with journal.writer.transaction() as tx:
        passed = [each for each in await reconcile(message, ReconcileSettings(), tx) if isinstance(each, Message)]
        made: list[sdk.StepOutput] = [output for each in passed for output in await outcomes(each, SETTINGS, tx)]
    issued = [found for each in made if isinstance(each, Message) for found in decode(each.body)]
    return [(each.readings, each.status.value, each.version) for each in issued]


async def test_a_day_is_made_grows_is_corrected_and_ends(journal: AnyJournal) -> None:
    first, second = a_reading(120, id_="a", version="1"), a_reading(60, seconds=300, id_="b", version="1")
    assert await told(journal, 0.02, first) == [(1, "partial", 1)]
    assert await told(journal, 0.1, second) == [(2, "partial", 2)]
    moved = a_reading(61, seconds=300, id_="b", version="2")
    assert await told(journal, 0.2, moved) == [(2, "partial", 3)]
    assert await told(journal, 24, a_reading(130, seconds=86_000, id_="c", version="1")) == [
        (2, "final", 4),
        (2, "final", 1),
        (1, "partial", 1),
    ]
