"""Every plugin that is installed can be written in a channel file, and editors know its settings."""

from typing import Any

import jsonschema_rs
import pytest

from engine.config.documents import DestinationKeys
from engine.config.examples import SchemaAt, keys_of
from engine.config.schema import channel_schema
from engine.plugins.plugin import Plugin, PluginKind
from engine.plugins.registry import discover

PLUGINS = sorted((plugin for plugin in discover() if plugin.kind is not PluginKind.FIELDS), key=lambda one: one.name)


@pytest.mark.parametrize("plugin", PLUGINS, ids=[f"{plugin.kind} {plugin.name}" for plugin in PLUGINS])
def test_no_setting_takes_a_key_of_the_engine(plugin: Plugin[Any]) -> None:
    taken = {"type"} | (keys_of(DestinationKeys) if plugin.kind is PluginKind.DESTINATION else frozenset())
    assert taken & keys_of(plugin.settings) == set()


@pytest.mark.parametrize("plugin", PLUGINS, ids=[f"{plugin.kind} {plugin.name}" for plugin in PLUGINS])
def test_there_is_an_example_for_each_setting_that_must_be_there(plugin: Plugin[Any]) -> None:
    settings = plugin.settings
    for name, field in settings.model_fields.items():
        if field.is_required():
            assert SchemaAt.of(settings, [field.alias or name]).example() != "VALUE"


def test_the_schema_of_all_of_them_together_is_json_schema() -> None:
    jsonschema_rs.meta.validate(channel_schema(discover()))
