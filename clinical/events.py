"""One vocabulary for what devices do and say, and the way from a vendor's word to it.

`DeviceEvent.event` is one of `WORDS`; `original.code` stays the vendor's own. A word that a vendor's table
(`clinical.vendors.event_tables`) does not know becomes `unmapped`: nothing is guessed, nothing is lost.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from clinical.records import AnyRecord, DeviceEvent

UNMAPPED: Final = "unmapped"

WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # --- the sensor
        "warm-up": "a new sensor is not ready yet",
        "sensor-start": "a sensor session began",
        "sensor-stop": "a sensor session was ended",
        "sensor-expiring": "a sensor session ends soon",
        "sensor-expired": "a sensor session ran its full time",
        "sensor-failed": "a sensor broke before its time",
        "sensor-error": "a sensor gives no value for a while",
        "calibration": "a meter's value was entered to calibrate",
        "calibration-needed": "the device asks for a calibration",
        "calibration-error": "a calibration was refused",
        "signal-loss": "no signal from the sensor or transmitter",
        "signal-restored": "the signal is back",
        "out-of-range": "the display is too far from the transmitter",
        "transmitter-error": "a transmitter is faulty",
        "transmitter-low-battery": "a transmitter's battery runs low",
        "transmitter-expired": "a transmitter's life is over",
        # --- alerts about glucose
        "alert-low": "glucose is below the low limit",
        "alert-urgent-low": "glucose is below the urgent limit (55 mg/dL on most devices)",
        "alert-urgent-low-soon": "glucose is about to be below the urgent limit",
        "alert-predicted-low": "glucose is about to be below the low limit",
        "alert-high": "glucose is above the high limit",
        "alert-predicted-high": "glucose is about to be above the high limit",
        "alert-rise": "glucose rises fast",
        "alert-fall": "glucose falls fast",
        "alert-no-readings": "there were no readings for a while",
        # --- the pump
        "pump-suspend": "insulin was stopped, by a person or a pump's alarm",
        "pump-suspend-low": "insulin was stopped by the pump since glucose was low",
        "pump-suspend-predicted-low": "insulin was stopped by the pump since glucose was about to be low",
        "pump-resume": "insulin goes on",
        "occlusion": "the tube or the cannula is blocked",
        "no-delivery": "insulin could not be given",
        "low-reservoir": "little insulin is left",
        "empty-reservoir": "no insulin is left",
        "reservoir-change": "a reservoir, cartridge or pod was changed",
        "reservoir-error": "a reservoir or cartridge is missing or faulty",
        "infusion-set-change": "the infusion set was changed",
        "priming": "a tube or cannula was filled",
        "rewind": "the piston was drawn back",
        "pod-start": "a patch pump was activated",
        "pod-expired": "a patch pump ran its full time",
        "low-battery": "a battery runs low",
        "empty-battery": "a battery is empty",
        "battery-change": "a battery was changed",
        "pump-error": "the pump found a fault in itself or its surroundings",
        "auto-off": "the pump stopped since nobody touched it",
        "over-limit": "more insulin was asked for than is allowed",
        "incomplete-task": "a bolus, temporary rate, fill or setting was begun and not finished",
        # --- the algorithm
        "algorithm-on": "the algorithm doses",
        "algorithm-off": "the algorithm does not dose",
        "algorithm-limited": "the algorithm doses without the sensor, within narrow limits",
        "temporary-target": "another glucose target for a while: exercise, sleep, a meal soon",
        # --- everything else
        "settings-change": "settings or profiles were changed",
        "clock-change": "the device's clock was set",
        "device-paired": "a device was joined to another",
        "connection-lost": "two devices lost each other",
        "reminder": "a reminder that a person had set",
        UNMAPPED: "the vendor's word is not known; see original.code",
    }
)
"""Each word, and what it means."""


class EventTable:
    """One vendor's words. Capitals, spaces, hyphens and underscores do not count: `URGENT_LOW` is `urgentLow`."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = MappingProxyType({plain(theirs): ours for theirs, ours in words.items()})
        unknown = sorted(set(self._words.values()) - WORDS.keys())
        if unknown:
            raise ValueError(f"not in the vocabulary of events: {', '.join(unknown)}")

    def word(self, said: str | int | None) -> str:
        """Our word for the vendor's, `unmapped` if it is not known."""
        return self._words.get(plain(str(said)), UNMAPPED) if said is not None else UNMAPPED

    def __contains__(self, said: str | int) -> bool:
        return plain(str(said)) in self._words


def plain(said: str) -> str:
    """A vendor's word without what vendors write one way or another: capitals, spaces, hyphens, underscores."""
    return "".join(sign for sign in said.casefold() if sign.isalnum())


def unmapped(records: Iterable[AnyRecord]) -> int:
    """How many of these are events that no table knows."""
    return sum(isinstance(record, DeviceEvent) and record.event == UNMAPPED for record in records)
