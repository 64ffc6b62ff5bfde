"""Settings: what the YAML of a plugin may say. Checked when the configuration is loaded, frozen afterwards.

Values that depend on the site or on lookup tables are resolved while loading: the loader passes a
`SettingsContext` as pydantic's validation context.
"""

import os
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo, WithJsonSchema

from engine.model.errors import NeedsOperator

Table = Mapping[str, Mapping[str, str]]
"""A lookup table: first column → the row by column name."""


class Settings(BaseModel):
    """Base of every plugin's settings: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, validate_by_name=True)


@dataclass(frozen=True, slots=True)
class SettingsContext:
    """What the loader knows about the channel when a plugin's settings are validated."""

    site_timezone: str | None = None
    tables: Mapping[str, Table] = field(default_factory=dict)


class NoSettings(Settings):
    """For plugins that have nothing to set."""


class Secret(BaseModel):
    """A reference to a secret, written `{secret: name}`; its value is read when it is used and never kept.

    Looked up in the environment as `ISLET_SECRET_NAME` (upper case, other signs as `_`), then as a file of that
    name in the folder that `ISLET_SECRETS_DIR` names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    secret: str

    def _places(self) -> tuple[str, Path | None]:
        variable = "ISLET_SECRET_" + "".join(c if c.isalnum() else "_" for c in self.secret).upper()
        folder = os.environ.get("ISLET_SECRETS_DIR")
        return variable, Path(folder, self.secret) if folder else None

    def known(self) -> bool:
        """Is there a value? For `islet check`; reads none."""
        variable, file = self._places()
        return variable in os.environ or (file is not None and file.is_file())

    def where(self) -> str:
        """Where a value would be looked for, in words for a person."""
        variable, file = self._places()
        return f"{variable} or {file}" if file else f"{variable} (or a file, with ISLET_SECRETS_DIR set)"

    def reveal(self) -> str:
        """The value. Raises NeedsOperator if there is none."""
        variable, file = self._places()
        if variable in os.environ:
            return os.environ[variable]
        if file is not None and file.is_file():
            return file.read_text(encoding="utf-8").strip()
        raise NeedsOperator(f"no value for secret {self.secret!r}; set {self.where()}", code="secret-missing")


def _resolve_zone(value: Any, info: ValidationInfo) -> Any:
    if value != "site":
        return value
    zone = info.context.site_timezone if isinstance(info.context, SettingsContext) else None
    if zone is None:
        raise ValueError("is `site`, but this channel names no site with a timezone; write `site:` or a zone name")
    return zone


def _known_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder of zones is an OSError
        raise ValueError(f"{value!r} is not an IANA time zone; write one such as Europe/Dublin") from error
    return value


Zone = Annotated[
    str,
    BeforeValidator(_resolve_zone),
    AfterValidator(_known_zone),
    WithJsonSchema({"type": "string", "examples": ["site", "Europe/Dublin"]}),
]
"""An IANA zone name; `site` stands for the zone of the channel's site."""


def _lookup_table(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    tables = info.context.tables if isinstance(info.context, SettingsContext) else {}
    if value not in tables:
        known = ", ".join(sorted(tables)) or "none"
        raise ValueError(f"no table {value!r} in channels/tables (there are: {known})")
    return tables[value]


TableRef = Annotated[
    Table,
    BeforeValidator(_lookup_table),
    WithJsonSchema({"type": "string", "description": "Name of a CSV file in channels/tables, without .csv"}),
]
"""A lookup table, written as the name of its file in `channels/tables/`."""
