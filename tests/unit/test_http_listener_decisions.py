"""What the HTTP listener answers, and what its settings refuse."""

import pytest
from pydantic import ValidationError

from connectors.http_listener import HttpListenerSettings, Reply, plugin, reply_to
from engine import sdk


@pytest.mark.parametrize(
    ("verdict", "reply"),
    [
        (sdk.Accepted("m1"), Reply(202, {"id": "m1"})),
        (sdk.Accepted("m1", duplicate=True), Reply(202, {"id": "m1", "duplicate": True})),
        (sdk.Rejected("bad-type", "no"), Reply(422, {"code": "bad-type", "text": "no"})),
        (sdk.Deferred(1.2, "full"), Reply(503, {"code": "try-again", "text": "full"}, {"Retry-After": "2"})),
        (sdk.Deferred(0.0, "full"), Reply(503, {"code": "try-again", "text": "full"}, {"Retry-After": "1"})),
    ],
)
def test_each_verdict_has_its_status(verdict: sdk.Verdict, reply: Reply) -> None:
    assert reply_to(verdict) == reply


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "islet.example"])
def test_a_door_to_the_network_without_a_lock_is_refused(host: str) -> None:
    with pytest.raises(ValidationError, match="allow_anybody: true"):
        HttpListenerSettings(host=host, port=8080)


def test_a_lock_or_plain_words_open_the_door_to_the_network() -> None:
    HttpListenerSettings.model_validate({"host": "0.0.0.0", "port": 8080, "auth": {"bearer": {"secret": "x"}}})
    HttpListenerSettings.model_validate({"host": "0.0.0.0", "port": 8080, "allow_anybody": True})
    tls = {"certificate": "c.pem", "key": "k.pem", "client_ca": "ca.pem"}
    HttpListenerSettings.model_validate({"host": "0.0.0.0", "port": 8080, "tls": tls})


def test_the_setting_shape_is_what_the_channel_gets() -> None:
    assert HttpListenerSettings(port=1, shape="fhir").emitted_shape() is sdk.Shape.FHIR


def test_records_never_come_in_from_outside() -> None:
    with pytest.raises(ValidationError, match="shape"):
        HttpListenerSettings.model_validate({"port": 1, "shape": "records"})


def test_the_port_is_claimed_unless_any_free_one_will_do() -> None:
    assert HttpListenerSettings(port=8080).claims() == ["tcp port 8080"]
    assert HttpListenerSettings(port=0).claims() == []


@pytest.mark.parametrize("path", ["in", "/in?x=1", "/in#x", "/a b", ""])
def test_a_path_with_more_than_a_path_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="path"):
        HttpListenerSettings(port=1, path=path)


def test_the_plugin_can_be_found_by_its_name() -> None:
    assert (plugin.name, plugin.kind.value, plugin.settings) == ("http_listener", "source", HttpListenerSettings)
