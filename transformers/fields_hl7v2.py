"""How conditions look into HL7 v2 messages: `MSH-9.2`, `OBX-3.1`, `OBX[2]-5`, `PID-3[1].4.2`."""

from collections.abc import Sequence

from clinical.hl7v2 import Hl7Error, Message, parse, parse_path
from clinical.hl7v2.header import end_of_first_segment, start_of
from engine import sdk


class Hl7v2Fields:
    """Values by path. Without an index a path means every segment of that name and every repetition.

    A leaf is un-escaped; what has parts (`MSH-9`, `PID-3`) is given as it stands in the message. A value that the
    sender deleted reads `""` in quotes; one that is empty is left out.
    """

    def check(self, path: str) -> str | None:
        try:
            parsed = parse_path(path)
        except Hl7Error as error:
            return error.text
        return None if parsed.field is not None else f"{path!r} names a whole segment; write a field, such as OBX-3.1"

    def values(self, message: sdk.Message, path: str) -> Sequence[str]:
        try:
            found = _opened(message.body, header_only=path.startswith("MSH-")).values(path)
        except Hl7Error as error:
            raise sdk.InvalidMessage(error.text, code=error.code, path=error.path) from None
        return [value for value in found if value]


def _opened(body: bytes, *, header_only: bool) -> Message:
    """The header is all that most conditions ask for, and the rest of a message may be long."""
    if not header_only:
        return parse(body)
    start = start_of(body)
    return parse(body[start : end_of_first_segment(body, start)])


fields = sdk.field_reader("hl7v2", Hl7v2Fields, accepts={sdk.Shape.HL7V2})
