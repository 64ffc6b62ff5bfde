"""Devices as an Observation names them."""

from typing import Any

from clinical.records import Device

CONTAINED_ID = "device"


def device_name(device: Device) -> str | None:
    """What people call it: vendor and model, as the source says them."""
    model = device.model or device.generation
    words = [word for word in (device.vendor, model) if word]
    if len(words) == 2 and words[1].lower().startswith(words[0].lower()):
        words = words[1:]  # "Dexcom" + "Dexcom G7"
    return " ".join(words) or None


def device_resource(device: Device) -> dict[str, Any] | None:
    """A Device to be contained in what it measured, or None if the source says nothing about it.

    Names and serial number stand where the CGM guide's Device profile wants them.
    """
    resource: dict[str, Any] = {"resourceType": "Device", "id": CONTAINED_ID}
    if device.serial:
        resource["identifier"] = [{"value": device.serial}]
    if device.udi:
        resource["udiCarrier"] = [{"carrierHRF" if device.udi.startswith("(") else "deviceIdentifier": device.udi}]
    if device.vendor:
        resource["manufacturer"] = device.vendor
    if device.serial:
        resource["serialNumber"] = device.serial
    if model := device.model or device.generation:
        resource["modelNumber"] = model
    if name := device_name(device):
        resource["deviceName"] = [{"name": name, "type": "user-friendly-name"}]
    return resource if len(resource) > 2 else None


def device_reference(device: Device) -> dict[str, Any] | None:
    """A logical reference: the device's identifier and name, without a resource behind it."""
    reference: dict[str, Any] = {}
    value = device.udi or device.serial
    if value:
        reference = {"type": "Device", "identifier": {"value": value}}
    if name := device_name(device):
        reference["display"] = name
    return reference or None
