# ruff: noqa: E501 - messages stand here as they are printed
"""Mistakes that concern more than one file: routes.yaml, sites, shapes between channels, ports, tables."""

from pathlib import Path

import pytest

from tests.unit.config.world import GOOD, ORU_IN, RECONCILE, ROUTES, changed, loaded, problems_of

W306 = "channels/reconcile.yaml:1:1 W306 source: is fed by other channels only (`type: channel`), but no line of routes.yaml leads to it"
E303 = "channels/oru-in.yaml:1:1 E303: leads nowhere; add `destinations:` here, or `oru-in: [CHANNEL]` to the routes in routes.yaml"

IN_ROUTES: dict[str, tuple[str, str, list[str]]] = {
    "one channel for a list": (
        "[reconcile]",
        "reconcile",
        ["routes.yaml:2:11 E203 routes.oru-in: must be a list; write `[reconcile]`"],
    ),
    "a misspelt channel on the right": (
        "[reconcile]",
        "[reconsile]",
        ["routes.yaml:2:12 E301 routes.oru-in[0]: there is no channels/reconsile.yaml; did you mean `reconcile`?"],
    ),
    "a misspelt channel on the left": (
        "oru-in:",
        "oru-inn:",
        ["routes.yaml:2:3 E301 routes.oru-inn: there is no channels/oru-inn.yaml; did you mean `oru-in`?"],
    ),
    "an unknown channel that nothing is like": (
        "[reconcile]",
        "[reconcile, outcomes]",
        ["routes.yaml:2:23 E301 routes.oru-in[1]: there is no channels/outcomes.yaml; there are: oru-in, reconcile"],
    ),
    "one channel twice": (
        "[reconcile]",
        "[reconcile, reconcile]",
        ["routes.yaml:2:23 E204 routes.oru-in[1]: `reconcile` is named twice in this list; keep one"],
    ),
    "a number for a channel": (
        "[reconcile]",
        "[5]",
        ['routes.yaml:2:12 E203 routes.oru-in[0]: must be text; put it in quotes: "5"'],
    ),
    "an empty list": ("[reconcile]", "[]", [E303, W306]),
    "nothing after the colon": (
        "[reconcile]",
        "",
        ["routes.yaml:2:10 E203 routes.oru-in: is empty; write `oru-in: [TEXT]`"],
    ),
    "two channels in a circle": (
        "[reconcile]",
        "[reconcile]\n  reconcile: [oru-in]",
        [
            "routes.yaml:3:15 E302 routes.reconcile[0]: goes round in a circle: oru-in → reconcile → oru-in; take one of these arrows out"
        ],
    ),
    "a channel that feeds itself": (
        "[reconcile]",
        "[reconcile]\n  reconcile: [reconcile]",
        [
            "routes.yaml:3:15 E302 routes.reconcile[0]: goes round in a circle: reconcile → reconcile; take one of these arrows out"
        ],
    ),
    "routes misspelt": ("routes:", "rotes:", ["routes.yaml:1:1 E201 rotes: unknown key; did you mean `routes`?"]),
    "routes as a list": (
        "routes:\n  oru-in: [reconcile]",
        "routes: [a]",
        [
            "routes.yaml:1:9 E203 routes: must be a block of keys, not a list; write `routes: {stm-oru-in: [reconcile]}`",
        ],
    ),
    "a zone that is none": (
        "timezone: Europe/Dublin",
        "timezone: Dublin",
        [
            "routes.yaml:5:15 E204 sites.stm.timezone: `Dublin` is not an IANA time zone; write one such as Europe/Dublin"
        ],
    ),
    "a continent for a zone": (
        "timezone: Europe/Dublin",
        "timezone: Europe",
        [
            "routes.yaml:5:15 E204 sites.stm.timezone: `Europe` is not an IANA time zone; write one such as Europe/Dublin"
        ],
    ),
    "the zone's key by another name": (
        "timezone: Europe/Dublin",
        "tz: Europe/Dublin",
        ["routes.yaml:5:5 E201 sites.stm.tz: unknown key; did you mean `timezone`?"],
    ),
    "no zone": (
        "timezone: Europe/Dublin\n    ",
        "",
        ["routes.yaml:5:5 E202 sites.stm.timezone: is missing; write `timezone: Europe/Dublin` (IANA name)"],
    ),
    "an unknown choice": (
        "write_back: partial",
        "write_back: readonly",
        [
            "routes.yaml:6:17 E205 sites.stm.write_back: `readonly` is not one of the choices; did you mean `read-only`? (read-only | partial | full)"
        ],
    ),
    "a read-only site that can take something": (
        "write_back: partial",
        "write_back: read-only",
        [
            "routes.yaml:8:5 E204 sites.stm.can: nothing can be written back to a read-only site; write `write_back: partial`, or take `can` out"
        ],
    ),
    "an unknown key of a site": (
        "write_back: partial",
        "write_back: partial\n    region: eu",
        [
            "routes.yaml:7:5 E201 sites.stm.region: unknown key; there are: can, cannot, defer_for, ehr, name, since, timezone, values, write_back"
        ],
    ),
    "a capability without a way": (
        "{by: hl7v2, at_most: 4 per day}",
        "{at_most: 4}",
        [
            "routes.yaml:8:20 E202 sites.stm.can.glucose.by: is missing; write `by: hl7v2` (The way it takes it)",
            'routes.yaml:8:30 E203 sites.stm.can.glucose.at_most: must be text; put it in quotes: "4"',
        ],
    ),
    "the way by another name": (
        "{by: hl7v2",
        "{via: hl7v2",
        ["routes.yaml:8:21 E201 sites.stm.can.glucose.via: unknown key; did you mean `by`?"],
    ),
    "${...} in braces without quotes": (
        "vendor: cerner",
        "vendor: ${env:VENDOR}",
        ['routes.yaml:7:19 E102: inside brackets, text with ${...} must be in quotes: "${env:VENDOR}"'],
    ),
    "a site in the sites' own file": (
        "vendor: cerner",
        'vendor: "${site.name}"',
        [
            "routes.yaml:7:19 E209 sites.stm.ehr.vendor: ${site...} cannot be used in routes.yaml itself; write the value"
        ],
    ),
    "a site that is no block": (
        "  stm:\n",
        "  stm: x\n  abc:\n",
        ["routes.yaml:4:8 E203 sites.stm: must be a block of keys, not `x`; write `stm: {timezone: Europe/Dublin}`"],
    ),
    "a list of sites": (
        "sites:\n",
        "sites: [x]\nsitess:\n",
        [
            "routes.yaml:3:8 E203 sites: must be a block of keys, not a list; write `sites: {stm: {timezone: Europe/Dublin, write_back: partial}}`",
            "routes.yaml:4:1 E201 sitess: unknown key; did you mean `sites`?",
        ],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), IN_ROUTES.values(), ids=IN_ROUTES.keys())
