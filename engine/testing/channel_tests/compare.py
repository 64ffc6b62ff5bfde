"""What was expected against what came of it. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from engine.model.delivery import Delivery
from engine.model.states import DeliveryState, MessageState
from engine.testing.channel_tests.facts import Facts, Look, Row, tally
from engine.testing.channel_tests.files import Expectations
from engine.testing.channel_tests.keys import DestinationExpected, ErrorWords, Fields, FileExpected, Scalar, Waiting
from engine.testing.channel_tests.written import WrittenFile, plain_text

NOTHING: Final = "nothing"
_OUTCOMES: Final[Mapping[str, str]] = {DeliveryState.SENT: "delivered"}
_CONTROL_ID: Final = "MSH-10"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One expectation that was not met, by its path in the test."""

    path: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, got {self.got}"


def mismatches(expectations: Expectations, facts: Facts) -> list[Mismatch]:
    """Everything that is not as expected, in the order of the keys."""
    return [*_channel(expectations, facts), *_destinations(expectations, facts)]


def _channel(expectations: Expectations, facts: Facts) -> Iterator[Mismatch]:
    expected = expectations.expected
    if expected.ack is not None:
        wanted = [expected.ack] if isinstance(expected.ack, str) else expected.ack
        yield from _differ("ack", _listed(wanted), _listed(facts.acks))
    for channel, number in expectations.fed.items():
        yield from _differ(f"to-{channel}", _messages(number), _messages(facts.fed[channel]))
    readings = [_looker(reading) for reading in facts.readings]
    yield from _listed_fields("readings", expected.readings, readings)
    for word, state in (
        ("filtered", MessageState.FILTERED),
        ("held", MessageState.HELD),
        ("review", MessageState.REVIEW),
        ("deferred", MessageState.DEFERRED),
    ):
        found = [row for row in facts.messages if row["state"] == state]
        yield from _waiting(word, getattr(expected, word), found)
    if expected.duplicates is not None:
        yield from _differ("duplicates", expected.duplicates, sum(map(_duplicates, facts.messages)))
    if expected.counted is not None:
        counted: Counter[str] = Counter()
        for row in facts.messages:
            counted.update(tally(row))
        for word, number in expected.counted.items():
            yield from _differ(f"counted.{word}", number, counted[word])
    yield from _listed_fields("sent", expected.sent, facts.sent)
    yield from _listed_fields("kept", expected.kept, [_looker(reading) for reading in facts.kept])


def _looker(values: Mapping[str, str]) -> Look:
    return lambda path: [values[path]] if path in values else []


def _duplicates(row: Row) -> int:
    """Repeats in one message: those that a step counted, else the message itself."""
    return tally(row).get("duplicate", int(row["state"] == MessageState.DUPLICATE))


def _differ(path: str, expected: object, got: object) -> Iterator[Mismatch]:
    if expected != got:
        yield Mismatch(path, str(expected), str(got))


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words) or NOTHING


def _messages(number: int) -> str:
    return f"{number} message{'' if number == 1 else 's'}"


# --- copies that did not go on


def _waiting(path: str, expected: int | Waiting | None, found: Sequence[Row]) -> Iterator[Mismatch]:
    if expected is None:
        return
    if isinstance(expected, int):
        expected = Waiting(count=expected)
    if expected.count != len(found):
        why = ", ".join(dict.fromkeys(_why(row) for row in found))
        got = f"{len(found)}{f' ({why})' if why else ''}"
        yield Mismatch(path, str(expected.count), got)
        return
    if not found:
        return
    if expected.reason is not None and expected.reason not in (found[0]["code"], found[0]["reason"]):
        yield from _holds(f"{path}.reason", expected.reason, _why(found[0]))
    yield from _error(f"{path}.error", expected.error, found[0])


def _why(row: Row) -> str:
    return str(row["code"] or row.get("reason") or "")


def _error(path: str, expected: ErrorWords | None, row: Row) -> Iterator[Mismatch]:
    if expected is None:
        return
    if expected.at is not None:
        yield from _differ(f"{path}.at", expected.at, row["path"] or NOTHING)
    if expected.code is not None:
        yield from _differ(f"{path}.code", expected.code, row["code"] or NOTHING)
    if expected.says is not None:
        yield from _holds(f"{path}.says", expected.says, row["text"] or NOTHING)


