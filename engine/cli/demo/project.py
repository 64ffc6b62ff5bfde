"""The demo's project folder: the channels that ship with Islet, pointed at the simulators and told to hurry."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from engine.config.problems import Report
from engine.config.tree import MapNode, parse, plain
from engine.shipped import shipped

_CHANNELS = ("dexcom-in", "stm-oru-in", "reconcile", "fhir-out", "oru-out")
_SITE = "stm"


def write_project(folder: Path, accounts: Mapping[str, str], *, cloud: str, fhir: str, receiver_port: int) -> None:
    """Write `channels/` and `routes.yaml`.

    `accounts`: name of the cloud account → the hospital's number of its owner. Only addresses, accounts and waiting
    times differ from what ships.
    """
    shutil.copytree(shipped("channels") / "tables", folder / "channels" / "tables")
    for name in _CHANNELS:
        channel = _read(shipped("channels") / f"{name}.yaml")
        _hurry(channel, accounts)
        _write(folder / "channels" / f"{name}.yaml", channel)
    routes = _read(shipped("routes.yaml"))
    routes["routes"] = {
        feeder: [name for name in fed if name in _CHANNELS]
        for feeder, fed in routes["routes"].items()
        if feeder in _CHANNELS
    }
    site = routes["sites"][_SITE]
    site["ehr"] |= {"fhir_base": fhir, "host": "127.0.0.1", "port": receiver_port}
    site["values"] |= {"mllp_host": "127.0.0.1", "dexcom_base": cloud}
    _write(folder / "routes.yaml", routes)


def _hurry(channel: dict[str, Any], accounts: Mapping[str, str]) -> None:
    """In place: a free port, the people of the demo, and seconds where a hospital has minutes."""
    source = channel["source"]
    if channel["channel"] == "stm-oru-in":
        source["port"] = 0
    elif channel["channel"] == "dexcom-in":
        source |= {"every": "1s", "start": "7d", "overlap": "10m", "data": ["egvs"]}
        source["accounts"] = [
            {
                "name": name,
                "patient": {"system": "STM", "value": number},
                "refresh_token": {"secret": f"dexcom-{name}"},
            }
            for name, number in accounts.items()
        ]
    for destination in channel.get("destinations", ()):
        destination["retry"] = {"attempts": 10, "first_wait": "200ms", "longest_wait": "1s"}
        destination["circuit_breaker"] = {"failures": 3, "try_again_in": "1s"}


def _read(file: Path) -> dict[str, Any]:
    tree = parse(file.read_text(encoding="utf-8"), file, Report())
    assert isinstance(tree, MapNode), f"{file} is not as it was shipped"
    read: dict[str, Any] = plain(tree)
    return read


def _write(file: Path, document: Mapping[str, Any]) -> None:
    file.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")


def write_secrets(folder: Path, secrets: Mapping[str, str]) -> None:
    """One file for each secret, readable for its owner only."""
    folder.mkdir(mode=0o700)
    for name, value in secrets.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(value, encoding="utf-8")
