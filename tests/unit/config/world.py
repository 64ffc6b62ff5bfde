"""A small world for tests of the configuration: plugins that only have settings, and a root folder on disk."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from engine import sdk
from engine.config.loader import Loaded, load
from engine.config.problems import Problem
from engine.plugins.registry import Registry

ROUTES = """\
routes:
  oru-in: [reconcile]
sites:
  stm:
    timezone: Europe/Dublin
    write_back: partial
    ehr: {vendor: cerner, receiving_app: MILL}
    can: {glucose: {by: hl7v2, at_most: 4 per day}}
"""

RECONCILE = """\
channel: reconcile
source: {type: channel, shape: records}
transform:
  - type: records_to_fhir
destinations:
  - name: ehr
    type: fhir_server
    base: https://fhir.example/r4
"""

ORU_IN = """\
channel: oru-in
description: Point-of-care glucose over HL7 v2
site: stm
source:
  type: mllp_listener
  port: 2575
  accepts: [ORU^R01]
filter:
  keep_when:
    - {field: OBX-11, in: [F, C]}
transform:
  - type: oru_to_records
    timezone: site
when_it_fails: hold
"""

GOOD: Mapping[str, str] = {
    "channels/oru-in.yaml": ORU_IN,
    "channels/reconcile.yaml": RECONCILE,
    "channels/tables/codes.csv": "code,analyte\n99504-3,interstitial-glucose\n2339-0,blood-glucose\n",
    "routes.yaml": ROUTES,
}


# --- plugins


class ListenerSettings(sdk.Settings):
    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535, description="TCP port of the listener. More words.")
    accepts: tuple[str, ...] = Field((), description="Message types to take")
    max_size: sdk.Size = 16_000_000
    receive_within: sdk.Duration = Field(30.0, gt=0)
    rate_limit: sdk.Rate | None = None

    def claims(self) -> list[str]:
        return [f"tcp port {self.port}"]


class Patient(sdk.Settings):
    system: str = Field(min_length=1)
    value: str


class Account(sdk.Settings):
    name: str
    patient: Patient
    refresh_token: sdk.Secret


class CloudSettings(sdk.Settings):
    region: Literal["us", "eu", "sandbox"] | None = None
    accounts: tuple[Account, ...] = Field(min_length=1)
    every: sdk.Duration = Field(300.0, description="How often each account is asked")

    @model_validator(mode="after")
    def _region_is_set(self) -> "CloudSettings":
        if self.region is None:
            raise ValueError("needs a region: us, eu or sandbox")
        return self


class HttpSettings(sdk.Settings):
    port: int
    shape: Literal["json", "fhir"] = "json"

    def emitted_shape(self) -> sdk.Shape:
        return sdk.Shape(self.shape)


class OruSettings(sdk.Settings):
    timezone: sdk.Zone | None = None
    codes: sdk.TableRef | None = None


class IdentifySettings(sdk.Settings):
    if_unknown: Literal["register", "review", "hold"] = "review"


class From(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str = Field(alias="from")
    if_missing: Literal["error", "leave"] = "error"


class SetSettings(sdk.Settings):
    set: Mapping[str, str | From] = Field(min_length=1)
    amount: Annotated[Decimal, Field(gt=0)] | None = None
    flag: bool = False


class Near(sdk.Settings):
    kind: Literal["near"]
    within: sdk.Duration


class Far(sdk.Settings):
    kind: Literal["far"]
    steps: int


class MatchSettings(sdk.Settings):
    how: Annotated[Near | Far, Field(discriminator="kind")]


def _web(value: str) -> str:
    if not value.startswith("https://"):
        raise ValueError("is not a web address; write one such as https://host/r4")
    return value


HeaderText = Annotated[str, StringConstraints(pattern=r"^[ -~]*$")]


class FhirSettings(sdk.Settings):
    base: Annotated[str, AfterValidator(_web)] = Field(description="The server's FHIR base")
    headers: dict[str, HeaderText | sdk.Secret] = Field(default_factory=dict)
    bearer: sdk.Secret | None = None
    batch: int = Field(1, ge=1, le=1000)


class CodeSettings(sdk.Settings):
    codes: tuple[str, ...]


class ClashingSettings(sdk.Settings):
    name: str = ""


class FaultySettings(sdk.Settings):
    size: int = 1

    @model_validator(mode="after")
    def _fails(self) -> "FaultySettings":
        raise RuntimeError("canary")


class ClaimsBadlySettings(sdk.Settings):
    def claims(self) -> list[str]:
        raise RuntimeError("canary")


class _Part:
    def __init__(self, settings: object, context: object) -> None:
        self.settings, self.context = settings, context


class Hl7Fields:
    """Bodies of lines `OBX-11=F`."""

    def check(self, path: str) -> str | None:
        return None if "-" in path else f"`{path}` is not an HL7 path; write one such as OBX-5"

    def values(self, message: sdk.Message, path: str) -> Sequence[str]:
        if message.body == b"garbage":
            raise sdk.InvalidMessage("the body is no HL7 v2 message", code="not-hl7")
        lines = [line.split("=", 1) for line in message.body.decode().splitlines()]
        return [value for name, value in lines if name == path]


class JsonFields(Hl7Fields):
    def check(self, path: str) -> str | None:
        return None


@sdk.filter_step("only_codes", settings=CodeSettings, accepts={sdk.Shape.HL7V2})
def only_codes(message: sdk.Message, settings: CodeSettings) -> sdk.Keep | sdk.Drop:
    """Keep messages whose body is one of the codes."""
    return sdk.KEEP if message.body.decode() in settings.codes else sdk.Drop("another code")


@sdk.transformer("oru_to_records", settings=OruSettings, accepts={sdk.Shape.HL7V2}, emits=sdk.Shape.RECORDS)
def oru_to_records(message: sdk.Message, settings: OruSettings) -> sdk.Message:
    """ORU^R01 to records."""
    return message


@sdk.stateful_step("identify_patient", settings=IdentifySettings, accepts={sdk.Shape.RECORDS})
async def identify_patient(message: sdk.Message, settings: IdentifySettings, tx: sdk.Transaction) -> sdk.Message:
    """Find the patient."""
    return message


@sdk.transformer("records_to_fhir", accepts={sdk.Shape.RECORDS}, emits=sdk.Shape.FHIR)
def records_to_fhir(message: sdk.Message, settings: sdk.NoSettings) -> sdk.Message:
    """Records to Observations."""
    return message


@sdk.transformer("set_fields", settings=SetSettings)
def set_fields(message: sdk.Message, settings: SetSettings) -> sdk.Message:
    """Write fields."""
    return message


@sdk.transformer("match", settings=MatchSettings)
def match(message: sdk.Message, settings: MatchSettings) -> sdk.Message:
    """Something with alternatives."""
    return message


@sdk.transformer("faulty", settings=FaultySettings)
def faulty(message: sdk.Message, settings: FaultySettings) -> sdk.Message:
    """Its settings have a mistake."""
    return message


@sdk.transformer("claims_badly", settings=ClaimsBadlySettings)
def claims_badly(message: sdk.Message, settings: ClaimsBadlySettings) -> sdk.Message:
    """Its claims have a mistake."""
    return message


def a_registry() -> Registry:
    return Registry(
        [
            sdk.source("mllp_listener", _Part, settings=ListenerSettings, emits=sdk.Shape.HL7V2),
            sdk.source("dexcom", _Part, settings=CloudSettings, emits=sdk.Shape.JSON),
            sdk.source("http_listener", _Part, settings=HttpSettings, emits=sdk.Shape.JSON),
            sdk.source("csv_reader", _Part, emits=sdk.Shape.CSV),
            only_codes,
            oru_to_records,
            identify_patient,
            records_to_fhir,
            set_fields,
            match,
            faulty,
            claims_badly,
            sdk.destination("mllp_sender", _Part, settings=ListenerSettings, accepts={sdk.Shape.HL7V2}),
            sdk.destination("fhir_server", _Part, settings=FhirSettings, accepts={sdk.Shape.FHIR}),
            sdk.destination("archive", _Part),
            sdk.destination("clashing", _Part, settings=ClashingSettings),
            sdk.field_reader("hl7v2", Hl7Fields, accepts={sdk.Shape.HL7V2}),
            sdk.field_reader("json", JsonFields, accepts={sdk.Shape.JSON, sdk.Shape.RECORDS}),
        ]
    )


# --- files


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """A root folder with these files."""
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def loaded(root: Path, files: Mapping[str, str | bytes], env: Mapping[str, str] | None = None) -> Loaded:
    return load(write(root, files), a_registry(), env or {})


def shown(root: Path, problems: Sequence[Problem]) -> list[str]:
    """Problems as they are printed, with files relative to the root."""
    return [str(problem).removeprefix(f"{root}/") for problem in problems]


def problems_of(root: Path, files: Mapping[str, str | bytes], env: Mapping[str, str] | None = None) -> list[str]:
    return shown(root, loaded(root, files, env).problems)


def with_channel(text: str, name: str = "oru-in", **others: str) -> dict[str, str | bytes]:
    """The good world with another text for one channel."""
    return {**GOOD, f"channels/{name}.yaml": text, **others}


def changed(text: str, old: str, new: str) -> str:
    """The text with one line changed; fails if the line is not there, so that no test checks nothing."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the text"
    return text.replace(old, new)


def settings_of(bound: Any) -> Any:
    """The settings of a bound plugin, whatever class they are."""
    return bound.settings


def problems_of_a_change(root: Path, name: str, base: str, old: str, new: str) -> list[str]:
    """The problems of the good world with one change in one channel's text, without the file's name."""
    found = problems_of(root, with_channel(changed(base, old, new), name))
    return [line.removeprefix(f"channels/{name}.yaml:") for line in found]
