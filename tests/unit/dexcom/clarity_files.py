"""Clarity exports made up for tests, in the shapes that have been seen."""

from collections.abc import Sequence

COLUMNS = (
    "Index",
    "Timestamp (YYYY-MM-DDThh:mm:ss)",
    "Event Type",
    "Event Subtype",
    "Patient Info",
    "Device Info",
    "Source Device ID",
    "Glucose Value (mg/dL)",
    "Insulin Value (u)",
    "Carb Value (grams)",
    "Duration (hh:mm:ss)",
    "Glucose Rate of Change (mg/dL/min)",
    "Transmitter Time (Long Integer)",
    "Transmitter ID",
)
PREAMBLE = (
    ("", "FirstName", "", "CANARY-Erika", "", "", "", "", "", "", "", ""),
    ("", "LastName", "", "CANARY-Muster", "", "", "", "", "", "", "", ""),
    ("", "PatientIdentifier", "", "MRN-77", "", "", "", "", "", "", "", ""),
    ("", "DateOfBirth", "", "CANARY-1970-01-01", "", "", "", "", "", "", "", ""),
    ("", "Device", "", "", "Dexcom G6 Mobile App", "iPhone G6", "", "", "", "", "", ""),
    ("", "Alert", "High", "", "", "iPhone G6", "251", "", "", "", "", "", ""),
    ("", "Alert", "Low", "", "", "iPhone G6", "64", "", "", "", "", "", ""),
    ("", "Alert", "Signal Loss", "", "", "iPhone G6", "", "", "", "0:20:00", "", "", ""),
    ("", "Alert", "Urgent Low Soon", "", "", "iPhone G6", "55", "", "", "", "", "", ""),
)


def an_egv(
    time: str, value: str = "101", ticks: str = "", transmitter: str = "", device: str = "iPhone G6"
) -> tuple[str, ...]:
    return (time, "EGV", "", "", "", device, value, "", "", "", "", ticks, transmitter)


def a_file(
    rows: Sequence[Sequence[str]],
    *,
    columns: Sequence[str] = COLUMNS,
    preamble: Sequence[Sequence[str]] = PREAMBLE,
    newline: str = "\r\n",
    delimiter: str = ",",
) -> bytes:
    """Rows without their index; cells are cut to the number of columns."""
    lines = [list(columns)]
    lines += [[str(number), *row][: len(columns)] for number, row in enumerate((*preamble, *rows), start=1)]
    return "".join(delimiter.join(line) + newline for line in lines).encode()


FIRST_LINE = len(PREAMBLE) + 2
"""Line of the first row after the preamble."""
