# ruff: noqa: E501 - messages stand here as they are printed
"""Mistakes around destinations and shapes, and what is said of each: line, column, code, path, what is wrong, what to write."""

from pathlib import Path

import pytest

from tests.unit.config.world import RECONCILE, problems_of_a_change

# What is changed in the text of a good channel, into what, and the problems that this gives.
DESTINATIONS = {
    "no name": (
        "name: ehr\n    type",
        "type",
        ["6:5 E202 destinations[0].name: is missing; write `name: stm-ehr` (How people and the journal call it)"],
    ),
    "the name's key misspelt": (
        "name: ehr",
        "nme: ehr",
        ["6:5 E201 destinations[0].nme: unknown key; did you mean `name`?"],
    ),
    "a name with capitals": (
        "name: ehr",
        "name: EHR 1",
        ["6:11 E204 destinations[0].name: must be small letters and digits with - between words, such as stm-oru-in"],
    ),
    "two of one name": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n  - name: ehr\n    type: archive",
        ["9:11 E204 destinations[1].name: `ehr` is the name of another destination (line 6); choose a name of its own"],
    ),
    "two of one name on one line": (
        "destinations:\n  - name: ehr\n    type: fhir_server\n    base: https://fhir.example/r4",
        "destinations: [{name: a, type: archive}, {name: a, type: archive}]",
        ["5:49 E204 destinations[1].name: `a` is the name of another destination (line 5); choose a name of its own"],
    ),
    "a type by the name it has elsewhere": (
        "type: fhir_server",
        "type: fhir",
        ["7:11 E206 destinations[0].type: there is no destination type `fhir`; did you mean `fhir_server`?"],
    ),
    "a channel as a destination": (
        "type: fhir_server",
        "type: channel",
        [
            "7:11 E206 destinations[0].type: there is no destination type `channel`; there are: archive, clashing, fhir_server, mllp_sender; which channels a channel feeds stands in routes.yaml"
        ],
    ),
    "the plugin's own complaint": (
        "https://fhir.example/r4",
        "http://x",
        ["8:11 E204 destinations[0].base: is not a web address; write one such as https://host/r4"],
    ),
    "texts or secrets, four of them": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n    headers: {X-A: 5, X-B: {secre: x}, X-C: [], X-D: ok}",
        [
            '9:20 E203 destinations[0].headers.X-A: must be text; put it in quotes: "5"',
            "9:29 E201 destinations[0].headers.X-B.secre: unknown key; did you mean `secret`?",
            "9:45 E203 destinations[0].headers.X-C: must be text or {secret: NAME}; write `X-C: TEXT`",
        ],
    ),
    "a secret written out": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n    bearer: CANARY-TOKEN",
        [
            "9:13 E207 destinations[0].bearer: must name a secret, and its value must not stand here; write `bearer: {secret: NAME}`"
        ],
    ),
    "a secret written out as a number": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n    bearer: 424242",
        [
            "9:13 E207 destinations[0].bearer: must name a secret, and its value must not stand here; write `bearer: {secret: NAME}`"
        ],
    ),
    "a secret's key misspelt": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n    bearer: {secrt: fhir/token}",
        ["9:14 E201 destinations[0].bearer.secrt: unknown key; did you mean `secret`?"],
    ),
    "a secret without a value here is a warning": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n    bearer: {secret: fhir/token}",
        [
            "9:13 W208 destinations[0].bearer: secret `fhir/token` has no value here; set ISLET_SECRET_FHIR_TOKEN (or a file, with ISLET_SECRETS_DIR set) where the engine runs"
        ],
    ),
    "a number too great": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n    batch: 2000",
        ["9:12 E204 destinations[0].batch: must be at most 1000"],
    ),
    "retry by the names it has elsewhere": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n    retry: {max_attempts: 3, max_delay: 5m}",
        [
            "9:13 E201 destinations[0].retry.max_attempts: unknown key; did you mean `attempts`?",
            "9:30 E201 destinations[0].retry.max_delay: unknown key; did you mean `longest_wait`?",
        ],
    ),
    "the breaker by the names it has elsewhere": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n    circuit_breaker: {threshold: 3, cooldown: 5m}",
        [
            "9:23 E201 destinations[0].circuit_breaker.threshold: unknown key; did you mean `failures`?",
            "9:37 E201 destinations[0].circuit_breaker.cooldown: unknown key; did you mean `try_again_in`?",
        ],
    ),
    "the breaker itself by another name": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n    breaker: {failures: 3}",
        ["9:5 E201 destinations[0].breaker: unknown key; did you mean `circuit_breaker`?"],
    ),
    "what the engine does, wrongly": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n    at_once: 0\n    in_order: sometimes",
        [
            "9:14 E204 destinations[0].at_once: must be at least 1",
            "10:15 E203 destinations[0].in_order: must be true or false, not `sometimes`; write `in_order: true`",
        ],
    ),
    "the channel's key": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n    holds_up_to: 5",
        [
            "9:5 E201 destinations[0].holds_up_to: unknown key here; it belongs to the channel: write `holds_up_to:` at the left margin"
        ],
    ),
    "a plugin with a setting that the engine has": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n  - name: c\n    type: clashing",
        [
            "9:5 E210 destinations[1]: the plugin has a setting `name`, which is the engine's own key here; its author must rename it"
        ],
    ),
    "a type alone": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n  - archive",
        [
            "9:5 E203 destinations[1]: must be a block that begins with a type; write `type: archive` on a line of its own"
        ],
    ),
    "the wrong shape": (
        "https://fhir.example/r4",
        "https://fhir.example/r4\n  - name: a\n    type: mllp_sender\n    port: 1",
        ["10:11 E304 destinations[1]: `mllp_sender` takes hl7v2, but `records_to_fhir` gives fhir; put a step between"],
    ),
    "none at all": (
        "destinations:\n  - name: ehr\n    type: fhir_server\n    base: https://fhir.example/r4\n",
        "",
        ["1:1 E303: leads nowhere; add `destinations:` here, or `reconcile: [CHANNEL]` to the routes in routes.yaml"],
    ),
    "an empty list": (
        "destinations:\n  - name: ehr\n    type: fhir_server\n    base: https://fhir.example/r4\n",
        "destinations: []\n",
        ["1:1 E303: leads nowhere; add `destinations:` here, or `reconcile: [CHANNEL]` to the routes in routes.yaml"],
    ),
    "no list": (
        "destinations:\n  - name: ehr\n    type: fhir_server\n    base: https://fhir.example/r4\n",
        "destinations: 5\n",
        ["5:15 E203 destinations: must be a list; begin each with `- `, the first line being `- type: ...`"],
    ),
    "the block misspelt": (
        "destinations:\n",
        "destination:\n",
        ["5:1 E201 destination: unknown key; did you mean `destinations`?"],
    ),
    "fed by channels, without the shape": (
        ", shape: records",
        "",
        ["2:9 E202 source.shape: is missing; write `shape: records` (What the routes bring)"],
    ),
    "fed by channels, with an unknown shape": (
        "shape: records",
        "shape: reading",
        [
            "2:32 E205 source.shape: `reading` is not one of the choices; did you mean `records`? (hl7v2 | fhir | records | json | csv | xml | bytes)"
        ],
    ),
    "fed by channels, with the shape's key misspelt": (
        "shape: records",
        "shpe: records",
        ["2:25 E201 source.shpe: unknown key; did you mean `shape`?"],
    ),
    "fed by channels, with a setting": (
        "shape: records",
        "shape: records, port: 5",
        ["2:41 E201 source.port: unknown key; there are: shape, type"],
    ),
    "fed by channels, without a block": (
        "source: {type: channel, shape: records}",
        "source: channel",
        ["2:9 E203 source: must be a block that begins with a type; write `type: channel` on a line of its own"],
    ),
    "a step that takes another shape": (
        "  - type: records_to_fhir\n",
        "  - type: oru_to_records\n",
        ["4:11 E304 transform[0]: `oru_to_records` takes hl7v2, but the source gives records; put a step between"],
    ),
    "a step left out": (
        "transform:\n  - type: records_to_fhir\n",
        "",
        ["5:11 E304 destinations[0]: `fhir_server` takes fhir, but the source gives records; put a step between"],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), DESTINATIONS.values(), ids=DESTINATIONS.keys())
def test_mistakes_around_destinations_and_shapes(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    assert problems_of_a_change(tmp_path, "reconcile", RECONCILE, old, new) == expected
