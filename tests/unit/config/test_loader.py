# ruff: noqa: E501 - messages stand here as they are printed
"""What a good configuration becomes."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from engine import sdk
from engine.config.plan import Configuration
from engine.model.retention import DAY, Retention
from engine.model.retry import RetryPolicy
from engine.testing.builders import a_message
from tests.unit.config.world import (
    GOOD,
    ORU_IN,
    RECONCILE,
    ROUTES,
    changed,
    loaded,
    problems_of,
    settings_of,
    with_channel,
)

FULL = """\
channel: oru-in
description: Everything that can be said
site: stm
owner: interfaces@example.org
tenant: north
source:
  type: mllp_listener
  host: "${env:HOST}"
  port: "${env:PORT}"
  accepts: ["${site.ehr.receiving_app}^${site.ehr.vendor}", ORU]
  receive_within: 1.5h
filter:
  keep_when:
    - {field: OBX-11, in: [F, C]}
    - {type: only_codes, codes: ["OBX-11=F"]}
    - {field: OBX-3.1, not_in_table: codes}
transform:
  - type: oru_to_records
    timezone: site
    codes: codes
  - type: identify_patient
destinations:
  - name: archive-one
    type: archive
    retry: {attempts: 3, first_wait: 1s, longest_wait: 10s, jitter: false}
    circuit_breaker: {failures: 2, try_again_in: 1m}
    at_once: 1
    in_order: false
  - {name: archive-two, type: archive}
