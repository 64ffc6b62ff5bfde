"""Parity over all samples: every time and code system that the authors of the published pairs wrote in FHIR beside
the HL7 v2 text, and every result of the real ORU messages that a record holds, by the guide's tables.

Differences stand with their reason in v2_parity_differences.yaml; one that does not, fails.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from clinical.codes import code_system
from clinical.fhir.times import date_time
from clinical.hl7v2 import Hl7Error, parse
from clinical.hl7v2.dtm import read_dtm
from clinical.hl7v2.times import Clock, Time
from tests.integration.fhir.test_v2_parity import DIFFERENCES, RULES, SYSTEMS, by_the_guide, ours, outcome
from tests.unit.hl7v2.messages import SAMPLES

DATES_ONLY = frozenset({"birthDate", "valueTime"})


def files(folder: str, ending: str) -> list[str]:
    root = SAMPLES / folder
    return [file.relative_to(SAMPLES).as_posix() for file in sorted(root.rglob(f"*{ending}"))] if root.is_dir() else []


def objects(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def bundles() -> Iterator[Any]:
    for name in files("pairs", ".fhir.json"):
        body = (SAMPLES / name).read_bytes()
        if body.strip() and not body.lstrip().startswith(b"<"):
            yield orjson.loads(body)


def extension(element: Mapping[str, Any], name: str) -> str | None:
    held = [each.get("valueString") for each in element.get("extension", []) if each.get("url", "").endswith(name)]
    return held[0] if held else None


def times() -> set[tuple[str, str]]:
    """HL7 v2 text and the dateTime or instant that the authors make of it."""
    found = set()
    for each in (one for bundle in bundles() for one in objects(bundle)):
        for name, beside in each.items():
            plain = name.removeprefix("_")
            if name != plain and isinstance(beside, dict) and plain in each and plain not in DATES_ONLY:
                text = extension(beside, "hl7v2-date-time")
                found |= {(text, each[plain])} if text else set()
    return found


def systems() -> set[tuple[str, str]]:
    """Coding system as in HL7 v2, and the URI that the authors make of it."""
    return {
        (named, each["system"])
        for bundle in bundles()
        for each in objects(bundle)
        if "system" in each and (named := extension(each, "cwe-coding-system")) is not None
    }


def time_difference(text: str, theirs: str) -> str | None:
    """Why our dateTime of the text is not theirs; None if it is."""
    try:
        made = Clock(RULES.zone).effective(Time(text, read_dtm(text), "OBX-14")).instant
    except Hl7Error as error:
        return error.code
    mine, other = (datetime.fromisoformat(each) for each in (date_time(made), theirs))
    if mine == other:
        return None if mine.utcoffset() == other.utcoffset() else "offset"
    return "below-milliseconds" if abs((mine - other).total_seconds()) < 0.001 else "time"


def row_differences(name: str, number: int) -> list[str]:
    """The fields in which our Observation of one result is not the guide's."""
    raw = parse((SAMPLES / name).read_bytes())
    rows = [segment for segment in raw.segments if segment.name != "OBX"]
    place = max(at for at, segment in enumerate(rows) if segment.name in ("MSH", "PID", "OBR"))
    alone = raw.part([*rows[: place + 1], raw.all("OBX")[number]])
    guide, mine = by_the_guide(parse(alone), parse(alone).all("OBX")[0]), ours(alone)
    for told in (guide, mine):
        told["when"] = _moment(told["when"])
    return sorted(field for field, value in guide.items() if mine.get(field) != value)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.rstrip(":"))  # what `dtm` leaves of seconds and an offset that are not there
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def unexplained(found: Mapping[str, Any], listed: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name → what was found and what is listed, where these differ."""
    return {
        name: (found.get(name), listed.get(name)) for name in {*found, *listed} if found.get(name) != listed.get(name)
    }


needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason=f"NOT CHECKED: {SAMPLES} is not on this machine, so no pair was compared"
)


@needs_samples
def test_every_time_that_is_written_in_both_says_the_same_or_why_not() -> None:
    found = times()
    assert len(found) > 60
    why = {text: reason for text, theirs in found if (reason := time_difference(text, theirs)) is not None}
    assert unexplained(why, DIFFERENCES["times"]) == {}
    assert len(why) < len({text for text, _ in found})  # and most of them are equal
    assert set(why.values()) <= DIFFERENCES["time_reasons"].keys()


@needs_samples
def test_code_systems_that_records_are_made_of_are_the_authors_too() -> None:
    found = systems()
    ours_too = {(named, uri) for named, uri in found if code_system(named) is not None}
    assert ours_too == {("LN", SYSTEMS["LN"])}
    assert {named for named, uri in found if code_system(uri) is not None} == {"LN"}


@needs_samples
@pytest.mark.parametrize("name", files("oru", ".hl7"))
def test_every_result_that_a_record_holds_is_what_the_guide_makes_of_it(name: str) -> None:
    body = (SAMPLES / name).read_bytes()
    try:
        raw = parse(body)
    except Hl7Error as error:
        assert DIFFERENCES["unread"][name] == error.code  # noqa: PT017 - the listed outcome
        return
    found = {}
    for number in range(len(raw.all("OBX"))):
        if outcome(raw, number) == "record":
            found[f"{name}#{number + 1}"] = row_differences(name, number)
    assert name not in DIFFERENCES["unread"]
    listed = {place: list(fields) for place, fields in DIFFERENCES["results"].items() if place.startswith(f"{name}#")}
    assert unexplained(found, listed) == {}
    assert {f"{field}" for fields in found.values() for field in fields} <= DIFFERENCES["result_reasons"].keys()


@needs_samples
def test_the_pair_whose_fhir_is_xml_is_compared_too() -> None:
    name = "pairs/v2-to-fhir/MDM_T02"
    raw = parse((SAMPLES / f"{name}.hl7").read_bytes())
    root = ElementTree.fromstring((SAMPLES / f"{name}.expected.fhir.json").read_bytes())
    expected = root.findall(".//{http://hl7.org/fhir}Observation")
    found = [outcome(raw, number) for number in range(len(raw.all("OBX")))]
    assert len(expected) == len(DIFFERENCES["in_xml"][name]) == len(found)
    assert found == DIFFERENCES["in_xml"][name]
    assert set(found) <= DIFFERENCES["reasons"].keys()


def test_a_difference_that_nobody_has_explained_fails() -> None:
    assert unexplained({"20230101": "time"}, {}) == {"20230101": ("time", None)}
    assert unexplained({"a#1": ["code"]}, {"a#1": ["code", "when"]}) == {"a#1": (["code"], ["code", "when"])}
    assert unexplained({}, {"a#1": ["code"]}) == {"a#1": (None, ["code"])}  # and an explanation that is left over
    assert time_difference("20230816123358-0500", "2023-08-16T12:33:58-04:00") == "time"
    assert time_difference("20230816123358-0500", "2023-08-16T17:33:58Z") == "offset"
    assert time_difference("20230816", "2023-08-16") == "no-time-of-day"
