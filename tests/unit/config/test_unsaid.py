# ruff: noqa: E501 - messages stand here as they are printed
"""What `${env:X}` gives may be a secret: whatever is wrong with it, problems show how it is written."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.check import check
from engine.config.problems import CODES, Report
from engine.config.tree import parse, scalars
from tests.unit.config.world import GOOD, ORU_IN, ROUTES, a_registry, changed, problems_of, write

CANARY = "canary-4711"
X = '"${env:X}"'
EHR = "    base: https://fhir.example/r4\n"
SOURCE = "  type: mllp_listener\n  port: 2575\n  accepts: [ORU^R01]"
ACCOUNT = "{name: a, refresh_token: {secret: a}, patient: {system: a, value: b}}"
CONDITION = "{field: OBX-11, in: [F, C]}"
UNTOLD = (
    "cannot be used with what is put in for `${env:X}`; why is not told, as that could show a secret: "
    "write a value in its place to see it"
)

Case = tuple[str, str, str, str, str]
"""The file, what is changed in it, into what; what the environment gives; the problem."""

OTHERS = {
    "channels/taken.yaml": "channel: taken\nsource: {type: mllp_listener, port: 47110}\ndestinations: "
    "[{name: a, type: archive}]\n",
    "channels/off.yaml": "channel: off\nenabled: false\nsource: {type: channel, shape: records}\n",
    "channels/raw.yaml": "channel: raw\nsource: {type: channel, shape: hl7v2}\ndestinations: "
    "[{name: a, type: archive}]\n",
}
"""More channels, each of them fed by nobody: W306 is said of the last."""

ORU, FED, LINKS = "channels/oru-in.yaml", "channels/reconcile.yaml", "routes.yaml"
CASES: dict[str, Case] = {
    "a type": (
        *(ORU, "type: mllp_listener", f"type: {X}", CANARY),
        "E206 source.type: there is no source type `${env:X}`; there are: channel, csv_reader, dexcom, http_listener, "
        "mllp_listener",
    ),
    "a type that is almost one": (
        *(ORU, "type: oru_to_records", f"type: {X}", "oru-to-recordz"),
        "E206 transform[0].type: there is no transform type `${env:X}`; there are: claims_badly, faulty, "
        "identify_patient, match, oru_to_records, records_to_fhir, set_fields",
    ),
    "a type of another place": (
        *(FED, "type: fhir_server", f"type: {X}", "csv_reader"),
        "E206 destinations[0].type: there is no destination type `${env:X}`; there are: archive, clashing, "
        "fhir_server, mllp_sender",
    ),
    "a block": (
        *(FED, "  - type: records_to_fhir", f"  - {X}", CANARY),
        "E203 transform[0]: must be a block that begins with a type; write `type: ${env:X}` on a line of its own",
    ),
    "a number": (
        *(ORU, "port: 2575", f"port: {X}", CANARY),
        "E203 source.port: must be a whole number, not `${env:X}`; write `port: NUMBER`",
    ),
    "a number beyond its limits": (
        *(ORU, "port: 2575", f"port: {X}", "471108"),
        "E204 source.port: must be at most 65535",
    ),
    "a list": (
        *(ORU, "[ORU^R01]", X, CANARY),
        "E203 source.accepts: must be a list; write `[${env:X}]`",
    ),
    "a list of a condition": (
        *(ORU, "[F, C]", X, CANARY),
        "E203 filter.keep_when[0].in: must be a list of values; write `[${env:X}]`",
    ),
    "a choice": (
        *(ORU, "when_it_fails: hold", f"when_it_fails: {X}", "canary-4711"),
        "E205 when_it_fails: `${env:X}` is not one of the choices; write one of hold | review | skip",
    ),
    "a choice that is almost one": (
        *(ORU, "when_it_fails: hold", f"when_it_fails: {X}", "hould"),
        "E205 when_it_fails: `${env:X}` is not one of the choices; write one of hold | review | skip",
    ),
    "what a check quotes": (
        *(ORU, "timezone: site", f"timezone: {X}", CANARY),
        "E204 transform[0].timezone: '${env:X}' is not an IANA time zone; write one such as Europe/Dublin",
    ),
    "what a check quotes of a site": (
        *(LINKS, "Europe/Dublin", X, CANARY),
        "E204 sites.stm.timezone: `${env:X}` is not an IANA time zone; write one such as Europe/Dublin",
    ),
    "what a check says of any value": (
        *(FED, "https://fhir.example/r4", X, CANARY),
        "E204 destinations[0].base: is not a web address; write one such as https://host/r4",
    ),
    "what a check says of this value only": (
        *(ORU, SOURCE, f"  type: dexcom\n  every: {X}\n  accounts: [{ACCOUNT}]", "4711s"),
        f"E204 source: {UNTOLD}",
    ),
    "a table's name": (
        *(ORU, "timezone: site", f"codes: {X}", CANARY),
        "E204 transform[0].codes: no table '${env:X}' in channels/tables (there are: codes)",
    ),
    "a destination's name": (
        *(FED, f"name: ehr\n    type: fhir_server\n{EHR}", f"{{name: {X}, type: archive}}\n  - {{name: {X}, type: archive}}", CANARY),
        "E204 destinations[1].name: `${env:X}` is the name of another destination (line 6); choose a name of its own",
    ),
    "a destination's name that is none": (
        *(FED, "name: ehr", f"name: {X}", "CANARY 4711"),
        "E204 destinations[0].name: must be small letters and digits with - between words, such as stm-oru-in",
    ),
    "a secret written out": (
        *(FED, EHR, f"{EHR}    bearer: {X}\n", CANARY),
        "E207 destinations[0].bearer: must name a secret, and its value must not stand here; "
        "write `bearer: {secret: NAME}`",
    ),
    "a secret's name": (
        *(FED, EHR, f"{EHR}    bearer: {{secret: {X}}}\n", CANARY),
        "W208 destinations[0].bearer: the secret that `${env:X}` names has no value here; set one where the engine runs",
    ),
    "the channel's own name": (
        *(ORU, "channel: oru-in", f"channel: {X}", CANARY),
        "E309 channel: is `${env:X}`, but the file is called oru-in.yaml; give both the same name",
    ),
    "the site": (
        *(ORU, "site: stm", f"site: {X}", CANARY),
        "E310 site: routes.yaml has no site `${env:X}`; there are: stm",
    ),
    "a channel that is fed": (
        *(LINKS, "[reconcile]", f"[reconcile, {X}]", CANARY),
        "E301 routes.oru-in[1]: there is no channels/${env:X}.yaml; there are: off, oru-in, raw, reconcile, taken",
    ),
    "a channel that is fed twice": (
        *(LINKS, "[reconcile]", f"[{X}, {X}]", CANARY),
        "E204 routes.oru-in[1]: `${env:X}` is named twice in this list; keep one",
    ),
    "a circle": (
        *(LINKS, "[reconcile]", f"[reconcile]\n  reconcile: [{X}]", "oru-in"),
        "E302 routes.reconcile[0]: goes round in a circle: oru-in → reconcile → ${env:X}; take one of these arrows out",
    ),
    "a channel of another shape": (
        *(LINKS, "[reconcile]", f"[reconcile, {X}]", "raw"),
        "E305 routes.oru-in[1]: `${env:X}` takes hl7v2, but `oru-in` gives records; add a step in between",
    ),
    "a channel that is switched off": (
        *(LINKS, "[reconcile]", f"[reconcile, {X}]", "off"),
        "E307 routes.oru-in[1]: `${env:X}` is switched off (`enabled: false`); take it out here, or switch it on",
    ),
    "a port that another has": (
        *(ORU, "port: 2575", f"port: {X}", "47110"),
        "E308 source: wants the same as oru-in.yaml, line 5 (`${env:X}`); give one of them another",
    ),
    "a field's path": (
        *(ORU, "field: OBX-11", f"field: {X}", "CANARY"),
        "E402 filter.keep_when[0].field: `${env:X}` is not an HL7 path; write one such as OBX-5",
    ),
    "a pattern": (
        *(ORU, CONDITION, f"{{field: OBX-5, matches: {X}}}", f"[z-a]{CANARY}"),
        f"E403 filter.keep_when[0].matches: {UNTOLD}",
    ),
    "a table of a condition": (
        *(ORU, CONDITION, f"{{field: OBX-5, in_table: {X}}}", CANARY),
        "E404 filter.keep_when[0].in_table: no table `${env:X}` in channels/tables; there are: codes",
    ),
    "limits": (
        *(ORU, CONDITION, f"{{field: OBX-5, between: [{X}, 40]}}", "4711"),
        f"E204 filter.keep_when[0].between: {UNTOLD}",
    ),
    "an expression": (
        *(ORU, CONDITION, f"{{expression: {X}, with: {{value: OBX-5}}}}", "canary4711 == value"),
        f"E405 filter.keep_when[0].expression: {UNTOLD}",
    ),
}  # fmt: skip


def files_of(case: Case) -> tuple[dict[str, str | bytes], dict[str, str]]:
    file, old, new, value, _ = case
    return {**GOOD, **OTHERS, file: changed(GOOD[file], old, new)}, {"X": value}


def numberless(lines: list[str]) -> list[str]:
    return [line.split(" ", 1)[1] for line in lines]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_problem_shows_a_value_as_it_is_written(tmp_path: Path, case: Case) -> None:
    files, env = files_of(case)
    said = numberless(problems_of(tmp_path, files, env))
    assert case[-1] in said
    assert not [line for line in said if env["X"] in line and case[-1] != line]


def test_every_code_whose_text_can_hold_a_value_is_among_the_cases() -> None:
    """The others speak of keys, of files that have no `${...}`, or of the plugin."""
    of_files = {"E101", "E102", "E103", "E104", "E105", "E106", "E107", "E108", "E501", "E502", "E503"}
    of_keys = {"E201", "E202", "E209", "E210", "E303", "E304", "W306", "E401", "E406"}
    assert {case[-1].split()[0] for case in CASES.values()} == CODES.keys() - of_files - of_keys


def places() -> Iterator[tuple[str, str]]:
    """Each single value of the good world in turn taken from the environment: the file and its text."""
    for name in (ORU, FED, LINKS):
        lines = GOOD[name].splitlines()
        tree = parse(GOOD[name], Path(name), Report())
        assert tree is not None
        for _, scalar in scalars(tree):
            row, column = scalar.place.line - 1, scalar.place.column - 1
            changed_line = lines[row][:column] + X + lines[row][column + len(scalar.text) :]
            yield name, "\n".join([*lines[:row], changed_line, *lines[row + 1 :]])


@pytest.mark.parametrize("value", [CANARY, "4711", "CANARY", "https://canary:4711@host", "CANARY-4711=[", ""])
def test_no_value_anywhere_gets_into_what_is_printed(
    tmp_path: Path, value: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    checked = 0
    for name, text in places():
        write(tmp_path, {**GOOD, name: text})
        for as_json in (False, True):
            check(tmp_path, as_json, a_registry(), {"X": value})
        checked += 1
    said = capsys.readouterr().out
    assert checked > 25
    assert said.count("${env:X}") > 20
    assert not value or value not in said
    assert "canary" not in said.lower()


def test_what_is_said_whatever_the_value_is_told(tmp_path: Path) -> None:
    account = ACCOUNT.replace("name: a", f"name: {X}")
    text = changed(ORU_IN, SOURCE, f"  type: dexcom\n  accounts: [{account}]")
    said = numberless(problems_of(tmp_path, {**GOOD, ORU: text}, {"X": CANARY}))
    assert "E204 source: needs a region: us, eu or sandbox" in said


def test_what_a_site_gives_is_shown_as_written_too(tmp_path: Path) -> None:
    files = {
        **GOOD,
        LINKS: changed(ROUTES, "MILL", X),
        ORU: changed(ORU_IN, "port: 2575", 'port: "${site.ehr.receiving_app}"'),
    }
    (said,) = problems_of(tmp_path, files, {"X": CANARY})
    assert said.endswith(
        "E203 source.port: must be a whole number, not `${site.ehr.receiving_app}`; write `port: NUMBER`"
    )
