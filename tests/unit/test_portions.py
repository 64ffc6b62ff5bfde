"""How much of the work at hand is read at once."""

from hypothesis import given
from hypothesis import strategies as st

from engine.journal.portions import portions
from engine.journal.recent import Recent
from engine.model.message import Message
from engine.testing.builders import a_message


def test_large_ones_are_read_a_few_at_a_time_and_small_ones_together() -> None:
    sizes = {"a": 6, "b": 5, "c": 5, "d": 25, "e": 1, "f": 1}
    assert portions("abcdef", sizes, 10) == ["a", "bc", "d", "ef"]


def test_what_is_no_longer_there_weighs_nothing() -> None:
    assert portions(["x", "y"], {}, 10) == [["x", "y"]]
    assert portions([], {}, 10) == []


@given(st.lists(st.integers(0, 30), max_size=30), st.integers(1, 40))
def test_none_is_lost_their_order_stays_and_only_one_alone_weighs_too_much(weights: list[int], most: int) -> None:
    ids = [f"{place:03d}" for place in range(len(weights))]
    found = portions(ids, dict(zip(ids, weights, strict=True)), most)
    assert [id_ for some in found for id_ in some] == ids
    assert all(len(some) == 1 or sum(weights[int(id_)] for id_ in some) <= most for some in found)


def test_what_is_at_hand_says_its_size_and_stays_at_hand() -> None:
    recent: Recent[Message] = Recent()
    message = a_message(b"123")
    recent.put([("a", message)])
    assert recent.sizes(["a", "b"]) == {"a": 3}
    assert recent.take(["a"]) == ([message], [])
