"""Tidepool's words for what happens to devices."""

from typing import Final

from clinical.events import EventTable

AUTOMATIC: Final = "automated"

_ALARMS: Final = EventTable(
    {
        "low_insulin": "low-reservoir",
        "no_insulin": "empty-reservoir",
        "low_power": "low-battery",
        "no_power": "empty-battery",
        "occlusion": "occlusion",
        "no_delivery": "no-delivery",
        "auto_off": "auto-off",
        "over_limit": "over-limit",
        "CGM.lowGlucose": "alert-low",
        "CGM.urgentLow": "alert-urgent-low",
        "CGM.highGlucose": "alert-high",
    }
)
_STATUS: Final = EventTable({"suspended": "pump-suspend", "resumed": "pump-resume"})
_EVENTS: Final = EventTable(
    {
        "calibration": "calibration",
        "prime": "priming",
        "reservoirChange": "reservoir-change",
        "timeChange": "clock-change",
        "settingsChange": "settings-change",
        "pumpSettingsOverride": "temporary-target",
        "suspend": "pump-suspend",
    }
)
_SENSOR: Final = EventTable(
    {
        "start": "sensor-start",
        "started": "sensor-start",
        "stop": "sensor-stop",
        "stopped": "sensor-stop",
        "expired": "sensor-expired",
        "failed": "sensor-failed",
    }
)


def event_of(kind: str, sub: str, name: str | None, status: str | None) -> tuple[str, str]:
    """Our word, `unmapped` for one that is not known, and the device's own: `deviceEvent/alarm/occlusion`."""
    said = name if sub in ("alarm", "sensorEvent") or kind == "alert" else status if sub == "status" else None
    table = _ALARMS if kind == "alert" or sub == "alarm" else _SENSOR if sub == "sensorEvent" else _STATUS
    return (table if said is not None else _EVENTS).word(said or sub), "/".join(
        part for part in (kind, sub, said) if part
    )
