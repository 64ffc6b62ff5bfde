"""What YAML may say about mapping a vendor's columns to records; shared by `map_csv`, `map_json` and `map_xlsx`."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from clinical.events import WORDS
from clinical.records import Analyte, InsulinKind, PatientRef, Road, VitalKind
from clinical.vendors.json_fields import joined
from clinical.vendors.making import Whose
from clinical.vendors.mapping import Cells, Rule, check_pattern, map_rows
from clinical.vendors.parsing import Parsed, Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, WhosePatient, named_patient
from transformers.vendor_readings import patient_of, version_of


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""One column or word, or a list of them."""


class From(sdk.Settings):
    """A column that says it, and what its words mean: theirs on the left, ours on the right."""

    column: str = Field(alias="from", min_length=1)
    words: dict[str, str] = Field(default_factory=dict)


_KINDS: dict[str, frozenset[str]] = {
    "glucose": frozenset(Analyte),
    "insulin-dose": frozenset(InsulinKind),
    "vital-sign": frozenset(VitalKind),
    "device-event": frozenset(WORDS),
    "annotation": frozenset({"note", "exercise", "meal", "illness", "medication", "other"}),
}
_NEEDS_KIND = frozenset({"glucose", "insulin-dose", "vital-sign", "device-event"})


class RuleSettings(sdk.Settings):
    """One kind of record that rows become. Columns are named by their header, or in JSON by their path."""

    record: Literal[
        "glucose", "insulin-dose", "carbohydrate", "vital-sign", "blood-pressure", "device-event", "annotation"
    ]
    time: Listed = Field(min_length=1, description="The column of the time, or two: date and time of day")
    time_format: Annotated[str, AfterValidator(check_pattern)] = Field(
        "iso", description="iso, epoch-seconds, epoch-milliseconds, or a pattern such as %d.%m.%Y %H:%M"
    )
    value: str | None = Field(None, description="The column of the value; a row without one is not of this kind")
    second: str | None = Field(None, description="Column of the diastolic pressure, or of the insulin asked for")
    when: dict[str, Listed] = Field(default_factory=dict, description="Columns and the words that they must hold")
    unit: str | From | None = Field(None, description="The unit, or {from: COLUMN}; never guessed")
    kind: str | From | None = Field(None, description="What was measured or happened, or {from: COLUMN, words: ...}")
    low: Listed = Field((), description="Words for a value below the range, such as LO")
    high: Listed = Field((), description="Words for a value above the range, such as HI")
    limits: tuple[float, float] | None = Field(None, description="The measuring range, in the unit: [40, 400]")
    clamped: bool = Field(False, description="The device writes the limit itself for what lies beyond it")
    duration: str | None = Field(None, description="Column of how long it took")
    duration_unit: Literal["milliseconds", "seconds", "minutes", "hours"] = "minutes"
    automatic: bool = Field(False, description="Insulin that the device's algorithm gave")
    identity: Listed = Field((), description="Columns that name a record for ever; by default time and value do")
    serial: str | None = Field(None, description="Column of the device's serial number")
    vendor: str | None = None
    model: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.record != "device-event" and self.value is None:
            raise ValueError(f"a {self.record} needs `value`, the column that it stands in")
        if self.record in _NEEDS_KIND and self.kind is None:
            raise ValueError(f"a {self.record} needs `kind`: one of {', '.join(sorted(_KINDS[self.record])[:8])}")
        if self.record == "blood-pressure" and self.second is None:
            raise ValueError("a blood-pressure needs `second`, the column of the diastolic pressure")
        if self.record in ("glucose", "carbohydrate") and self.unit is None:
            raise ValueError(f"a {self.record} needs `unit`: a unit is never guessed")
        if (self.low or self.high) and self.limits is None:
            raise ValueError("`low` and `high` need `limits`, such as [40, 400]: the range that they lie beyond")
        self._check_kinds()
        return self

    def _check_kinds(self) -> None:
        known = _KINDS.get(self.record, frozenset())
        said = [self.kind] if isinstance(self.kind, str) else list(self.kind.words.values()) if self.kind else []
        for word in said:
            if word not in known:
                near = get_close_matches(word, sorted(known), 1)
                meant = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(sorted(known)[:12])}"
                raise ValueError(f"`{word}` is no kind of {self.record}; {meant}")

    def rule(self, decimal: str) -> Rule:
        unit, kind = self.unit, self.kind
        steps = 10 if unit == "mmol/L" else 1
        return Rule(
            record=self.record,
            time=self.time,
            time_format=self.time_format,
            value=self.value,
            second=self.second,
            when={column: frozenset(word.casefold() for word in words) for column, words in self.when.items()},
            unit=unit if isinstance(unit, str) else None,
            unit_column=unit.column if isinstance(unit, From) else None,
            kind=kind if isinstance(kind, str) else None,
            kind_column=kind.column if isinstance(kind, From) else None,
            words={theirs.casefold(): ours for theirs, ours in kind.words.items()} if isinstance(kind, From) else {},
            low=frozenset(word.casefold() for word in self.low),
            high=frozenset(word.casefold() for word in self.high),
            limits=(round(self.limits[0] * steps), round(self.limits[1] * steps)) if self.limits else None,
            clamped=self.clamped,
            duration=self.duration,
            duration_unit=self.duration_unit,
            automatic=self.automatic,
            identity=self.identity,
            serial=self.serial,
            vendor=self.vendor,
            model=self.model,
            decimal=decimal,
        )


