"""Devices as the resources that they made name them."""

import re
from functools import lru_cache
from typing import Any, Literal

from clinical.records import Device

CONTAINED_ID = "device"
Release = Literal["R4", "R5"]

_GS1 = re.compile(r"\(01\)(\d{14})")
_GS1_ISSUER = "http://hl7.org/fhir/NamingSystem/gs1-di"
_HIBC = re.compile(r"\+([A-Z]\d{0,3}[A-Z0-9]{1,18})")
_HIBC_ISSUER = "http://hl7.org/fhir/NamingSystem/hibcc"
UDI_TYPE = {
    "coding": [
        {"system": "http://hl7.org/fhir/identifier-type", "code": "UDI", "display": "Universal Device Identifier"}
    ]
}


def device_name(device: Device) -> str | None:
    """What people call it: vendor and model, as the source says them."""
    model = device.model or device.generation
    words = [word for word in (device.vendor, model) if word]
    if len(words) == 2 and words[1].lower().startswith(words[0].lower()):
        words = words[1:]  # "Dexcom" + "Dexcom G7"
    return " ".join(words) or None


@lru_cache(maxsize=1024)
def device_resource(device: Device, release: Release = "R4") -> dict[str, Any] | None:
    """A Device to be contained in what it measured, or None if the source says nothing about it. Read-only: shared.

    Names and serial number stand where the CGM guide's Device profile wants them. R5 wants a UDI's device identifier
    and issuer apart: one that does not show them becomes an identifier there.
    """
    resource: dict[str, Any] = {"resourceType": "Device", "id": CONTAINED_ID}
    identifiers: list[dict[str, Any]] = [{"value": device.serial}] if device.serial else []
    if device.udi:
        carrier = _carrier(device.udi)
        if release == "R4" or {"deviceIdentifier", "issuer"} <= carrier.keys():
            resource["udiCarrier"] = [carrier]
        else:
            identifiers.append({"type": UDI_TYPE, "value": device.udi})
    if identifiers:
        resource["identifier"] = identifiers
    if device.vendor:
        resource["manufacturer"] = device.vendor
    if device.serial:
        resource["serialNumber"] = device.serial
    if model := device.model or device.generation:
        resource["modelNumber"] = model
    if name := device_name(device):
        key, field = ("deviceName", "name") if release == "R4" else ("name", "value")
        resource[key] = [{field: name, "type": "user-friendly-name"}]
    return resource if len(resource) > 2 else None


def _carrier(udi: str) -> dict[str, str]:
    """A UDI as its carrier shows it to people, with the part that names the kind of device (GS1, HIBC)."""
    for shape, issuer in ((_GS1, _GS1_ISSUER), (_HIBC, _HIBC_ISSUER)):
        if found := shape.match(udi):
            return {"deviceIdentifier": found[1], "issuer": issuer, "carrierHRF": udi}
    return {"carrierHRF" if udi.startswith("(") else "deviceIdentifier": udi}


def device_reference(device: Device) -> dict[str, Any] | None:
    """A logical reference: the device's identifier and name, without a resource behind it."""
    reference: dict[str, Any] = {}
    value = device.udi or device.serial
    if value:
        reference = {"type": "Device", "identifier": {"value": value}}
    if name := device_name(device):
        reference["display"] = name
    return reference or None