def _holds(path: str, words: str, text: str) -> Iterator[Mismatch]:
    if words not in text:
        yield Mismatch(path, f"something with {words!r}", repr(text))


# --- fields


def _listed_fields(path: str, expected: int | Sequence[Fields] | None, found: Sequence[Look]) -> Iterator[Mismatch]:
    if expected is None:
        return
    number = expected if isinstance(expected, int) else len(expected)
    yield from _differ(path, number, len(found))
    if isinstance(expected, int):
        return
    for position, (fields, look) in enumerate(zip(expected, found, strict=False)):
        for name, value in fields.items():
            values = look(name)
            if not any(_equal(value, one) for one in values) and not (value == "" and not values):
                yield Mismatch(f"{path}[{position}].{name}", str(value), _listed(values))


def _equal(expected: Scalar, got: str) -> bool:
    """Text as it stands; a number that is written without quotes by its value."""
    if isinstance(expected, bool):
        return got == str(expected).lower()
    if isinstance(expected, str):
        return got == expected
    try:
        return Decimal(got) == Decimal(str(expected))
    except InvalidOperation:
        return False


# --- destinations


def _destinations(expectations: Expectations, facts: Facts) -> Iterator[Mismatch]:
    for name, expected in expectations.destinations.items():
        rows = [row for row in facts.deliveries if row["destination"] == name]
        yield from _destination(name, expected, rows, facts)


def _destination(name: str, expected: DestinationExpected, rows: Sequence[Row], facts: Facts) -> Iterator[Mismatch]:
    calls = facts.calls[name]
    if expected.attempts is not None:
        yield from _differ(f"{name}.attempts", expected.attempts, sum(len(call) for call in calls))
    if expected.calls is not None:
        yield from _differ(f"{name}.calls", expected.calls, [len(call) for call in calls])
    if expected.outcome is not None:
        got = [_OUTCOMES.get(row["state"], row["state"]) for row in rows]
        wanted = expected.outcome
        same = [wanted] * max(1, len(got)) if isinstance(wanted, str) else wanted
        yield from _differ(f"{name}.outcome", _listed(same), _listed(got))
    if expected.same_control_id is not None:
        yield from _differ(f"{name}.same_control_id", expected.same_control_id, _same_control_id(calls, facts))
    yield from _files(f"{name}.files", expected.files, facts.files.get(name))
    undelivered = [row for row in rows if row["code"]]
    yield from _error(f"{name}.error", expected.error, undelivered[0] if undelivered else _NO_ERROR)


def _files(
    path: str, expected: int | Sequence[FileExpected] | None, found: Sequence[WrittenFile] | None
) -> Iterator[Mismatch]:
    if expected is None:
        return
    if found is None:
        yield Mismatch(path, "files", "a destination that writes none; leave `files` out")
        return
    number = expected if isinstance(expected, int) else len(expected)
    if number != len(found):
        names = ", ".join(file.name for file in found)
        yield Mismatch(path, str(number), f"{len(found)}{f' ({names})' if names else ''}")
    if isinstance(expected, int):
        return
    for position, (wanted, file) in enumerate(zip(expected, found, strict=False)):
        if wanted.name is not None and not _fits(wanted.name, file.name):
            yield Mismatch(f"{path}[{position}].name", wanted.name, file.name)
        if wanted.content is not None and not _fits(plain_text(wanted.content), file.text):
            yield Mismatch(f"{path}[{position}].content", repr(plain_text(wanted.content)), repr(file.text))


def _fits(pattern: str, text: str) -> bool:
    """`*` stands for anything, also for several lines."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


_NO_ERROR: Final[Row] = {"path": None, "code": None, "text": None}


def _same_control_id(calls: Sequence[Sequence[Delivery]], facts: Facts) -> bool:
    ids: dict[str, set[str]] = {}
    for call in calls:
        for delivery in call:
            found = facts.look(delivery.shape, delivery.body)(_CONTROL_ID)
            ids.setdefault(delivery.id, set()).update(found or [""])
    return bool(ids) and all(len(some) == 1 and "" not in some for some in ids.values())
