"""`recognise`: says what a file or body is, and stops what is something else."""

from clinical.vendors.parsing import Unreadable
from clinical.vendors.sniff import sniff
from engine import sdk
from transformers.vendor_readings import refuse


class RecogniseSettings(sdk.Settings):
    """`only`: steps whose formats may pass, such as [nightscout_to_records]; without it every known format may."""

    only: tuple[str, ...] = ()


@sdk.transformer("recognise", settings=RecogniseSettings)
def recognise(message: sdk.Message, settings: RecogniseSettings) -> sdk.Message:
    """The message as it is, with what it was found to be in its meta `format`.

    Raises InvalidMessage for a body of no known format, with the nearest, and for one that another step reads.
    """
    try:
        found = sniff(message.body)
    except Unreadable as unreadable:
        refuse(unreadable)
    if settings.only and found.step not in settings.only:
        remedy = f"it is read by {found.step}: put it where that step is" if found.step else "no step reads it"
        raise sdk.InvalidMessage(f"this is {found.name}, which is not wanted here; {remedy}", code="format-unwanted")
    return message.but(meta={"format": found.name})
