"""What OBX-11 makes of a result (HL7 table 0085), as the HL7 v2-to-FHIR guide 1.0.0 maps it where it does."""

from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.segment import Segment
from clinical.hl7v2.values import has_value
from clinical.records import Status

RESULT_STATUS = 11

_STATUS = {
    "F": Status.FINAL,
    "C": Status.CORRECTED,
    "A": Status.AMENDED,
    "P": Status.PRELIMINARY,
    "S": Status.PRELIMINARY,
    "D": Status.ENTERED_IN_ERROR,
    "W": Status.ENTERED_IN_ERROR,
    "": Status.FINAL,  # the standard's own default in the versions that had one
}
_WITHOUT_RESULT = {
    "X": "no result, or a row about the device",
    "I": "result pending",
    "N": "not asked for",
    "O": "order detail only",
}

REPLACES = frozenset({Status.CORRECTED, Status.AMENDED, Status.ENTERED_IN_ERROR})
"""States that change what was sent before."""


def no_result(obx: Segment) -> str | None:
    """Why an OBX carries no result; None if it does or should."""
    return None if has_value(obx) else _WITHOUT_RESULT.get(_code(obx))


def status_of(obx: Segment, not_verified: Status) -> Status:
    """The record's status. `not_verified` is what R (entered, not verified) means: devices send it for every value.

    Raises Hl7Error with the path inside the segment for a status that says nothing about the value sent with it.
    """
    code = _code(obx)
    if code == "R":
        return not_verified
    found = _STATUS.get(code)
    if found is None:
        raise Hl7Error(
            "the result status is none that a reading can have; send F, P, R, C, A, D or W",
            str(RESULT_STATUS),
            "result-status",
        )
    return found


def _code(obx: Segment) -> str:
    return obx.leaf(RESULT_STATUS).strip().upper()
