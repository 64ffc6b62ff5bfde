"""What the engine's own keys in YAML may say. Plugins' settings stand beside them and are checked by the plugins."""

import re
from dataclasses import fields
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from engine.config.plan import DestinationPlan
from engine.model.message import Shape
from engine.model.quantities import Duration
from engine.model.retention import Retention, days
from engine.model.retry import RetryPolicy

NAME_PATTERN: Final = r"^[a-z0-9]+([-_][a-z0-9]+)*$"


def _name(value: str) -> str:
    if not re.fullmatch(NAME_PATTERN, value):
        raise ValueError("must be small letters and digits with - between words, such as stm-oru-in")
    return value


Name = Annotated[
    str,
    AfterValidator(_name),
    WithJsonSchema({"type": "string", "pattern": NAME_PATTERN, "examples": ["stm-oru-in"]}),
]


class Document(BaseModel):
    """Base: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_RETRY: Final = RetryPolicy()
_KEPT: Final = Retention()
_PLAN: Final[dict[str, Any]] = {field.name: field.default for field in fields(DestinationPlan)}


def _share(value: object) -> object:
    return {True: _RETRY.jitter, False: 0.0}[value] if isinstance(value, bool) else value


class Retry(Document):
    """How often and how fast something is tried again."""

    attempts: int = Field(_RETRY.attempts, ge=1, le=1000, description="Tries in all, the first one included")
    first_wait: Duration = Field(
        _RETRY.first_wait_seconds, gt=0, description="Wait after the first failure; it doubles"
    )
    longest_wait: Duration = Field(_RETRY.longest_wait_seconds, gt=0, description="The waits grow up to this")
    jitter: Annotated[float, BeforeValidator(_share), WithJsonSchema({"type": ["number", "boolean"]})] = Field(
        _RETRY.jitter, ge=0, le=1, description="Share of each wait that is drawn by chance; true and false will do"
    )

    def policy(self) -> RetryPolicy:
        return RetryPolicy(self.attempts, self.first_wait, max(self.longest_wait, self.first_wait), self.jitter)


class CircuitBreaker(Document):
    """When to leave a destination alone for a while."""

    failures: int = Field(_PLAN["breaker_failures"], ge=1, description="Failed calls in a row that open it")
    try_again_in: Duration = Field(_PLAN["breaker_rest_seconds"], gt=0, description="Rest before one call is tried")


class Keep(Document):
    """How long what the channel has taken and given is kept; `islet prune` takes away the rest."""

    bodies: Duration = Field(
        _KEPT.bodies_seconds, gt=0, description="Bodies, and what peers answered", examples=["30d"]
    )
    metadata: Duration = Field(
        _KEPT.metadata_seconds, gt=0, description="All else that is known of a message", examples=["400d"]
    )

    @field_validator("metadata")
    @classmethod
    def _not_shorter(cls, value: float, info: ValidationInfo) -> float:
        bodies = info.data.get("bodies", value)
        if value < bodies:
            raise ValueError(f"must not be shorter than `bodies`; write {days(bodies)} or more")
        return value

    def retention(self) -> Retention:
        """Without a word about metadata it is kept no shorter than bodies."""
        return Retention(self.bodies, max(self.bodies, self.metadata))


class ChannelKeys(Document):
    """A channel file. What plugins have to say under source, filter, transform and destinations is checked apart."""

    channel: Name = Field(description="The file's name without .yaml")
    description: str = Field("", description="What it carries, for people")
    site: str | None = Field(None, description="A site of routes.yaml")
    owner: str | None = Field(None, description="Whom to ask about it")
    tenant: str = Field("default", min_length=1, description="Whose data it carries")
    enabled: bool = Field(True, description="false: it does not run")
    source: Any = Field(description="Where messages come from", examples=[{"type": "mllp_listener", "port": 2575}])
    filter: Any = Field(None, description="Which messages go on")
    transform: Any = Field(None, description="What is done to them, step by step")
    destinations: Any = Field(None, description="Where the results go; routes.yaml says which channels they feed")
    retry: Retry = Field(Retry(), description="For steps that cannot go on now, such as a store that is away")
    when_it_fails: Literal["hold", "review", "skip"] = Field(
        "hold", description="Where a message goes that a step refuses: hold it, ask a clinician, or leave it out"
    )
    holds_up_to: int = Field(
        1000, ge=1, description="Messages on their way into the journal at once; then senders wait"
    )
    keep: Keep = Field(Keep(), description="How long messages are kept")
    lane: Literal["live", "batch"] = Field(
        "live", description="batch: what it brings, such as a year of history, waits for what is live in all channels"
    )
    wait_for_order: Duration = Field(
        0.0,
        ge=0,
        le=600,
        description="Each message waits so long for earlier ones of the same patient, and goes after them",
        examples=["30s"],
    )


class ChannelSource(Document):
    """`source: {type: channel, shape: records}`: fed by other channels only."""

    type: Literal["channel"]
    shape: Shape = Field(description="What the routes bring", examples=["records"])


class DestinationKeys(Document):
    """What the engine does around a destination. The keys of its type stand beside these."""

    name: Name = Field(description="How people and the journal call it", examples=["stm-ehr"])
    retry: Retry = Retry()
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    at_once: int = Field(_PLAN["at_once"], ge=1, le=1000, description="Calls at the same time at most")
    in_order: bool = Field(True, description="Keep one patient's messages in order, one after the other")


class Capability(Document):
    """One thing that a site's EHR can take."""

    by: str = Field(min_length=1, description="The way it takes it", examples=["hl7v2"])
    at_most: str | None = Field(None, pattern=r"^\d+ per (minute|hour|day)$", examples=["4 per day"])


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"`{value}` is not an IANA time zone; write one such as Europe/Dublin") from error
    return value


class SiteKeys(Document):
    """A hospital or clinic. `ehr` and `values` may hold any keys, for `${site.ehr.KEY}` and `${site.values.KEY}`."""

    name: str | None = Field(None, description="How people call it")
    timezone: Annotated[str, AfterValidator(_zone)] = Field(description="IANA name", examples=["Europe/Dublin"])
    write_back: Literal["read-only", "partial", "full"] = "read-only"
    can: dict[str, Capability] = Field({}, description="What its EHR takes, and how")
    cannot: Literal["defer", "review", "drop"] = Field("defer", description="What becomes of all else")
    defer_for: Duration | None = Field(None, gt=0, description="How long to keep what waits")
    since: str | None = Field(None, pattern=r"^\d{4}-\d{2}-\d{2}$", examples=["2026-10-01"])
    ehr: dict[str, Any] = Field({}, description="About its EHR; any keys")
    values: dict[str, Any] = Field({}, description="Anything else that channels need; any keys")


class RoutesKeys(Document):
    """routes.yaml."""

    routes: dict[str, list[str]] = Field(
        {}, description="Channel: the channels that it feeds", examples=[{"stm-oru-in": ["reconcile"]}]
    )
    sites: dict[str, SiteKeys] = Field(
        {},
        description="Hospitals and clinics by their short name",
        examples=[{"stm": {"timezone": "Europe/Dublin", "write_back": "partial"}}],
    )
