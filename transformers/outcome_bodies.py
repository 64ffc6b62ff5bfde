"""Bodies of messages that carry issued outcomes."""

import msgspec

from clinical.issued import IssuedOutcome, decode
from engine import sdk


def read_outcomes(body: bytes) -> tuple[IssuedOutcome, ...]:
    """Raises InvalidMessage for a body that is no set of outcomes."""
    try:
        return decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise sdk.InvalidMessage(
            "the body is no set of outcomes; put `outcomes` before this step", code="outcomes", detail=str(error)
        ) from None
