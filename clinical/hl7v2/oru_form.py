"""How one receiver wants its messages."""

from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

OUR_NAMESPACE = "ISLET"


@dataclass(frozen=True, slots=True)
class OruForm:
    """How one receiver wants its messages.

    HD fields (applications, facilities) may have components, written `name^universal id^type`. `unit`: a UCUM unit,
    None as received. `assigner` is written to PID-3.4; unless `our_identifier`, a patient must be named by it.
    `by_reading`: an OBR for each reading instead of one for each analyte and day. `withdrawn`: OBX-11 of readings
    entered in error, D (delete) or W (wrong).
    """

    zone: ZoneInfo
    sending_application: str = OUR_NAMESPACE
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    version: str = "2.5.1"
    processing: str = "P"
    unit: str | None = None
    assigner: str | None = None
    identifier_type: str = "MR"
    our_identifier: bool = False
    by_reading: bool = False
    withdrawn: Literal["D", "W"] = "D"

    @property
    def release(self) -> tuple[int, int]:
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)
