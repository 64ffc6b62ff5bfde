"""What the YAML of a `fhir_server` may say."""

from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from connectors.http_security import Auth
from connectors.http_sender import HeaderName, HeaderText
from connectors.smart.settings import BackendServices
from connectors.tls import ClientTls
from engine import sdk

_OUR_WORDS: Final = "accept authorization content-length content-type if-match if-none-exist prefer transfer-encoding"
_OURS: Final = frozenset(_OUR_WORDS.split())


def _base(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not a web address; write the server's FHIR base, such as https://host.example/fhir/r4")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user or password; write them under sign_in, as {secret: NAME}")
    if parts.query or parts.fragment:
        raise ValueError("must end before any ? or #; write the part to which /Observation can be added")
    return value.rstrip("/")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Batch(sdk.Settings):
    """How many resources travel in one call."""

    up_to: int = Field(1, ge=1, le=1000, description="1: each on its own; more: in Bundles of type batch")
    by: Literal["batch", "submit_cgm_bundle"] = Field(
        "batch",
        description="submit_cgm_bundle: creates go to $submit-cgm-bundle where the server's CapabilityStatement lists "
        "the CGM data receiver, else in batches",
    )


class FhirConnection(sdk.Settings):
    """Where a FHIR server is, and how we sign in."""

    base: Annotated[str, AfterValidator(_base)] = Field(description="The server's FHIR base, such as https://host/r4")
    sign_in: Auth | None = Field(None, description="{bearer: {secret: NAME}}, or user and password; none by default")
    smart: BackendServices | None = Field(None, description="Sign in with our own key, by SMART Backend Services")
    headers: dict[HeaderName, HeaderText | sdk.Secret] = Field({}, description="Further headers; values may be secrets")
    tls: ClientTls | None = None
    timeout: sdk.Duration = Field(30.0, description="For one whole call")

    @model_validator(mode="after")
    def _headers_are_free(self) -> Self:
        for name in self.headers:
            if name.lower() in _OURS:
                raise ValueError(f"header {name} is set by this destination itself (see sign_in)")
        return self

    @model_validator(mode="after")
    def _secrets_are_wrapped(self) -> Self:
        parts = urlsplit(self.base)
        if self.sign_in is not None and self.smart is not None:
            raise ValueError("write either sign_in or smart")
        signs_in = self.sign_in is not None or self.smart is not None
        shows_secret = signs_in or any(isinstance(value, sdk.Secret) for value in self.headers.values())
        if shows_secret and parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
            raise ValueError("base must begin with https:// when a secret is shown to the server")
        return self


class FhirServerSettings(FhirConnection):
    """Where the FHIR server is and how it likes to be asked."""

    batch: Batch = Batch()
    create_by: Literal["conditional", "search"] = Field(
        "conditional",
        description="How a repeat is kept from making a second resource: conditional: If-None-Exist (and a search "
        "before a repeat, if the server's CapabilityStatement does not list conditionalCreate); search: a search "
        "before each create",
    )
    update_by: Literal["search", "conditional"] = Field(
        "search",
        description="How a correction finds what it corrects: search: POST _search, then PUT by id with If-Match; "
        "conditional: one PUT [type]?identifier=, which writes our identifier into the server's access log",
    )


class FhirSearchSettings(FhirConnection):
    """What is asked for, and how often."""

    search: str = Field(
        pattern=r"^[A-Z][A-Za-z]+(\?[^\s#]+)?$",
        description="Type and parameters, URL-encoded: Observation?code=http://loinc.org|99504-3",
    )
    every: sdk.Duration = Field(300.0, gt=0, description="Between two searches")
    page_size: int = Field(200, ge=1, le=5000, description="_count: resources in one answer, if the server agrees")
    start: str | None = Field(
        None, pattern=r"^\d{4}-\d\d-\d\d$", description="Day from which on to read, the first time; by default from all"
    )
    overlap: sdk.Duration = Field(60.0, description="How far each search reaches back behind the newest that was seen")
