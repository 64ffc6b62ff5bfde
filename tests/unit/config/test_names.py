"""What somebody meant who wrote a word that is not known."""

import pytest

from engine.config.names import hint, suggest, there_are

CHANNEL = ("channel", "description", "site", "source", "filter", "transform", "destinations", "retry", "when_it_fails")
LISTENER = ("host", "port", "accepts", "tls", "max_size", "idle_timeout", "type")
TYPES = ("channel", "dexcom", "file_reader", "http_listener", "mllp_listener")


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        # slips of the finger
        ("prot", LISTENER, "port"),
        ("acepts", LISTENER, "accepts"),
        ("desciption", CHANNEL, "description"),
        ("tranform", CHANNEL, "transform"),
        # other ways to write the same
        ("idle-timeout", LISTENER, "idle_timeout"),
        ("maxSize", LISTENER, "max_size"),
        ("Port", LISTENER, "port"),
        ("MLLP Listener", TYPES, "mllp_listener"),
        ("readonly", ("read-only", "full"), "read-only"),
        ("read_only", ("read-only", "full"), "read-only"),
        # other names for the same, which edit distance would not find or get wrong
        ("destination", CHANNEL, "destinations"),
        ("sinks", CHANNEL, "destinations"),
        ("filters", CHANNEL, "filter"),
        ("on_error", CHANNEL, "when_it_fails"),
        ("mllp", TYPES, "mllp_listener"),
        ("mllp", ("mllp_sender", "http_sender"), "mllp_sender"),
        ("http", TYPES, "http_listener"),
        ("file", TYPES, "file_reader"),
        ("timeout", LISTENER, "idle_timeout"),
        ("timeout", ("timeout", "idle_timeout"), "timeout"),
        ("server", LISTENER, "host"),
        ("route", ("routes", "sites"), "routes"),
        ("equals", ("is", "in", "matches"), "is"),
        ("value", ("is", "in"), "is"),
        ("name", CHANNEL, "channel"),
        # nothing is near
        ("qwertz", CHANNEL, None),
        ("x", LISTENER, None),
        ("to", ("tls",), None),
        ("", CHANNEL, None),
        ("port", (), None),
    ],
)
def test_the_near_name(word: str, known: tuple[str, ...], meant: str | None) -> None:
    assert suggest(word, known) == meant


def test_an_alias_never_suggests_what_is_not_known_here() -> None:
    assert suggest("sink", ("port", "host")) is None


def test_of_two_names_equally_near_the_answer_is_always_the_same() -> None:
    assert suggest("best", ("rest_", "test_")) == suggest("best", ("test_", "rest_"))


def test_without_a_near_name_the_known_ones_are_listed_and_long_lists_cut() -> None:
    assert hint("qwertz", ["b", "a"]) == "there are: a, b"
    assert hint("prot", LISTENER) == "did you mean `port`?"
    assert there_are([]) == "there are none"
    assert there_are([f"n{number:02}" for number in range(20)]).endswith("n14 and 5 more")
