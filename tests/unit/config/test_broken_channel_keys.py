# ruff: noqa: E501 - messages stand here as they are printed
"""Mistakes in a channel's own keys, and what is said of each: line, column, code, path, what is wrong, what to write."""

from pathlib import Path

import pytest

from tests.unit.config.world import ORU_IN, problems_of_a_change

# What is changed in the text of a good channel, into what, and the problems that this gives.
CHANNEL = {
    "metadata kept for less time than bodies": (
        "when_it_fails: hold",
        "keep:\n  bodies: 30d\n  metadata: 36h",
        ["16:13 E204 keep.metadata: must not be shorter than `bodies`; write 30d or more"],
    ),
    "metadata kept for less time than bodies are without a word": (
        "when_it_fails: hold",
        "keep: {metadata: 7d}",
        ["14:18 E204 keep.metadata: must not be shorter than `bodies`; write 30d or more"],
    ),
    "a time to keep without a unit": (
        "when_it_fails: hold",
        "keep: {bodies: 30}",
        ["14:16 E204 keep.bodies: 30 what? Write a unit: 30s, 30m or 30h"],
    ),
    "something else to keep": (
        "when_it_fails: hold",
        "keep: {body: 30d}",
        ["14:8 E201 keep.body: unknown key; there are: bodies, metadata"],
    ),
    "no source": (
        "source:\n  type: mllp_listener\n  port: 2575\n  accepts: [ORU^R01]\n",
        "",
        ["1:1 E202 source: is missing; write `source: {type: mllp_listener, port: 2575}` (Where messages come from)"],
    ),
    "source misspelt, and a mistake inside it as well": (
        "source:\n  type: mllp_listener\n  port: 2575\n  accepts: [ORU^R01]\n",
        "sorce:\n  type: mllp_listener\n  prot: 2575\n",
        [
            "4:1 E201 sorce: unknown key; did you mean `source`?",
            "6:3 E201 source.prot: unknown key; did you mean `port`?",
        ],
    ),
    "no name": (
        "channel: oru-in\n",
        "",
        ["1:1 E202 channel: is missing; begin with `channel: oru-in`"],
    ),
    "the name under another key": (
        "channel: oru-in",
        "name: oru-in",
        ["1:1 E201 name: unknown key; did you mean `channel`?"],
    ),
    "a name with blanks and capitals": (
        "channel: oru-in",
        "channel: ORU In",
        ["1:10 E204 channel: must be small letters and digits with - between words, such as stm-oru-in"],
    ),
    "another name than the file's": (
        "channel: oru-in",
        "channel: oru-on",
        ["1:10 E309 channel: is `oru-on`, but the file is called oru-in.yaml; give both the same name"],
    ),
    "an unknown site": (
        "site: stm",
        "site: stn",
        ["3:7 E310 site: routes.yaml has no site `stn`; did you mean `stm`?"],
    ),
    "a site that is a number": (
        "site: stm",
        "site: 5",
        ['3:7 E203 site: must be text; put it in quotes: "5"'],
    ),
    "the site's zone without a site": (
        "site: stm\n",
        "",
        [
            "12:15 E204 transform[0].timezone: is `site`, but this channel names no site with a timezone; write `site:` or a zone name"
        ],
    ),
    "an unknown choice": (
        "when_it_fails: hold",
        "when_it_fails: hld",
        ["14:16 E205 when_it_fails: `hld` is not one of the choices; did you mean `hold`? (hold | review | skip)"],
    ),
    "a choice by the name it has elsewhere": (
        "when_it_fails: hold",
        "when_it_fails: dead-letter",
        [
            "14:16 E205 when_it_fails: `dead-letter` is not one of the choices; did you mean `hold`? (hold | review | skip)"
        ],
    ),
    "a key by the name it has elsewhere": (
        "when_it_fails: hold",
        "on_error: hold",
        ["14:1 E201 on_error: unknown key; did you mean `when_it_fails`?"],
    ),
    "a key that nothing is like": (
        "when_it_fails: hold",
        "qwertz: 1",
        [
            "14:1 E201 qwertz: unknown key; there are: channel, description, destinations, enabled, filter, holds_up_to, keep, lane, owner, retry, site, source, tenant, transform, wait_for_order and 1 more"
        ],
    ),
    "a limit of nothing": (
        "when_it_fails: hold",
        "holds_up_to: 0",
        ["14:14 E204 holds_up_to: must be at least 1"],
    ),
    "neither true nor false": (
        "when_it_fails: hold",
        "enabled: maybe",
        ["14:10 E203 enabled: must be true or false, not `maybe`; write `enabled: true`"],
    ),
    "a number for a block": (
        "when_it_fails: hold",
        "retry: 5",
        ["14:8 E203 retry: must be a block of keys, not `5`; write `retry: {attempts: 10, first_wait: 30s}`"],
    ),
    "three mistakes in a block": (
        "when_it_fails: hold",
        "retry: {max_attempts: 5, jitter: 2, first_wait: 5}",
        [
            "14:9 E201 retry.max_attempts: unknown key; did you mean `attempts`?",
            "14:34 E204 retry.jitter: must be at most 1",
            "14:49 E204 retry.first_wait: 5 what? Write a unit: 5s, 5m or 5h",
        ],
    ),
    "steps without hyphens": (
        "transform:\n  - type: oru_to_records\n    timezone: site",
        "transform:\n  type: oru_to_records\n  timezone: site",
        ["12:3 E203 transform: must be a list of steps; begin each with `- `, the first line being `- type: ...`"],
    ),
    "a step's name alone": (
        "transform:\n  - type: oru_to_records\n    timezone: site",
        "transform: oru_to_records",
        ["11:12 E203 transform: must be a list of steps; begin each with `- `, the first line being `- type: ...`"],
    ),
    "a list of names": (
        "transform:\n  - type: oru_to_records\n    timezone: site",
        "transform: [oru_to_records]",
        [
            "11:13 E203 transform[0]: must be a block that begins with a type; write `type: oru_to_records` on a line of its own"
        ],
    ),
    "an empty list in a list": (
        "transform:\n  - type: oru_to_records\n    timezone: site",
        "transform: [[]]",
        [
            "11:13 E203 transform[0]: must be a block that begins with `type: ...`; there are: claims_badly, faulty, identify_patient, match, oru_to_records, records_to_fhir, set_fields"
        ],
    ),
    "a filter that is a list": (
        "filter:\n  keep_when:\n    - {field: OBX-11, in: [F, C]}\n",
        "filter:\n  - {field: OBX-11, in: [F]}\n",
        [
            "9:3 E203 filter: must be a block; write `keep_when:` under it, and below that one condition a line, each after `- `"
        ],
    ),
    "keep_when misspelt": (
        "filter:\n  keep_when:\n    - {field: OBX-11, in: [F, C]}\n",
        "filter:\n  keep_wen: [{field: OBX-11, in: [F]}]\n",
        ["9:3 E201 filter.keep_wen: unknown key; did you mean `keep_when`?"],
    ),
    "a filter with nothing in it": (
        "filter:\n  keep_when:\n    - {field: OBX-11, in: [F, C]}\n",
        "filter:\n",
        [
            "8:8 E203 filter: must be a block; write `keep_when:` under it, and below that one condition a line, each after `- `"
        ],
    ),
    "an empty filter": (
        "filter:\n  keep_when:\n    - {field: OBX-11, in: [F, C]}\n",
        "filter: {}\n",
        ["8:9 E202 filter.keep_when: is missing; write `keep_when: [{field: OBX-11, in: [F, C]}]`"],
    ),
    "keep_when without a list": (
        "filter:\n  keep_when:\n    - {field: OBX-11, in: [F, C]}\n",
        "filter: {keep_when: {field: OBX-11, in: [F]}}\n",
        [
            "8:21 E203 filter.keep_when: must be a list of conditions; write each on a line of its own, as `- {field: OBX-11, in: [F, C]}`"
        ],
    ),
    "keep_when at the left margin": (
        "filter:\n  keep_when:\n    - {field: OBX-11, in: [F, C]}\n",
        "keep_when: [{field: OBX-11, in: [F]}]\n",
        ["8:1 E201 keep_when: unknown key here; `keep_when:` stands under `filter:`"],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), CHANNEL.values(), ids=CHANNEL.keys())
def test_mistakes_in_the_channels_own_keys(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    assert problems_of_a_change(tmp_path, "oru-in", ORU_IN, old, new) == expected
