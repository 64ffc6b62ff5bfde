"""A plugin in full: a transformer that leaves notes and comments (NTE) out of HL7 v2 messages."""

from engine import sdk


class DropNotesSettings(sdk.Settings):
    """`segments: [NTE]` by default."""

    segments: tuple[str, ...] = ("NTE",)


@sdk.transformer("drop_notes", settings=DropNotesSettings, accepts={sdk.Shape.HL7V2}, emits=sdk.Shape.HL7V2)
def drop_notes(message: sdk.Message, settings: DropNotesSettings) -> sdk.Message:
    """Leave out segments that hold free text."""
    unwanted = tuple(f"{name}|".encode("ascii") for name in settings.segments)
    kept = [line for line in message.body.split(b"\r") if not line.startswith(unwanted)]
    return message.but(body=b"\r".join(kept))
