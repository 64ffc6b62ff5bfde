"""Exports of Apple Health made up for tests."""

from collections.abc import Sequence

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE HealthData [\n<!ELEMENT broken (as in real exports\n]>\n'
ME = '<Me HKCharacteristicTypeIdentifierDateOfBirth="CANARY-1990-02-02"/>'
NAME = "CANARY’s iPhone"


def a_sample(
    kind: str,
    value: str,
    unit: str,
    *,
    start: str = "2026-03-01 10:00:00 +0200",
    end: str | None = None,
    source: str = NAME,
    notes: Sequence[tuple[str, str]] = (),
    created: str = "2026-03-01 10:00:01 +0200",
) -> str:
    inside = "".join(f'<MetadataEntry key="{key}" value="{text}"/>' for key, text in notes)
    device = f"&lt;&lt;HKDevice: 0x28&gt;, name:{NAME}, manufacturer:Apple, model:Watch, hardware:Watch2,4&gt;"
    return (
        f'<Record type="HKQuantityTypeIdentifier{kind}" sourceName="{source}" device="{device}" unit="{unit}" '
        f'creationDate="{created}" startDate="{start}" endDate="{end or start}" value="{value}">{inside}</Record>'
    )


def an_export(*elements: str, head: str = HEAD) -> bytes:
    lines = "\n".join((ME, *elements))
    return f'{head}<HealthData locale="en_IE">\n{lines}\n</HealthData>\n'.encode()


def a_pressure(high: str, low: str) -> str:
    """As in an export: each half by itself, and both again in a Correlation."""
    halves = a_sample("BloodPressureSystolic", high, "mmHg") + a_sample("BloodPressureDiastolic", low, "mmHg")
    return f'{halves}<Correlation type="HKCorrelationTypeIdentifierBloodPressure">{halves}</Correlation>'
