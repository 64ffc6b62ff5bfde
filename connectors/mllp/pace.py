"""How fast a receiver is sent to: a pause between messages where it needs one, and longer ones while it says AR."""

from typing import Final

from engine import sdk

_FIRST_REST_SECONDS: Final = 1.0
_LONGEST_REST_SECONDS: Final = 60.0


class Pace:
    """One for all connections to a receiver.

    A receiver that is down or full says AR to everything that it is sent. Each of those messages has a back-off of its
    own, but there is always another one: so from the second AR in a row on nothing is sent for a second, two, four, up
    to a minute, until there is another answer.
    """

    def __init__(self, clock: sdk.Clock, pause_seconds: float) -> None:
        self._clock = clock
        self._pause = pause_seconds
        self._not_before = 0.0
        self._rejections = 0

    async def turn(self) -> None:
        """Return when the next message may go."""
        while (wait := self._not_before - self._clock.monotonic()) > 0:
            await self._clock.sleep(wait)
        self._rest(self._pause)

    def answered(self, code: str) -> None:
        """An answer came with this MSA-1."""
        self._rejections = self._rejections + 1 if code == "AR" else 0
        if self._rejections > 1:
            self._rest(min(_LONGEST_REST_SECONDS, _FIRST_REST_SECONDS * 2 ** min(self._rejections - 2, 10)))

    def _rest(self, seconds: float) -> None:
        if seconds:
            self._not_before = max(self._not_before, self._clock.monotonic() + seconds)
