"""What one delivery asks a FHIR server to do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import msgspec

from clinical.fhir.identifiers import identifier_query, token
from engine import sdk

_TYPE = re.compile(r"[A-Z][A-Za-z]{1,60}")
# Digits are data in FHIR (R4 section 2.24.0.1, decimal): 10.0 must not come out as 10.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


Key = tuple[str, str | None, str]


@dataclass(frozen=True, slots=True)
class Write:
    """A resource that is to be on the server, once, under its identifier. `delivery_id` and `attempt` (from 1) are its
    delivery's."""

    resource_type: str
    interaction: Literal["create", "update"]
    body: bytes = field(repr=False)
    system: str | None = field(repr=False)
    value: str = field(repr=False)
    delivery_id: str = field(default="", repr=False)
    attempt: int = field(default=1, repr=False)

    @property
    def query(self) -> str:
        """`identifier=system|value`, URL-encoded."""
        return identifier_query(self.system, self.value)

    @property
    def key(self) -> Key:
        """Writes with equal keys touch the same resource."""
        return self.resource_type, self.system, self.value

    def body_with_id(self, id_: str) -> bytes:
        """The resource as an update by id wants it (R4 section 3.1.0.4)."""
        resource = _decode(self.body)
        rest = {name: part for name, part in resource.items() if name not in ("resourceType", "id")}
        return _encode({"resourceType": resource["resourceType"], "id": id_, **rest})

    def matches(self, resource: Mapping[str, Any]) -> bool:
        """Is this resource the one that the write names?"""
        return resource.get("resourceType") == self.resource_type and any(
            isinstance(found, dict)
            and found.get("value") == self.value
            and (self.system is None or found.get("system") == self.system)
            for found in _list(resource.get("identifier"))
        )


def read_write(delivery: sdk.Delivery) -> Write:
    """The delivery as a write. Meta may say `interaction` (`create`, else `update`) and which `identifier` counts
    (`system|value`); by default the resource's first is taken.

    Raises InvalidMessage for a body that is no resource or has no identifier by which a repeat could be recognised.
    """
    try:
        resource = _decode(delivery.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise sdk.InvalidMessage("the body is not JSON", code="not-json") from None
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise sdk.InvalidMessage(
            "the body is no FHIR resource: it names no type", code="resource-type", path="resourceType"
        )
    system, value = _identifier(kind, resource, delivery.meta.get("identifier"))
    interaction: Literal["create", "update"] = "update" if delivery.meta.get("interaction") == "update" else "create"
    return Write(kind, interaction, delivery.body, system, value, delivery.id, delivery.attempt)


def _identifier(kind: str, resource: Mapping[str, Any], wanted: str | None) -> tuple[str | None, str]:
    for found in _list(resource.get("identifier")):
        if not isinstance(found, dict):
            continue
        system, value = found.get("system"), found.get("value")
        if isinstance(value, str) and value and (system is None or isinstance(system, str)):  # noqa: SIM102
            if wanted is None or token(system, value) == wanted:
                return system, value
    raise sdk.InvalidMessage(
        "has no identifier by which the server could recognise a repeat; give it one with a system and a value"
        if wanted is None
        else "does not hold the identifier that the message's meta names",
        code="no-identifier",
        path=f"{kind}.identifier",
    )


def _list(value: Any) -> list[Any]:
    """FHIR repeats `identifier` in most types and has it once in some (Bundle, QuestionnaireResponse)."""
    return value if isinstance(value, list) else [value]
