"""FHIR resources against the R4 models of fhir.resources: a careful step for tests and new sites, off the hot path."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from fhir.resources.R4B import get_fhir_model_class
from pydantic import BaseModel, ValidationError

from engine import sdk

# The models do not check codes, and list only the first few of long value sets: these are written out.
_OBSERVATION_STATUS = "registered preliminary final amended corrected cancelled entered-in-error unknown"
_REPORT_STATUS = "registered partial preliminary final amended corrected appended cancelled entered-in-error unknown"
_CODES: Mapping[tuple[str, str], frozenset[str]] = {
    ("Observation", "status"): frozenset(_OBSERVATION_STATUS.split()),
    ("DiagnosticReport", "status"): frozenset(_REPORT_STATUS.split()),
    ("Quantity", "comparator"): frozenset({"<", "<=", ">=", ">"}),
}


@sdk.transformer("validate_fhir", accepts={sdk.Shape.FHIR}, emits=sdk.Shape.FHIR)
def validate_fhir(message: sdk.Message, settings: sdk.NoSettings) -> sdk.Message:  # noqa: ARG001 - the contract's
    """The message as it is, if its resource satisfies the R4 model: fields, types, cardinalities, required codes.

    Raises InvalidMessage with the path of the first problem and the number of them; all are in its detail.
    """
    resource = _json(message.body)
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    try:
        model = _model_class(kind).model_validate(resource)
    except ValidationError as error:
        problems = [_problem(str(kind), problem) for problem in error.errors(include_input=False)]
    else:
        problems = [(_path(str(kind), where), "empty") for where in _empties(resource, ())]
        problems += [(_path(str(kind), where), "code-invalid") for where in _wrong_codes(model, ())]
    _refuse(problems)
    return message


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise sdk.InvalidMessage(
            f"the body is not JSON (line {error.lineno}, column {error.colno})", code="not-json"
        ) from None


def _model_class(kind: object) -> type[BaseModel]:
    try:
        if isinstance(kind, str):
            found: type[BaseModel] = get_fhir_model_class(kind)
            return found
    except (ValueError, KeyError):
        pass
    raise sdk.InvalidMessage("is no FHIR R4 resource type", code="resource-type", path="resourceType")


def _problem(kind: str, problem: Any) -> tuple[str, str]:
    """Path and kind of one problem. The name of an unknown element is the sender's, so its parent is named."""
    where, what = problem["loc"], problem["type"].rsplit(".", 1)[-1]
    return _path(kind, where[:-1] if what == "extra_forbidden" else where), what.replace("_", "-")


def _refuse(problems: list[tuple[str, str]]) -> None:
    """Raise for the first problem, if there is one. Paths and kinds are the specification's words, never values."""
    if not problems:
        return
    path, kind = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    raise sdk.InvalidMessage(
        f"does not satisfy the FHIR R4 model: {kind}{more}",
        code=f"fhir-{kind}",
        path=path,
        detail="\n".join(f"{where}: {what}" for where, what in problems),
    )


def _path(kind: str, location: tuple[int | str, ...]) -> str:
    return kind + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _empties(value: Any, where: tuple[int | str, ...]) -> Iterator[tuple[int | str, ...]]:
    """Where something is null or holds nothing, which FHIR has no use for (R4 section 2.6.2) and the models let by.

    Lists may hold nulls: they keep the places of a primitive's extensions.
    """
    if isinstance(value, dict):
        for name, part in value.items():
            if part is None or part in ({}, []):
                yield (*where, name)
            yield from _empties(part, (*where, name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _empties(part, (*where, number))


def _wrong_codes(model: BaseModel, where: tuple[int | str, ...]) -> Iterator[tuple[int | str, ...]]:
    """Where a code is not of its required value set."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if value is None:
            continue
        if isinstance(value, str):
            allowed = _allowed(model, name, field.json_schema_extra)
            if allowed and value not in allowed:
                yield (*where, name)
        for place, part in _parts(name, value):
            yield from _wrong_codes(part, (*where, *place))


def _allowed(model: BaseModel, name: str, extra: Any) -> frozenset[str]:
    if known := _CODES.get((type(model).__name__, name)):
        return known
    listed = extra.get("enum_values", ()) if isinstance(extra, dict) else ()
    return frozenset() if "+" in listed else frozenset(listed)


def _parts(name: str, value: Any) -> Iterator[tuple[tuple[int | str, ...], BaseModel]]:
    if isinstance(value, BaseModel):
        yield (name,), value
    elif isinstance(value, list):
        yield from (((name, number), part) for number, part in enumerate(value) if isinstance(part, BaseModel))