class MappedPatient(WhosePatient):
    """Whose data it is: by the file's name, one person, or a column."""

    column: str | None = Field(None, description="The column that names the patient of each row")


class MapSettings(VendorSettings):
    """What `map_csv`, `map_json` and `map_xlsx` have in common. `system` names the vendor in each record."""

    system: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    patient: MappedPatient | None = None
    decimal: Literal[".", ","] = "."
    records: tuple[RuleSettings, ...] = Field(min_length=1)

    def rules(self) -> list[Rule]:
        return [rule.rule(self.decimal) for rule in self.records]

    def columns(self) -> list[str]:
        """Every column that is asked for, in the order in which the YAML names them."""
        asked = [column for rule in self.rules() for column in rule.columns()]
        column = self.patient.column if self.patient else None
        return list(dict.fromkeys([*asked, *([column] if column else [])]))


class MapTableSettings(MapSettings):
    """A table: `header` is the line on which the names of the columns stand; lines above it are left out unread."""

    header: int = Field(1, ge=1, le=200)


RowOf = tuple[str, Cells, Any]


def mapped(message: sdk.Message, settings: MapSettings, rows: Sequence[RowOf]) -> list[tuple[PatientRef, Parsed]]:
    """The parsed rows of each patient. Raises InvalidMessage if nobody can tell whose they are."""
    column = settings.patient.column if settings.patient else None
    groups: dict[str, list[RowOf]] = {}
    for row in rows:
        groups.setdefault(row[1](column)[:128] if column else "", []).append(row)
    road = Road.CLOUD if message.shape is sdk.Shape.JSON else Road.CSV
    found = []
    for name, group in groups.items():
        if column and not name:
            text = "names no patient; correct the row, or take it out"
            raise sdk.InvalidMessage(text, code="patient-missing", path=f"{group[0][0]} {column}")
        system = settings.patient.system if settings.patient else ""
        named = PatientRef(system=system, value=name) if column else None
        patient = named or patient_of(message) or named_patient(message, settings.patient)
        person = Whose(patient, version_of(message), settings.zone, message.received_at)
        found.append((patient, map_rows(group, settings.rules(), person, settings.system, road)))
    return found


def together(found: Sequence[tuple[PatientRef, Parsed]]) -> Parsed:
    return joined([parsed for _, parsed in found])


def missing_column(name: str, header: Sequence[str], line: int) -> Unreadable:
    """The column is not there; the nearest that is, is named. Headers are the vendor's words, not a patient's."""
    near = get_close_matches(name, [one for one in header if len(one) <= 60], 1, cutoff=0.5)
    meant = f"; the nearest is `{near[0]}`" if near else ""
    text = f"there is no column `{name}` in the header{meant}; correct the name in this step, or set `header`"
    return Unreadable(text, code="column-missing", path=f"line {line}")
