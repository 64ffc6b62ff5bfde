"""What a channel may say about its Dexcom accounts."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from connectors.cloud.settings import HISTORY, Patient, safe_address
from connectors.cloud.windows import Reach
from engine import sdk

LONGEST_WINDOW_SECONDS = 30 * 86400.0
"""Dexcom answers at most 30 days in one request."""

_HOSTS = {
    "us": "https://api.dexcom.com",
    "eu": "https://api.dexcom.eu",
    "jp": "https://api.dexcom.jp",
    "sandbox": "https://sandbox-api.dexcom.com",
}


class AccountSettings(sdk.Settings):
    """One person's Dexcom account, for which they have given consent."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="A label of yours; logs and cursors show it")
    patient: Patient
    refresh_token: sdk.Secret | None = Field(
        None, description="Of a consent got elsewhere; without it: `islet accounts connect`"
    )


class DexcomSettings(sdk.Settings):
    """Settings of the `dexcom` source."""

    region: Literal["us", "eu", "jp", "sandbox"] | None = Field(None, description="Where the accounts live")
    base_url: Annotated[str, AfterValidator(safe_address)] | None = Field(None, description="Instead of region")
    client_id: sdk.Secret
    client_secret: sdk.Secret
    accounts: tuple[AccountSettings, ...] = Field(min_length=1)
    data: tuple[Literal["egvs", "events", "calibrations", "alerts"], ...] = Field(
        ("egvs",), min_length=1, description="What each account is asked for"
    )
    every: sdk.Duration = Field(300.0, description="How often each account is asked")
    window: sdk.Duration = Field(
        LONGEST_WINDOW_SECONDS, description="Asked for at once, 30d at most; uploads later than that are missed"
    )
    start: sdk.Duration = Field(LONGEST_WINDOW_SECONDS, description="How far back to begin with a new account")
    overlap: sdk.Duration = Field(10800.0, description="How much before the newest reading is asked for again")
    events_overlap: sdk.Duration = Field(
        7 * 86400.0, description="The same for all but egvs: people change and delete what they entered"
    )
    history: sdk.Duration = Field(86_400.0, ge=0, description=HISTORY)
    rate_limit: sdk.Rate = Field(60000 / 3600, description="Calls of this channel at most")
    timeout: sdk.Duration = Field(30.0, description="For one whole call")
    largest: sdk.Size = Field(64 * 1000**2, description="The biggest answer that is taken")

    @property
    def address(self) -> str:
        """The base of every URL, without a slash at the end."""
        return self.base_url or _HOSTS[self.region or "eu"]

    @property
    def asks_more(self) -> bool:
        """Is anything asked for but EGVs?"""
        return any(kind != "egvs" for kind in self.data)

    def reach(self, kind: str) -> Reach:
        """How far this kind of data is looked for."""
        overlap = self.overlap if kind == "egvs" else self.events_overlap
        spans = (self.window, self.start, overlap, self.history)
        return Reach(*(timedelta(seconds=span) for span in spans))

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.region is None) == (self.base_url is None):
            raise ValueError("needs either region (us, eu, jp or sandbox) or base_url")
        return self

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if not 0 < self.window <= LONGEST_WINDOW_SECONDS:
            raise ValueError("window must be 30d at most: Dexcom refuses more in one request")
        if max(self.overlap, self.events_overlap) >= self.window and (self.overlap >= self.window or self.asks_more):
            raise ValueError(
                "overlap and events_overlap must be shorter than window, or nothing new would ever be reached"
            )
        if self.every < 1 or self.timeout <= 0 or self.start <= 0 or self.rate_limit <= 0:
            raise ValueError("every must be 1s at least; timeout, start and rate_limit more than nothing")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [account.name for account in self.accounts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two accounts are called {twice[0]}: each needs a name of its own")
        return self
