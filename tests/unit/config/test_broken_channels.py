# ruff: noqa: E501 - messages stand here as they are printed
"""Channel files with mistakes, and what is said of each: line, column, code, path, what is wrong, what to write."""

from pathlib import Path

import pytest

from tests.unit.config.world import GOOD, ORU_IN, RECONCILE, changed, problems_of, with_channel

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

CHANNEL = {
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
            "14:1 E201 qwertz: unknown key; there are: channel, description, destinations, enabled, filter, holds_up_to, owner, retry, site, source, tenant, transform, when_it_fails"
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

CONDITIONS = {
    "no operator": (
        "{field: OBX-11}",
        [
            "10:7 E401 filter.keep_when[0]: must say one thing of the field, as {field: OBX-11, in: [F, C]} does; there are: between, exists, in, in_table, is, is_not, matches, not_in, not_in_table, not_matches"
        ],
    ),
    "two operators": (
        "{field: OBX-11, is: F, in: [C]}",
        [
            "10:7 E401 filter.keep_when[0]: must say one thing of the field, as {field: OBX-11, in: [F, C]} does; there are: between, exists, in, in_table, is, is_not, matches, not_in, not_in_table, not_matches"
        ],
    ),
    "no field": (
        "{in: [F]}",
        ["10:7 E401 filter.keep_when[0]: names no field; write a condition such as {field: OBX-11, in: [F, C]}"],
    ),
    "a path that is none": (
        "{field: OBX, is: F}",
        ["10:15 E402 filter.keep_when[0].field: `OBX` is not an HL7 path; write one such as OBX-5"],
    ),
    "a number for a path": (
        "{field: 5, is: F}",
        ["10:15 E203 filter.keep_when[0].field: must be the path of a field, such as OBX-3.1 or records[].unit"],
    ),
    "nothing for a path": (
        "{field: , is: F}",
        ["10:15 E203 filter.keep_when[0].field: must be the path of a field, such as OBX-3.1 or records[].unit"],
    ),
    "a list for a path": (
        "{field: [a], is: F}",
        ["10:15 E203 filter.keep_when[0].field: must be the path of a field, such as OBX-3.1 or records[].unit"],
    ),
    "field misspelt": (
        "{feld: OBX-11, is: F}",
        ["10:8 E201 filter.keep_when[0].feld: unknown key; did you mean `field`?"],
    ),
    "an operator by another name": (
        "{field: OBX-11, equals: F}",
        ["10:23 E201 filter.keep_when[0].equals: unknown key; did you mean `is`?"],
    ),
    "a list for one value": (
        "{field: OBX-11, is: [F]}",
        ["10:27 E203 filter.keep_when[0].is: must be a single value; for several write `in: [...]` or `not_in: [...]`"],
    ),
    "no value": (
        "{field: OBX-11, is: }",
        ["10:27 E203 filter.keep_when[0].is: is empty; write a value, or `exists: false` if there should be none"],
    ),
    "one value for a list": (
        "{field: OBX-11, in: F}",
        ["10:27 E203 filter.keep_when[0].in: must be a list of values; write `[F]`"],
    ),
    "an empty list": (
        "{field: OBX-11, in: []}",
        ["10:27 E203 filter.keep_when[0].in: must be a list of values; write `[F, C]`"],
    ),
    "a list in a list": (
        "{field: OBX-11, in: [[F]]}",
        [
            "10:28 E203 filter.keep_when[0].in[0]: must be a single value; for several write `in: [...]` or `not_in: [...]`"
        ],
    ),
    "a table that is not there": (
        "{field: OBX-11, in_table: code}",
        ["10:33 E404 filter.keep_when[0].in_table: no table `code` in channels/tables; did you mean `codes`?"],
    ),
    "limits the wrong way round": (
        "{field: OBX-5, between: [400, 40]}",
        [
            "10:31 E204 filter.keep_when[0].between: has the higher number first, so nothing lies between; write [40, 400]"
        ],
    ),
    "one limit": (
        "{field: OBX-5, between: [40]}",
        ["10:31 E203 filter.keep_when[0].between: must be two numbers, the lower first, such as `[40, 400]`"],
    ),
    "limits that are no numbers": (
        "{field: OBX-5, between: [a, b]}",
        ["10:31 E203 filter.keep_when[0].between: must be two numbers, the lower first, such as `[40, 400]`"],
    ),
    "a limit without end": (
        "{field: OBX-5, between: [0, Infinity]}",
        ["10:31 E203 filter.keep_when[0].between: must be two numbers, the lower first, such as `[40, 400]`"],
    ),
    "a pattern that is none": (
        "{field: OBX-5, matches: '('}",
        ["10:31 E403 filter.keep_when[0].matches: is no pattern (regular expression, RE2 syntax): unclosed group"],
    ),
    "a pattern that could take for ever": (
        "{field: OBX-5, matches: '(?=a)'}",
        [
            "10:31 E403 filter.keep_when[0].matches: is no pattern (regular expression, RE2 syntax): look-around, including look-ahead and look-behind, is not supported"
        ],
    ),
    "text for true or false": (
        "{field: OBX-5, exists: 'yes'}",
        ["10:30 E203 filter.keep_when[0].exists: must be true or false"],
    ),
    "an expression without quotes": (
        "{expression: meta.x == 1}",
        ["10:20 E405 filter.keep_when[0].expression: must stand in double quotes, or YAML may read it otherwise"],
    ),
    "an expression with one equals sign": (
        '{expression: "meta.x = 1"}',
        ["10:28 E405 filter.keep_when[0].expression: compares with `==`, not with `=`"],
    ),
    "an expression with a misspelt name": (
        '{expression: "vale == 1", with: {value: OBX-5}}',
        ["10:21 E405 filter.keep_when[0].expression: `vale` is not known here; did you mean `value`?"],
    ),
    "an expression over a path that is none": (
        '{expression: "value == 1", with: {value: OBX}}',
        ["10:48 E402 filter.keep_when[0].with.value: `OBX` is not an HL7 path; write one such as OBX-5"],
    ),
    "names without paths": (
        '{expression: "value == 1", with: value}',
        [
            "10:40 E203 filter.keep_when[0].with: must give names to fields, such as {value: OBX-5, codes: {all: OBX-3.1}}"
        ],
    ),
    "a name with a hyphen": (
        '{expression: "value == 1", with: {va-lue: OBX-5}}',
        [
            "10:49 E405 filter.keep_when[0].with.va-lue: is no name for a value; use letters, digits and _, and not `meta`"
        ],
    ),
    "an expression that looks at nothing": (
        '{expression: "1 == 1"}',
        [
            "10:21 E405 filter.keep_when[0].expression: looks at nothing of the message; give fields a name under `with: {value: OBX-5}`, or use `meta`"
        ],
    ),
    "with misspelt": (
        "{expression: \"meta.x == 'a'\", vith: {v: OBX-5}}",
        ["10:37 E201 filter.keep_when[0].vith: unknown key; did you mean `with`?"],
    ),
    "a filter plugin misspelt": (
        "{type: only_code, codes: [F]}",
        ["10:14 E206 filter.keep_when[0].type: there is no filter type `only_code`; did you mean `only_codes`?"],
    ),
    "a filter plugin's key misspelt": (
        "{type: only_codes, code: [F]}",
        ["10:26 E201 filter.keep_when[0].code: unknown key; did you mean `codes`?"],
    ),
    "text": (
        "just text",
        ["10:7 E401 filter.keep_when[0]: is no condition; write one such as {field: OBX-11, in: [F, C]}"],
    ),
    "a list": (
        "[a]",
        ["10:7 E401 filter.keep_when[0]: is no condition; write one such as {field: OBX-11, in: [F, C]}"],
    ),
}


def check(root: Path, name: str, base: str, old: str, new: str, expected: list[str]) -> None:
    found = problems_of(root, with_channel(changed(base, old, new), name))
    assert [line.removeprefix(f"channels/{name}.yaml:") for line in found] == expected


def test_the_text_that_the_mistakes_are_made_in_is_good(tmp_path: Path) -> None:
    assert problems_of(tmp_path, GOOD) == []


@pytest.mark.parametrize(("old", "new", "expected"), SETTINGS.values(), ids=SETTINGS.keys())
def test_mistakes_in_settings(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    check(tmp_path, "oru-in", ORU_IN, old, new, expected)


@pytest.mark.parametrize(("old", "new", "expected"), CHANNEL.values(), ids=CHANNEL.keys())
def test_mistakes_in_the_channels_own_keys(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    check(tmp_path, "oru-in", ORU_IN, old, new, expected)


@pytest.mark.parametrize(("old", "new", "expected"), DESTINATIONS.values(), ids=DESTINATIONS.keys())
def test_mistakes_around_destinations_and_shapes(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    check(tmp_path, "reconcile", RECONCILE, old, new, expected)


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS.values(), ids=CONDITIONS.keys())
def test_mistakes_in_conditions(tmp_path: Path, condition: str, expected: list[str]) -> None:
    check(tmp_path, "oru-in", ORU_IN, "{field: OBX-11, in: [F, C]}", condition, expected)
