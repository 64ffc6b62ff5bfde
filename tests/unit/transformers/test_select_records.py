import pytest
from pydantic import ValidationError

from clinical.records import Glucose, decode, encode
from engine import sdk
from engine.testing.builders import a_message
from tests.builders import a_bolus, a_glucose
from transformers.select_records import SelectRecordsSettings, select_records

GLUCOSE = SelectRecordsSettings(kinds=frozenset({"glucose"}))


def test_the_wanted_kinds_go_on_and_the_others_are_counted() -> None:
    given = a_message(encode([a_bolus(), a_glucose(), a_bolus(id_="b")]), sdk.Shape.RECORDS, meta={"tally": "x=1"})
    output = select_records(given, GLUCOSE)
    assert isinstance(output, sdk.Message)
    assert [type(record) for record in decode(output.body)] == [Glucose]
    assert output.meta["tally"] == "x=1 left-out-insulin-dose=2"


def test_what_is_wanted_as_a_whole_is_left_as_it_is() -> None:
    given = a_message(encode([a_glucose()]), sdk.Shape.RECORDS)
    assert select_records(given, GLUCOSE) is given


def test_without_any_the_message_ends_with_its_counts() -> None:
    output = select_records(a_message(encode([a_bolus()]), sdk.Shape.RECORDS), GLUCOSE)
    assert output == sdk.Drop("no records of the wanted kinds", tally={"left-out-insulin-dose": 1})


@pytest.mark.parametrize("kinds", [[], ["insulin"]])
def test_kinds_are_those_that_there_are(kinds: list[str]) -> None:
    with pytest.raises(ValidationError):
        SelectRecordsSettings.model_validate({"kinds": kinds})
