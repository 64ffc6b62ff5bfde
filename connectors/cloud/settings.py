"""What the settings of sources that ask a cloud have in common."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from connectors.cloud.windows import Reach
from engine import sdk

HISTORY = "An answer about a time before that is a backfill: it travels in the batch lane, behind what is live"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def safe_address(value: str) -> str:
    """The address without a slash at its end. Raises ValueError that says what to write."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not a web address; write one such as https://api.dexcom.eu")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("must be https: tokens travel there (http is for a simulator on this machine)")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be an address only, without user, ? or #")
    return value.rstrip("/")


class Patient(sdk.Settings):
    """Whose account it is: `value` is the identifier that `system` gave out."""

    system: str = Field(min_length=1)
    value: str = Field(min_length=1, repr=False)


class CloudSettings(sdk.Settings):
    """How often, how far, how fast."""

    every: sdk.Duration = Field(300.0, description="How often each account is asked")
    window: sdk.Duration = Field(86_400.0, description="Asked for at once")
    start: sdk.Duration = Field(7 * 86_400.0, description="How far back to begin with a new account")
    overlap: sdk.Duration = Field(10_800.0, description="How much before the newest is asked for again: late data")
    history: sdk.Duration = Field(86_400.0, ge=0, description=HISTORY)
    rate_limit: sdk.Rate = Field(1.0, description="Calls of this channel at most")
    timeout: sdk.Duration = Field(30.0, description="For one whole call")
    largest: sdk.Size = Field(64 * 1000**2, description="The biggest answer that is taken")

    def reach(self) -> Reach:
        return Reach(
            window=timedelta(seconds=self.window),
            start=timedelta(seconds=self.start),
            overlap=timedelta(seconds=self.overlap),
            history=timedelta(seconds=self.history),
        )

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if not 0 <= self.overlap < self.window:
            raise ValueError("overlap must be shorter than window, or nothing new would ever be reached")
        if self.every < 1 or self.timeout <= 0 or self.start <= 0 or self.rate_limit <= 0:
            raise ValueError("every must be 1s at least; timeout, start and rate_limit more than nothing")
        return self


def named_once(names: Sequence[str]) -> None:
    """Raises ValueError if two accounts have one name."""
    if twice := sorted({name for name in names if list(names).count(name) > 1}):
        raise ValueError(f"two accounts are called {twice[0]}: each needs a name of its own")
