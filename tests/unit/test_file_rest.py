"""When a file counts as finished, and which comes first."""

from connectors.files.folder import Found, Rest, Signature, in_order


def a_file(name: str, size: int = 1, modified: int = 1) -> Found:
    return Found(name, Signature(size, modified, hash(name)))


def test_a_file_rests_once_it_has_not_changed_for_long_enough() -> None:
    rest = Rest(5.0)
    assert rest.at_rest([a_file("a")], 100.0) == []
    assert rest.at_rest([a_file("a")], 104.9) == []
    assert rest.at_rest([a_file("a")], 105.0) == [a_file("a")]


def test_growing_or_being_written_to_starts_the_wait_again() -> None:
    rest = Rest(5.0)
    rest.at_rest([a_file("a", size=1), a_file("b", modified=1)], 100.0)
    rest.at_rest([a_file("a", size=2), a_file("b", modified=2)], 104.0)
    assert rest.at_rest([a_file("a", size=2), a_file("b", modified=2)], 105.0) == []
    assert len(rest.at_rest([a_file("a", size=2), a_file("b", modified=2)], 109.0)) == 2


def test_a_file_that_went_and_came_back_starts_again() -> None:
    rest = Rest(5.0)
    rest.at_rest([a_file("a")], 100.0)
    rest.at_rest([], 101.0)
    assert rest.at_rest([a_file("a")], 106.0) == []


def test_without_a_wait_a_file_rests_at_first_sight() -> None:
    assert Rest(0.0).at_rest([a_file("a")], 0.0) == [a_file("a")]


def test_files_come_by_name_or_by_time() -> None:
    files = [a_file("b", modified=1), a_file("c", modified=1), a_file("a", modified=2)]
    assert [file.name for file in in_order(files, "name")] == ["a", "b", "c"]
    assert [file.name for file in in_order(files, "modified")] == ["b", "c", "a"]
