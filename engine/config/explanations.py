"""What each code of `islet check` means, with a mistake of its kind and how to write it right.

The examples are parts of files as analysts write them, and are kept true: each one, put into a good configuration, has
just its problem when written wrong, and none when written right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CHANNEL: Final = "channels/oru-in.yaml"
ROUTES: Final = "routes.yaml"
TABLE: Final = "channels/tables/codes.csv"


@dataclass(frozen=True, slots=True)
class Explanation:
    """`means`: what is wrong and why it matters. `wrong` and `right`: parts of the file `where`."""

    means: str
    wrong: str
    right: str
    where: str = CHANNEL


def _source(*lines: str) -> str:
    return "\n".join(["source:", "  type: mllp_listener", *(f"  {line}" for line in lines)])


def _condition(condition: str) -> str:
    return f"filter:\n  keep_when:\n    - {condition}"


_FILES: Final[Mapping[str, Explanation]] = {
    "E101": Explanation(
        "The file could not be opened, is not UTF-8, is too long, or is not called as channel files are.",
        "channels/oru-in.yml",
        "channels/oru-in.yaml",
        "the name of the file",
    ),
    "E102": Explanation(
        "YAML cannot be read from this place on. Mostly a quote or bracket is not closed, or a text needs quotes: one "
        "with `: ` or ` #` inside, or one that begins with a sign such as * & ! % @ [ or {.",
        "description: Results: point of care",
        'description: "Results: point of care"',
    ),
    "E103": Explanation(
        "YAML is indented with blanks only. A tab looks like blanks and is none; let your editor write blanks for it.",
        "source:\n\ttype: mllp_listener\n\tport: 2575",
        _source("port: 2575"),
    ),
    "E104": Explanation(
        "What belongs together must begin in the same column, and what belongs to a key further to the right than it.",
        "source:\n  type: mllp_listener\n   port: 2575",
        _source("port: 2575"),
    ),
    "E105": Explanation(
        "A block may have each key once; of two, nobody could say which one counts.",
        _source("port: 2575", "port: 2576"),
        _source("port: 2575"),
    ),
    "E106": Explanation(
        "YAML can do more than channels need: tags (!x), merge keys (<<), several documents in a file, blocks as keys. "
        "These are refused, since they make a file say other things than it seems to.",
        "description: !results from the ward",
        'description: "!results from the ward"',
    ),
    "E107": Explanation(
        "`*name` repeats what `&name` marks further up. Here nothing is marked so, or it would repeat itself.",
        "description: *stars",
        'description: "*stars"',
    ),
    "E108": Explanation(
        "A channel file and routes.yaml are blocks of keys, one `key: value` on a line, and are not empty.",
        "- type: mllp_listener",
        _source("port: 2575"),
    ),
}

_VALUES: Final[Mapping[str, Explanation]] = {
    "E201": Explanation(
        "Nothing here is called so. It is misspelt, or it belongs to another block; often it is only not indented as "
        "it should be. Unknown keys are never passed over: a setting that does nothing would be found too late.",
        _source("prot: 2575"),
        _source("port: 2575"),
    ),
    "E202": Explanation(
        "This block cannot do without the key.",
        _source("accepts: [ORU^R01]"),
        _source("port: 2575", "accepts: [ORU^R01]"),
    ),
    "E203": Explanation(
        "Another kind of value belongs here: text, a number, true or false, a list or a block. Text that looks like a "
        "number needs quotes, and one value of a list needs brackets.",
        _source("port: 2575", "accepts: ORU^R01"),
        _source("port: 2575", "accepts: [ORU^R01]"),
    ),
    "E204": Explanation(
        "The kind is right and the value is not: beyond its limits, without its unit, or not one that exists.",
        _source("port: 2575", "idle_timeout: 30"),
        _source("port: 2575", "idle_timeout: 30s"),
    ),
    "E205": Explanation(
        "Only certain words may stand here; the problem lists them.",
        "when_it_fails: dead-letter",
        "when_it_fails: hold",
    ),
    "E206": Explanation(
        "No source, step or destination has this name. One of another place (a destination under `source:`) does not "
        "count.",
        "source:\n  type: mllp\n  port: 2575",
        _source("port: 2575"),
    ),
    "E207": Explanation(
        "Passwords, tokens and keys never stand in these files, which many people read. Name the secret here; its "
        "value is set where the engine runs, as ISLET_SECRET_NAME or as a file in ISLET_SECRETS_DIR.",
        "destinations:\n  - name: ehr\n    type: http_sender\n    url: https://ehr.example/in\n"
        "    auth: {bearer: 8f14e45fceea167a}",
        "destinations:\n  - name: ehr\n    type: http_sender\n    url: https://ehr.example/in\n"
        "    auth: {bearer: {secret: ehr-token}}",
    ),
    "W208": Explanation(
        "The secret is named well, but has no value on this machine. That is right on a laptop; where the engine runs, "
        "whatever needs the secret waits until it is there.",
        "destinations:\n  - name: ehr\n    type: http_sender\n    url: https://ehr.example/in\n"
        "    auth: {bearer: {secret: ehr-token}}",
        "export ISLET_SECRET_EHR_TOKEN=...        # in the environment in which the engine starts",
    ),
    "E209": Explanation(
        "`${site.KEY}` takes a value from the channel's site in routes.yaml, `${env:NAME}` from the environment. What "
        "is asked for here is not there. What the environment gives is never shown, since it may be a secret.",
        _source("port: ${site.values.prot}"),
        _source("port: ${site.values.port}"),
    ),
    "E210": Explanation(
        "Nothing is wrong with the YAML: the code of this source, step or destination fails when it is asked. Tell its "
        "author, with the problem as it is printed.",
        'class LabelSettings(sdk.Settings):\n    name: str = ""        # the key of the engine itself',
        'class LabelSettings(sdk.Settings):\n    label: str = ""',
        "the plugin",
    ),
}

_CHANNELS: Final[Mapping[str, Explanation]] = {
    "E301": Explanation(
        "routes.yaml names a channel for which there is no file.",
        "routes:\n  oru-in: [reconcil]",
        "routes:\n  oru-in: [reconcile]",
        ROUTES,
    ),
    "E302": Explanation(
        "Along these arrows a message would come back to where it was, and go round for ever.",
        "routes:\n  oru-in: [reconcile]\n  reconcile: [oru-in]",
        "routes:\n  oru-in: [reconcile]",
        ROUTES,
    ),
    "E303": Explanation(
        "Whatever this channel makes would end nowhere. Give it destinations, or let routes.yaml lead on from it. Only "
        "a channel whose last step keeps what it says in the store, such as adt_to_identities, may end there.",
        "routes: {}",
        "routes:\n  oru-in: [reconcile]",
        ROUTES,
    ),
    "E304": Explanation(
        "Each step takes messages of certain shapes (hl7v2, records, fhir, json, ...) and gives one. What comes to "
        "this step is of a shape that it cannot read; a step that turns one into the other is missing before it.",
        "transform:\n  - type: records_to_fhir",
        "transform:\n  - type: oru_to_records\n    timezone: site",
    ),
    "E305": Explanation(
        "What one channel gives is not what the other is made for. Add the missing step to one of them.",
        "transform: []",
        "transform:\n  - type: oru_to_records\n    timezone: site",
    ),
    "W306": Explanation(
        "A channel with `source: {type: channel}` gets messages from other channels only, and no line of routes.yaml "
        "leads to it: it will have nothing to do.",
        "routes: {}",
        "routes:\n  oru-in: [reconcile]",
        ROUTES,
    ),
    "E307": Explanation(
        "Messages would wait before a channel that does not run. Take it out of routes.yaml, or switch it on.",
        "routes:\n  oru-in: [reconcile, spare]",
        "routes:\n  oru-in: [reconcile]",
        ROUTES,
    ),
    "E308": Explanation(
        "Two channels that run want something that only one can have, such as a port or a folder.",
        _source("port: 2600"),
        _source("port: 2575"),
    ),
    "E309": Explanation(
        "A channel has one name: that of its file. Metrics, messages and routes.yaml know it by this name.",
        "channel: oru-inn",
        "channel: oru-in",
    ),
    "E310": Explanation(
        "The channel belongs to a site that routes.yaml does not have under `sites:`.",
        "site: st-marys",
        "site: stm",
    ),
}

_CONDITIONS: Final[Mapping[str, Explanation]] = {
    "E401": Explanation(
        "A condition names one field and says one thing of it. Two things are two conditions, each on its line.",
        _condition("{field: OBX-11, in: [F, C], is_not: X}"),
        _condition("{field: OBX-11, in: [F, C]}"),
    ),
    "E402": Explanation(
        "Messages of this shape have no such field, or it is written otherwise. HL7 v2: OBX-3.1; records: "
        "records[].status; JSON and FHIR: the keys with dots between.",
        _condition("{field: OBX, in: [F, C]}"),
        _condition("{field: OBX-11, in: [F, C]}"),
    ),
    "E403": Explanation(
        "What stands after `matches` is no regular expression, or uses what could take for ever (RE2 syntax: no "
        "look-around, no back-references).",
        _condition('{field: OBX-3.2, matches: "Glucose (POC"}'),
        _condition('{field: OBX-3.2, matches: "Glucose \\\\(POC"}'),
    ),
    "E404": Explanation(
        "There is no file of this name in channels/tables. The ending .csv is not written.",
        _condition("{field: OBX-3.1, in_table: codes.csv}"),
        _condition("{field: OBX-3.1, in_table: codes}"),
    ),
    "E405": Explanation(
        "An expression stands in double quotes, compares with ==, and knows `meta` and the names under `with:`.",
        _condition("{expression: \"value = 'HI'\", with: {value: OBX-5}}"),
        _condition("{expression: \"value == 'HI'\", with: {value: OBX-5}}"),
    ),
    "E406": Explanation(
        "Conditions with `field:` need messages in which fields can be found. Plain bytes have none; only what the "
        "source tells about them can be asked for.",
        'source: {type: file_reader, folder: in, pattern: "*.pdf", shape: bytes}\n'
        + _condition("{field: name, is: stm.pdf}"),
        'source: {type: file_reader, folder: in, pattern: "*.pdf", shape: bytes}\n'
        + _condition("{expression: \"meta.file_name == 'stm.pdf'\"}"),
        "channels/letters-in.yaml",
    ),
}

_TABLES: Final[Mapping[str, Explanation]] = {
    "E501": Explanation(
        "A row has more or fewer values than the first line names columns. A value with a comma needs double quotes.",
        "code,name\nGLU,Glucose, capillary",
        'code,name\nGLU,"Glucose, capillary"',
        TABLE,
    ),
    "E502": Explanation(
        "The first column is the key, by which rows are looked up; each may be there once.",
        "code,name\nGLU,Glucose\nGLU,Glucose capillary",
        "code,name\nGLU,Glucose\nGLUC,Glucose capillary",
        TABLE,
    ),
    "E503": Explanation(
        "The file is no CSV with commas, a heading and UTF-8. Spreadsheets save so as `CSV UTF-8`.",
        "code;name\nGLU;Glucose",
        "code,name\nGLU,Glucose",
        TABLE,
    ),
}

EXPLANATIONS: Final[Mapping[str, Explanation]] = {**_FILES, **_VALUES, **_CHANNELS, **_CONDITIONS, **_TABLES}