def test_mistakes_in_routes_yaml_are_told_once_and_channels_are_not_blamed(
    tmp_path: Path, old: str, new: str, expected: list[str]
) -> None:
    assert problems_of(tmp_path, {**GOOD, "routes.yaml": changed(ROUTES, old, new)}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n", ["routes.yaml:1:1 E108: must be a block of keys, one `key: value` on a line"]),
        ("just words\n", ["routes.yaml:1:1 E108: must be a block of keys, one `key: value` on a line"]),
        ("a: 'x\n", ["routes.yaml:1:4 E102: the quote that opens here is never closed"]),
    ],
)
def test_a_routes_file_that_cannot_be_read_is_one_problem(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert problems_of(tmp_path, {**GOOD, "routes.yaml": text}) == expected


def test_without_routes_channels_that_need_them_say_so(tmp_path: Path) -> None:
    files = {name: text for name, text in GOOD.items() if name != "routes.yaml"}
    assert problems_of(tmp_path, files) == [
        E303,
        "channels/oru-in.yaml:3:7 E310 site: routes.yaml has no site `stm`; there are none",
        W306,
    ]


# --- channels together

SECOND = ORU_IN.replace("oru-in", "second") + "destinations: [{name: a, type: archive}]\n"
WEB = "channel: web\nsource: {type: http_listener, port: 1, shape: fhir}\n"


def with_files(**files: str) -> dict[str, str]:
    """The good world with other files; `web` stands for channels/web.yaml."""
    names = {"routes": "routes.yaml"}
    return {
        **GOOD,
        **{names.get(name, f"channels/{name.replace('_', '-')}.yaml"): text for name, text in files.items()},
    }


def test_two_channels_on_one_port_are_named_both(tmp_path: Path) -> None:
    assert problems_of(tmp_path, with_files(second=SECOND)) == [
        "channels/second.yaml:5:9 E308 source: tcp port 2575 is taken by oru-in.yaml, line 5; give one of them another"
    ]


def test_a_channel_that_is_switched_off_takes_no_port(tmp_path: Path) -> None:
    assert problems_of(tmp_path, with_files(second=SECOND + "enabled: false\n")) == []


def test_a_channel_that_is_switched_off_is_checked_all_the_same(tmp_path: Path) -> None:
    text = changed(SECOND, "port: 2575", "prot: 2575") + "enabled: false\n"
    assert problems_of(tmp_path, with_files(second=text)) == [
        "channels/second.yaml:6:3 E201 source.prot: unknown key; did you mean `port`?"
    ]


def test_a_route_into_a_channel_that_is_switched_off_is_a_problem(tmp_path: Path) -> None:
    assert problems_of(tmp_path, with_files(reconcile=RECONCILE + "enabled: false\n")) == [
        "routes.yaml:2:12 E307 routes.oru-in[0]: `reconcile` is switched off (`enabled: false`); take it out here, or switch it on"
    ]


def test_a_route_out_of_a_channel_that_is_switched_off_leaves_the_other_end_dry(tmp_path: Path) -> None:
    assert problems_of(tmp_path, with_files(oru_in=ORU_IN + "enabled: false\n")) == [W306]


def test_the_shape_of_a_source_may_depend_on_its_settings(tmp_path: Path) -> None:
    text = WEB + "destinations: [{name: a, type: mllp_sender, port: 3}]\n"
    assert problems_of(tmp_path, with_files(web=text)) == [
        "channels/web.yaml:3:32 E304 destinations[0]: `mllp_sender` takes hl7v2, but `http_listener` gives fhir; put a step between"
    ]
    fitting = WEB + "destinations: [{name: a, type: fhir_server, base: https://x}]\n"
    assert problems_of(tmp_path, with_files(web=fitting)) == []


def test_routes_are_checked_for_shapes_also_into_a_channel_with_a_source_of_its_own(tmp_path: Path) -> None:
    routes = changed(ROUTES, "[reconcile]", "[reconcile]\n  web: [reconcile, oru-in]")
    assert problems_of(tmp_path, with_files(web=WEB, routes=routes)) == [
        "routes.yaml:3:9 E305 routes.web[0]: `reconcile` takes records, but `web` gives fhir; add a step in between",
        "routes.yaml:3:20 E305 routes.web[1]: `oru-in` takes hl7v2, but `web` gives fhir; add a step in between",
    ]


def test_a_filter_plugin_and_conditions_are_checked_against_the_sources_shape(tmp_path: Path) -> None:
    text = "channel: web\nsource: {type: csv_reader}\nfilter:\n  keep_when:\n    - {type: only_codes, codes: [F]}\n    - {field: a, is: b}\ndestinations: [{name: a, type: archive}]\n"
    assert problems_of(tmp_path, with_files(web=text)) == [
        "channels/web.yaml:5:14 E304 filter.keep_when[0]: `only_codes` takes hl7v2, but `csv_reader` gives csv; put a step between",
        "channels/web.yaml:6:15 E406 filter.keep_when[1].field: csv messages have no fields to ask for; use a filter plugin, or an expression over `meta`",
    ]


def test_each_closing_arrow_of_each_circle_is_named(tmp_path: Path) -> None:
    def fed(name: str) -> str:
        return (
            f"channel: {name}\nsource: {{type: channel, shape: records}}\ndestinations: [{{name: a, type: archive}}]\n"
        )

    routes = changed(ROUTES, "[reconcile]", "[reconcile, a]\n  a: [b]\n  b: [c, d]\n  c: [a]\n  d: [d]")
    assert problems_of(tmp_path, with_files(a=fed("a"), b=fed("b"), c=fed("c"), d=fed("d"), routes=routes)) == [
        "routes.yaml:5:7 E302 routes.c[0]: goes round in a circle: a → b → c → a; take one of these arrows out",
        "routes.yaml:6:7 E302 routes.d[0]: goes round in a circle: d → d; take one of these arrows out",
    ]


def test_arrows_that_meet_again_are_no_circle(tmp_path: Path) -> None:
    def fed(name: str) -> str:
        return (
            f"channel: {name}\nsource: {{type: channel, shape: records}}\ndestinations: [{{name: a, type: archive}}]\n"
        )

    routes = changed(ROUTES, "[reconcile]", "[reconcile, a, b]\n  a: [b, reconcile]\n  b: [reconcile]")
    assert problems_of(tmp_path, with_files(a=fed("a"), b=fed("b"), routes=routes)) == []


# --- all files in one run


def test_problems_of_all_files_come_in_one_run_sorted_by_file_and_line(tmp_path: Path) -> None:
    files = {
        **GOOD,
        "channels/broken.yaml": "a: 'x\n",
        "channels/empty.yaml": "# nothing yet\n",
        "channels/list.yaml": "- a\n",
        "channels/other.yml": "channel: other\n",
        "channels/oru-in.yaml": changed(changed(ORU_IN, "hold", "hld"), "port: 2575", "prot: 2575"),
        "channels/oru-in.test.yaml": "not: [checked\n",
        "channels/tables/codes.csv": "code,analyte\na,b,c\n",
        "routes.yaml": changed(ROUTES, "partial", "partially"),
    }
    assert problems_of(tmp_path, files) == [
        "channels/broken.yaml:1:4 E102: the quote that opens here is never closed",
        "channels/empty.yaml:1:1 E108: is empty; begin it with `channel: empty`",
        "channels/list.yaml:1:1 E108: must be a block of keys, one `key: value` on a line",
        "channels/oru-in.yaml:6:3 E201 source.prot: unknown key; did you mean `port`?",
        "channels/oru-in.yaml:14:16 E205 when_it_fails: `hld` is not one of the choices; did you mean `hold`? (hold | review | skip)",
        "channels/other.yml:1:1 E101: is not read; call it other.yaml",
        "channels/tables/codes.csv:2:1 E501: has 3 values, but the heading 2 values; put a value with a comma in double quotes",
        "routes.yaml:6:17 E205 sites.stm.write_back: `partially` is not one of the choices; did you mean `partial`? (read-only | partial | full)",
    ]


def test_a_route_to_a_channel_whose_file_is_broken_is_no_second_problem(tmp_path: Path) -> None:
    assert problems_of(tmp_path, {**GOOD, "channels/reconcile.yaml": "a: 'x\n"}) == [
        "channels/reconcile.yaml:1:4 E102: the quote that opens here is never closed"
    ]


def test_a_folder_without_channels_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    found = loaded(tmp_path, {"routes.yaml": ROUTES})
    assert found.configuration is None
    assert [str(problem) for problem in found.problems] == [
        f"{tmp_path}:1:1 E101: there is no folder channels here; start in the folder that holds it, or name that folder"
    ]


TABLES: dict[str, tuple[str | bytes, list[str]]] = {
    "a row that is too long, and one whose key is there": (
        "code,analyte\na,b,c\na,b\n\na,c\n",
        [
            "2:1 E501: has 3 values, but the heading 2 values; put a value with a comma in double quotes",
            "5:1 E502 a: is there twice (first on line 3); keep one",
        ],
    ),
    "a row after one that goes over two lines": (
        'code,name\n"1\n2",x\n3\n',
        ["4:1 E501: has 1 value, but the heading 2 values; put a value with a comma in double quotes"],
    ),
    "a quote that is not closed": (
        'code,name\na,b\n"x\n',
        ["3:1 E503: is not CSV from here on: unexpected end of data"],
    ),
    "semicolons": ("code;name\na;b\n", ["1:1 E503: has one column only; separate columns with commas, not semicolons"]),
    "an empty file": ("", ["1:1 E503: has no heading; write the names of the columns on the first line"]),
    "two columns of one name": (
        "code,x,x\n",
        ["1:1 E503: has a column without a name of its own; name each column, and each differently"],
    ),
    "another encoding": (b"code,x\n\xe9,1\n", ["1:1 E503: is not UTF-8; save the table as CSV with UTF-8"]),
}


@pytest.mark.parametrize(("content", "expected"), TABLES.values(), ids=TABLES.keys())
def test_mistakes_in_tables(tmp_path: Path, content: str | bytes, expected: list[str]) -> None:
    files = {**GOOD, "channels/tables/codes.csv": content}
    channel = changed(ORU_IN, "in: [F, C]", "in_table: codes")
    found = problems_of(tmp_path, {**files, "channels/oru-in.yaml": channel})
    assert [line.removeprefix("channels/tables/codes.csv:") for line in found] == expected
