"""The C-CDA R2.1 templates and code systems that both directions use."""

from typing import Final, NamedTuple

CDA: Final = "urn:hl7-org:v3"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
LOINC: Final = "2.16.840.1.113883.6.1"
SNOMED: Final = "2.16.840.1.113883.6.96"
HEADER: Final = ("2.16.840.1.113883.10.20.22.1.1", "2015-08-01")


class Section(NamedTuple):
    """A section with entries required, its organizer and its observation: template roots, with their versions."""

    template: tuple[str, str]
    code: str
    title: str
    organizer: tuple[str, str]
    observation: tuple[str, str]


RESULTS: Final = Section(
    ("2.16.840.1.113883.10.20.22.2.3.1", "2015-08-01"),
    "30954-2",
    "Results",
    ("2.16.840.1.113883.10.20.22.4.1", "2015-08-01"),
    ("2.16.840.1.113883.10.20.22.4.2", "2015-08-01"),
)
VITAL_SIGNS: Final = Section(
    ("2.16.840.1.113883.10.20.22.2.4.1", "2015-08-01"),
    "8716-3",
    "Vital Signs",
    ("2.16.840.1.113883.10.20.22.4.26", "2015-08-01"),
    ("2.16.840.1.113883.10.20.22.4.27", "2014-06-09"),
)
