# ruff: noqa: E501 - messages stand here as they are printed
"""Mistakes in the settings of a source or step, and what is said of each: line, column, code, path, what is wrong, what to write."""

from pathlib import Path

import pytest

from tests.unit.config.world import GOOD, ORU_IN, problems_of, problems_of_a_change

# What is changed in the text of a good channel, into what, and the problems that this gives.
SETTINGS = {
    "a misspelt key is one mistake, though the right one is missing": (
        "port: 2575",
        "prot: 2575",
        ["6:3 E201 source.prot: unknown key; did you mean `port`?"],
    ),
    "a missing key": (
        "  port: 2575\n",
        "",
        ["5:3 E202 source.port: is missing; write `port: NUMBER` (TCP port of the listener)"],
    ),
    "text for a number": (
        "port: 2575",
        "port: '2575x'",
        ["6:9 E203 source.port: must be a whole number, not `2575x`; write `port: NUMBER`"],
    ),
    "a number beyond its limits": (
        "port: 2575",
        "port: 99999",
        ["6:9 E204 source.port: must be at most 65535"],
    ),
    "nothing after the colon": (
        "port: 2575",
        "port:",
        ["6:8 E203 source.port: is empty; write `port: NUMBER`"],
    ),
    "a list for a number": (
        "port: 2575",
        "port: [1]",
        ["6:9 E203 source.port: must be a whole number, not a list; write `port: NUMBER`"],
    ),
    "a block for a number": (
        "port: 2575",
        "port: {a: 1}",
        ["6:9 E203 source.port: must be a whole number, not a block of keys; write `port: NUMBER`"],
    ),
    "a fraction for a whole number": (
        "port: 2575",
        "port: 2575.5",
        ["6:9 E203 source.port: must be a whole number, not `2575.5`; write `port: NUMBER`"],
    ),
    "a duration without a unit": (
        "port: 2575",
        "port: 2575\n  receive_within: 30",
        ["7:19 E204 source.receive_within: 30 what? Write a unit: 30s, 30m or 30h"],
    ),
    "a duration of nothing": (
        "port: 2575",
        "port: 2575\n  receive_within: 0s",
        ["7:19 E204 source.receive_within: must be more than 0"],
    ),
    "a duration that is none": (
        "port: 2575",
        "port: 2575\n  receive_within: soon",
        ["7:19 E204 source.receive_within: is not a duration; write a number and a unit, such as 30s, 5m, 2h or 14d"],
    ),
    "a rate without a time": (
        "port: 2575",
        "port: 2575\n  rate_limit: 5",
        ["7:15 E204 source.rate_limit: 5 per what? Write 5 per second, per minute or per hour"],
    ),
    "a size without a unit": (
        "port: 2575",
        "port: 2575\n  max_size: 16",
        ["7:13 E204 source.max_size: 16 what? Write a unit: 16 kB or 16 MB"],
    ),
    "a number for text": (
        "port: 2575",
        "port: 2575\n  host: 10",
        ['7:9 E203 source.host: must be text; put it in quotes: "10"'],
    ),
    "a truth value for text": (
        "port: 2575",
        "port: 2575\n  host: true",
        ['7:9 E203 source.host: must be text; put it in quotes: "true"'],
    ),
    "one value for a list": (
        "[ORU^R01]",
        "ORU^R01",
        ["7:12 E203 source.accepts: must be a list; write `[ORU^R01]`"],
    ),
    "a number in a list of texts": (
        "[ORU^R01]",
        "[5]",
        ['7:13 E203 source.accepts[0]: must be text; put it in quotes: "5"'],
    ),
    "the channel's key among the source's": (
        "port: 2575",
        "port: 2575\n  when_it_fails: hold",
        [
            "7:3 E201 source.when_it_fails: unknown key here; it belongs to the channel: write `when_it_fails:` at the left margin"
        ],
    ),
    "the source's key at the left margin": (
        "when_it_fails: hold",
        "when_it_fails: hold\nport: 2575",
        [
            "15:1 E201 port: unknown key here; it is a setting of `mllp_listener`: indent it, so that it stands under `source:`"
        ],
    ),
    "an unknown type with hyphens and a slip": (
        "type: mllp_listener",
        "type: mlp-listener",
        ["5:9 E206 source.type: there is no source type `mlp-listener`; did you mean `mllp_listener`?"],
    ),
    "a type by the name it has elsewhere": (
        "type: mllp_listener",
        "type: mllp",
        ["5:9 E206 source.type: there is no source type `mllp`; did you mean `mllp_listener`?"],
    ),
    "a type of another place": (
        "type: mllp_listener",
        "type: archive",
        [
            "5:9 E206 source.type: there is no source type `archive`; there are: channel, csv_reader, dexcom, http_listener, mllp_listener (`archive` is a destination type)"
        ],
    ),
    "a type that nothing is like": (
        "type: mllp_listener",
        "type: kafka",
        [
            "5:9 E206 source.type: there is no source type `kafka`; there are: channel, csv_reader, dexcom, http_listener, mllp_listener"
        ],
    ),
    "type misspelt": (
        "type: mllp_listener",
        "typ: mllp_listener",
        ["5:3 E201 source.typ: unknown key; did you mean `type`?"],
    ),
    "type left out": (
        "type: mllp_listener\n  port",
        "port",
        [
            "5:3 E202 source.type: is missing; write `type: ...`; there are: channel, csv_reader, dexcom, http_listener, mllp_listener"
        ],
    ),
    "a block with nothing in it": (
        "source:\n  type: mllp_listener\n  port: 2575\n  accepts: [ORU^R01]\n",
        "source:\n",
        [
            "4:8 E203 source: must be a block that begins with `type: ...`; there are: channel, csv_reader, dexcom, http_listener, mllp_listener"
        ],
    ),
    "a type without a block": (
        "source:\n  type: mllp_listener\n  port: 2575\n  accepts: [ORU^R01]\n",
        "source: mllp_listener\n",
        ["4:9 E203 source: must be a block that begins with a type; write `type: mllp_listener` on a line of its own"],
    ),
    "a list for a block": (
        "source:\n  type: mllp_listener\n  port: 2575\n  accepts: [ORU^R01]\n",
        "source: [mllp_listener]\n",
        [
            "4:9 E203 source: must be a block that begins with `type: ...`; there are: channel, csv_reader, dexcom, http_listener, mllp_listener"
        ],
    ),
    "a zone that is none": (
        "timezone: site",
        "timezone: Europe/Dubln",
        ["13:15 E204 transform[0].timezone: 'Europe/Dubln' is not an IANA time zone; write one such as Europe/Dublin"],
    ),
    "a table that is not there": (
        "timezone: site",
        "timezone: site\n    codes: code",
        ["14:12 E204 transform[0].codes: no table 'code' in channels/tables (there are: codes)"],
    ),
    "an unknown choice of alternatives": (
        "timezone: site",
        "timezone: site\n  - type: match\n    how: {kind: neer}",
        ["15:17 E205 transform[1].how.kind: `neer` is not one of the choices; did you mean `near`? (near | far)"],
    ),
    "alternatives without the key that chooses": (
        "timezone: site",
        "timezone: site\n  - type: match\n    how: {steps: 5}",
        ["15:10 E202 transform[1].how: lacks `kind`, which says of what kind it is"],
    ),
    "a misspelt key in one of the alternatives": (
        "timezone: site",
        "timezone: site\n  - type: match\n    how: {kind: far, step: 5}",
        ["15:22 E201 transform[1].how.step: unknown key; did you mean `steps`?"],
    ),
    "a value where alternatives are blocks": (
        "timezone: site",
        "timezone: site\n  - type: match\n    how: 5",
        ["15:10 E203 transform[1].how: must be a block of keys, not `5`; write `how: {kind: near, within: 30s}`"],
    ),
    "several mistakes in one block, each once": (
        "timezone: site",
        "timezone: site\n  - type: set_fields\n    set: {PID-3: {frm: x}, PID-4: 5, PID-5: {from: x, if_missing: eror}}\n    amount: x\n    flag: 5",
        [
            "15:19 E201 transform[1].set.PID-3.frm: unknown key; did you mean `from`?",
            '15:35 E203 transform[1].set.PID-4: must be text; put it in quotes: "5"',
            "15:67 E205 transform[1].set.PID-5.if_missing: `eror` is not one of the choices; did you mean `error`? (error | leave)",
            "16:13 E203 transform[1].amount: must be a number, not `x`; write `amount: NUMBER`",
            "17:11 E203 transform[1].flag: must be true or false, not `5`; write `flag: false`",
        ],
    ),
    "an empty block where something must be": (
        "timezone: site",
        "timezone: site\n  - type: set_fields\n    set: {}",
        ["15:10 E204 transform[1].set: must not be empty"],
    ),
    "a list where text or a block may be": (
        "timezone: site",
        "timezone: site\n  - type: set_fields\n    set: {PID-3: [a]}",
        ["15:18 E203 transform[1].set.PID-3: must be text or a block of keys; write `PID-3: TEXT`"],
    ),
    "a step misspelt": (
        "timezone: site",
        "timezone: site\n  - type: identify_patien",
        [
            "14:11 E206 transform[1].type: there is no transform type `identify_patien`; did you mean `identify_patient`?"
        ],
    ),
    "a destination among the steps": (
        "timezone: site",
        "timezone: site\n  - type: fhir_server",
        [
            "14:11 E206 transform[1].type: there is no transform type `fhir_server`; there are: claims_badly, faulty, identify_patient, match, oru_to_records, records_to_fhir, set_fields (`fhir_server` is a destination type)"
        ],
    ),
    "a plugin whose settings fail": (
        "timezone: site",
        "timezone: site\n  - type: faulty",
        [
            "14:5 E210 transform[1]: its settings cannot be checked, because of a mistake in tests.unit.config.world (RuntimeError)"
        ],
    ),
    "a plugin whose claims fail": (
        "timezone: site",
        "timezone: site\n  - type: claims_badly",
        [
            "14:5 E210 transform[1]: claims_badly fails when asked for its claims, a mistake in tests.unit.config.world (RuntimeError)"
        ],
    ),
}


def test_the_text_that_the_mistakes_are_made_in_is_good(tmp_path: Path) -> None:
    assert problems_of(tmp_path, GOOD) == []


@pytest.mark.parametrize(("old", "new", "expected"), SETTINGS.values(), ids=SETTINGS.keys())
def test_mistakes_in_settings(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    assert problems_of_a_change(tmp_path, "oru-in", ORU_IN, old, new) == expected