retry: {attempts: 4, first_wait: 20s, longest_wait: 5s, jitter: true}
when_it_fails: review
holds_up_to: 50
lane: batch
keep: {bodies: 7d, metadata: 90d}
"""
ENV = {"HOST": "0123", "PORT": "2600"}


def configuration(root: Path, files: Mapping[str, str | bytes], env: dict[str, str] | None = None) -> Configuration:
    found = loaded(root, files, env)
    assert [str(problem) for problem in found.problems] == []
    assert found.configuration is not None
    return found.configuration


def test_a_channel_with_everything_becomes_a_plan(tmp_path: Path) -> None:
    plan = configuration(tmp_path, with_channel(FULL), ENV).channels["oru-in"]
    assert (plan.name, plan.description, plan.site) == ("oru-in", "Everything that can be said", "stm")
    assert (plan.owner, plan.tenant) == ("interfaces@example.org", "north")
    assert plan.shape is sdk.Shape.HL7V2
    assert plan.source is not None
    assert plan.source.name == "mllp_listener"
    source = settings_of(plan.source)
    assert (source.host, source.port) == ("0123", 2600)
    assert source.accepts == ("MILL^cerner", "ORU")
    assert source.receive_within == 5400.0
    assert [step.name for step in plan.steps] == ["oru_to_records", "identify_patient"]
    step = settings_of(plan.steps[0])
    assert step.timezone == "Europe/Dublin"
    assert step.codes["2339-0"]["analyte"] == "blood-glucose"
    assert plan.feeds == ("reconcile",)
    assert plan.retry == RetryPolicy(4, 20.0, 20.0, 0.5)
    assert (plan.when_it_fails, plan.holds_up_to, plan.lane) == ("review", 50, "batch")
    assert plan.retention == Retention(7 * DAY, 90 * DAY)


def test_metadata_are_kept_as_long_as_bodies_at_least(tmp_path: Path) -> None:
    channels = configuration(tmp_path, with_channel(ORU_IN + "keep: {bodies: 500d}\n")).channels
    assert channels["oru-in"].retention == Retention(500 * DAY, 500 * DAY)
    assert channels["reconcile"].retention == Retention(30 * DAY, 400 * DAY)


def test_destinations_carry_what_the_engine_does_around_them(tmp_path: Path) -> None:
    one, two = configuration(tmp_path, with_channel(FULL), ENV).channels["oru-in"].destinations
    assert (one.name, one.bound.plugin.name) == ("archive-one", "archive")
    assert one.retry == RetryPolicy(3, 1.0, 10.0, 0.0)
    assert (one.breaker_failures, one.breaker_rest_seconds, one.at_once, one.in_order) == (2, 60.0, 1, False)
    assert two.retry == RetryPolicy()
    assert (two.breaker_failures, two.breaker_rest_seconds, two.at_once, two.in_order) == (5, 30.0, 8, True)


def test_conditions_and_filter_plugins_are_one_filter_in_the_order_of_the_file(tmp_path: Path) -> None:
    keep = configuration(tmp_path, with_channel(FULL), ENV).channels["oru-in"].keep
    assert keep(a_message(b"OBX-11=F")) is sdk.KEEP
    assert keep(a_message(b"OBX-11=X")) == sdk.Drop("keep_when: OBX-11 in")
    assert keep(a_message(b"OBX-11=C")) == sdk.Drop("another code")


def test_a_channel_fed_by_others_has_no_source_and_the_shape_that_it_names(tmp_path: Path) -> None:
    plan = configuration(tmp_path, dict(GOOD)).channels["reconcile"]
    assert plan.source is None
    assert plan.shape is sdk.Shape.RECORDS
    assert plan.keep(a_message(b"anything")) is sdk.KEEP
    assert plan.feeds == ()


def test_a_channel_that_is_switched_off_is_not_in_the_plan(tmp_path: Path) -> None:
    files = with_channel(
        RECONCILE + "enabled: false\n", "reconcile", **{"routes.yaml": "sites:\n  stm: {timezone: UTC}\n"}
    )
    text = ORU_IN + "destinations: [{name: a, type: archive}]\n"
    assert list(configuration(tmp_path, {**files, "channels/oru-in.yaml": text}).channels) == ["oru-in"]


def test_a_setting_may_switch_a_channel_off(tmp_path: Path) -> None:
    files = with_channel('enabled: "${env:STM_RUNS}"\n' + ORU_IN)
    assert "oru-in" in configuration(tmp_path, files, {"STM_RUNS": "true"}).channels
    off = loaded(tmp_path, files, {"STM_RUNS": "false"}).configuration
    assert off is not None
    assert list(off.channels) == ["reconcile"]


def test_sites_and_tables_are_there_as_values(tmp_path: Path) -> None:
    found = configuration(tmp_path, dict(GOOD))
    assert found.root == tmp_path
    assert found.sites["stm"].timezone == "Europe/Dublin"
    assert found.sites["stm"].values["ehr"] == {"vendor": "cerner", "receiving_app": "MILL"}
    assert found.tables["codes"]["99504-3"] == {"code": "99504-3", "analyte": "interstitial-glucose"}


def test_test_files_beside_channels_are_no_channels(tmp_path: Path) -> None:
    files = {**GOOD, "channels/oru-in.test.yaml": "test_channel: oru-in\n"}
    assert sorted(configuration(tmp_path, files).channels) == ["oru-in", "reconcile"]


def test_warnings_do_not_refuse_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = with_channel(changed(RECONCILE, "/r4", "/r4\n    bearer: {secret: fhir/token}"), "reconcile")
    found = loaded(tmp_path, files)
    assert [problem.code for problem in found.problems] == ["W208"]
    assert found.configuration is not None
    monkeypatch.setenv("ISLET_SECRET_FHIR_TOKEN", "CANARY")
    assert problems_of(tmp_path, files) == []


# --- versions


def version(root: Path, files: dict[str, str | bytes], env: dict[str, str] | None = None) -> str:
    return configuration(root, files, env or ENV).channels["oru-in"].version


def test_a_version_is_twelve_hex_digits_and_the_same_for_the_same_text(tmp_path: Path) -> None:
    first, second = version(tmp_path / "a", with_channel(FULL)), version(tmp_path / "b", with_channel(FULL))
    assert first == second
    assert len(first) == 12
    assert set(first) <= set("0123456789abcdef")


def test_a_version_changes_with_all_that_the_channel_takes_from_elsewhere(tmp_path: Path) -> None:
    base = with_channel(FULL)
    versions = [
        version(tmp_path / "base", base),
        version(tmp_path / "text", with_channel(FULL + "# a comment\n")),
        version(tmp_path / "table", {**base, "channels/tables/codes.csv": "code,analyte\n2339-0,blood-glucose\n"}),
        version(tmp_path / "site", {**base, "routes.yaml": changed(ROUTES, "cerner", "epic")}),
        version(tmp_path / "env", base, {**ENV, "PORT": "2601"}),
    ]
    assert len(set(versions)) == len(versions)


def test_a_version_does_not_change_with_what_the_channel_does_not_use(tmp_path: Path) -> None:
    base = with_channel(FULL)
    others = {**base, "channels/tables/other.csv": "a,b\n", "channels/reconcile.yaml": RECONCILE + "# more\n"}
    assert version(tmp_path / "a", base) == version(tmp_path / "b", others, {**ENV, "OTHER": "x"})


# --- ${...}

PORT = "port: 2575"
PUT_IN = {
    "a variable that is not set": (
        "port: ${env:PORT}",
        "6:9 E209 source.port: the environment has no PORT; set it before the engine starts, or write the value here",
    ),
    "a variable with a value that does not do": (
        "port: ${env:NOT_A_PORT}",
        "6:9 E203 source.port: must be a whole number, not `${env:NOT_A_PORT}`; write `port: NUMBER`",
    ),
    "a misspelt key of the site": (
        PORT + "\n  host: ${site.ehr.vendr}",
        "7:9 E209 source.host: sites.stm.ehr in routes.yaml has no `vendr`; did you mean `vendor`?",
    ),
    "a whole block of the site": (
        PORT + "\n  host: ${site.ehr}",
        "7:9 E209 source.host: sites.stm.ehr in routes.yaml is a block; name one of its keys (there are: receiving_app, vendor)",
    ),
    "a key below a single value": (
        PORT + "\n  host: ${site.timezone.x}",
        "7:9 E209 source.host: sites.stm.timezone in routes.yaml has no keys of its own, so no `x`",
    ),
    "something else": (
        PORT + "\n  host: ${secret.x}",
        "7:9 E209 source.host: ${secret.x} stands for nothing; only ${site.KEY} and ${env:NAME} do",
    ),
    "nothing": (
        PORT + "\n  host: x${}y",
        "7:9 E209 source.host: ${} stands for nothing; only ${site.KEY} and ${env:NAME} do",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("new", "expected"), PUT_IN.values(), ids=PUT_IN.keys())
def test_what_cannot_be_put_in_is_one_problem_and_shows_no_value(tmp_path: Path, new: str, expected: str) -> None:
    found = problems_of(tmp_path, with_channel(changed(ORU_IN, PORT, new)), {"NOT_A_PORT": "CANARY"})
    assert found == [f"channels/oru-in.yaml:{expected}"]


def test_a_channel_without_a_site_is_told_so(tmp_path: Path) -> None:
    files = with_channel(changed(RECONCILE, "https://fhir.example/r4", '"${site.ehr.base}"'), "reconcile")
    assert problems_of(tmp_path, files) == [
        "channels/reconcile.yaml:8:11 E209 destinations[0].base: "
        "this channel belongs to no site; write `site: NAME` beside `channel:`"
    ]


def test_an_unknown_site_is_one_problem_however_much_of_it_is_used(tmp_path: Path) -> None:
    text = changed(changed(ORU_IN, "site: stm", "site: stn"), PORT, PORT + "\n  host: ${site.ehr.vendor}")
    assert problems_of(tmp_path, with_channel(text)) == [
        "channels/oru-in.yaml:3:7 E310 site: routes.yaml has no site `stn`; did you mean `stm`?"
    ]


def test_sites_themselves_may_take_values_from_the_environment(tmp_path: Path) -> None:
    routes = changed(ROUTES, "MILL", '"${env:APP}"')
    text = changed(ORU_IN, PORT, PORT + "\n  host: ${site.ehr.receiving_app}")
    found = configuration(tmp_path, with_channel(text, **{"routes.yaml": routes}), {"APP": "mill-2"})
    source = found.channels["oru-in"].source
    assert source is not None
    assert settings_of(source).host == "mill-2"
    assert found.sites["stm"].values["ehr"]["receiving_app"] == "mill-2"


def test_what_is_put_in_is_not_searched_for_more_to_put_in(tmp_path: Path) -> None:
    text = changed(ORU_IN, PORT, PORT + "\n  host: ${env:A}")
    source = configuration(tmp_path, with_channel(text), {"A": "${env:B}", "B": "x"}).channels["oru-in"].source
    assert source is not None
    assert settings_of(source).host == "${env:B}"


def test_keys_are_never_put_in(tmp_path: Path) -> None:
    text = changed(ORU_IN, "timezone: site", 'timezone: site\n  - type: set_fields\n    set: {"${env:A}": x}')
    step = configuration(tmp_path, with_channel(text), {"A": "PID-3"}).channels["oru-in"].steps[1]
    assert dict(settings_of(step).set) == {"${env:A}": "x"}
