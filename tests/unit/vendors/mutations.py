"""Bodies gone wrong in ways that real ones do, and what every parser owes them."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from clinical.records import Glucose, InsulinDose, PatientRef, decode, encode
from clinical.vendors.making import Whose
from clinical.vendors.parsing import Parsed, Unreadable

PATIENT = PatientRef(system="stm", value="P-1")
WHOSE = Whose(PATIENT, "v1")
CANARY = "CANARY"
Parse = Callable[[bytes], Parsed]

anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**15, 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["low", "mg/dL", "39", "-1", "\x00", "2025-01-30T23:10:55Z", "9" * 400, "5,5", "1e9", "NaN"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def places(document: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document, from the outside in."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield (*way, key)
            yield from places(value, (*way, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield (*way, index)
            yield from places(value, (*way, index))


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """The document with up to three places changed, dropped, renamed, or doubled."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        ways = list(places(changed))
        if not ways:
            break
        *way, last = draw(st.sampled_from(ways))
        holder = changed
        for step in way:
            holder = holder[step]
        match draw(st.sampled_from(("change", "drop", "rename", "double"))):
            case "drop":
                del holder[last]
            case "rename" if isinstance(holder, dict):
                holder[draw(st.text(max_size=6))] = holder.pop(last)
            case "double" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[last]))
            case _:
                holder[last] = draw(anything)
    return changed


@st.composite
def torn(draw: st.DrawFn, body: bytes) -> bytes:
    """The body with bytes cut out and others put in."""
    begin = draw(st.integers(0, len(body)))
    end = draw(st.integers(begin, min(begin + 40, len(body))))
    return body[:begin] + draw(st.binary(max_size=20)) + body[end:]


def survives(parse: Parse, body: bytes) -> Parsed | None:
    """Records and problems as they should be, or the one clear refusal (None)."""
    try:
        parsed = parse(body)
    except Unreadable:
        return None
    check(parsed)
    return parsed


def check(parsed: Parsed) -> None:
    assert decode(encode(parsed.records)) == tuple(parsed.records)
    assert all(problem.code and problem.path and problem.body for problem in parsed.problems)
    for record in parsed.records:
        assert record.source.value
        if isinstance(record, Glucose):
            low, high = (20, 600) if record.value.unit == "mg/dL" else (11, 333)
            assert low <= record.value.steps <= high
        if isinstance(record, InsulinDose):
            for amount in (record.requested, record.delivered):
                assert amount is None or 0 <= amount.steps <= 300_000


def says_nothing_personal(parsed: Parsed) -> None:
    """Neither records nor what may be logged of problems holds a canary."""
    assert CANARY.encode() not in encode(parsed.records)
    assert not [problem for problem in parsed.problems if CANARY in f"{problem}{problem.path}{problem.text}"]


def as_json(document: Any) -> bytes:
    return json.dumps(document).encode()


def kinds(parsed: Parsed) -> Sequence[str]:
    return [str(record.__struct_config__.tag) for record in parsed.records]
