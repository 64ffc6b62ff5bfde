"""The tests that ship with the channels: all there, all run, all pass."""

from collections import Counter

import pytest

from engine.cli.readings import GlucoseWords
from engine.config.loader import load
from engine.plugins.registry import discover
from engine.testing.channel_tests.files import Case
from engine.testing.channel_tests.runner import Result, read_tests, run_all
from tests.integration.channels.shipped import ROOT, configuration

COUNTS = {
    "agp-fhir-out": 4,
    "apple-health-in": 4,
    "carelink-csv-in": 3,
    "carelink-json-in": 3,
    "ccda-in": 4,
    "ccda-out": 5,
    "clarity-csv-in": 6,
    "dexcom-events-in": 3,
    "dexcom-in": 8,
    "dexcom-share-in": 2,
    "eversense-in": 3,
    "fhir-in": 9,
    "fhir-out": 9,
    "fhir-patients-in": 6,
    "fitbit-files-in": 3,
    "fitbit-in": 3,
    "glooko-in": 3,
    "glucose-alerts": 3,
    "health-auto-export-in": 3,
    "health-connect-in": 3,
    "hypertension": 2,
    "librelinkup-in": 4,
    "inbox-in": 6,
    "libreview-csv-in": 3,
    "mapped-csv-in": 3,
    "nightscout-in": 5,
    "nightscout-site-in": 3,
    "nightscout-v3-in": 3,
    "novopen-in": 2,
    "open-mhealth-in": 3,
    "oru-out": 8,
    "outcomes": 6,
    "outcomes-ccda-out": 2,
    "outcomes-check": 1,
    "outcomes-due": 1,
    "outcomes-fhir-out": 2,
    "outcomes-oru-out": 4,
    "reconcile": 9,
    "stm-adt-in": 8,
    "stm-oru-in": 16,
    "tandem-events-in": 3,
    "tconnect-csv-in": 3,
    "tidepool-in": 4,
    "weight": 2,
}
REGISTRY = discover()
CONFIGURATION = configuration(REGISTRY)
READ = read_tests(CONFIGURATION, REGISTRY, GlucoseWords())


def test_the_shipped_configuration_loads_without_any_environment() -> None:
    loaded = load(ROOT, REGISTRY, {})
    assert loaded.configuration is not None
    assert {problem.code for problem in loaded.problems} <= {"W208"}  # secrets have no values where tests run


def test_every_shipped_channel_has_its_tests() -> None:
    assert (list(READ.problems), list(READ.without)) == ([], [])
    assert Counter(case.channel for case in READ.cases) == COUNTS


@pytest.mark.parametrize("channel", COUNTS)
def test_the_tests_of_a_channel_pass(channel: str) -> None:
    cases: list[Case] = [case for case in READ.cases if case.channel == channel]
    results: list[Result] = run_all(cases, CONFIGURATION, REGISTRY, GlucoseWords())
    assert len(results) == COUNTS[channel]
    assert [(result.name, list(result.failures)) for result in results if result.failures] == []
