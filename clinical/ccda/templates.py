"""The C-CDA R2.1 templates and code systems that both directions use.

Roots, versions and codes as the Continuity of Care Document's constraints name them (CONF:1198-8450, -30662, -30664,
-30666, -30670, -30688, -30690) and those of the organizers (CONF:1198-32741 to -32746) in HL7's own definitions of the
templates, repository HL7/CDA-ccda.
"""

from typing import Final, NamedTuple

CDA: Final = "urn:hl7-org:v3"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
LOINC: Final = "2.16.840.1.113883.6.1"
SNOMED: Final = "2.16.840.1.113883.6.96"

Template = tuple[str, str]
"""Root and version (`extension`)."""

HEADER: Final[Template] = ("2.16.840.1.113883.10.20.22.1.1", "2015-08-01")
CCD: Final[Template] = ("2.16.840.1.113883.10.20.22.1.2", "2015-08-01")

VITAL_SIGNS_CODE: Final = ("46680005", SNOMED, "Vital signs")
VITAL_SIGNS_TRANSLATION: Final = (
    "74728-7",
    LOINC,
    "Vital signs, weight, height, head circumference, oximetry, BMI, and BSA panel - HL7.CCDAr1.1",
)
"""A vital signs organizer has both (CONF:1198-32741, -32744)."""


class Section(NamedTuple):
    """A section with entries required, its organizer and its observation."""

    template: Template
    code: str
    title: str
    organizer: Template
    observation: Template


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


class SilentSection(NamedTuple):
    """A section that a CCD must have and of which we have no information."""

    template: Template
    code: str
    title: str


ALLERGIES: Final = SilentSection(("2.16.840.1.113883.10.20.22.2.6.1", "2015-08-01"), "48765-2", "Allergies")
MEDICATIONS: Final = SilentSection(("2.16.840.1.113883.10.20.22.2.1.1", "2014-06-09"), "10160-0", "Medications")
PROBLEMS: Final = SilentSection(("2.16.840.1.113883.10.20.22.2.5.1", "2015-08-01"), "11450-4", "Problems")
SOCIAL_HISTORY: Final = SilentSection(("2.16.840.1.113883.10.20.22.2.17", "2015-08-01"), "29762-2", "Social History")
