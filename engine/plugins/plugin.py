"""A plugin as a value: what it is called, what it takes and gives, how it is built."""

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar

from engine.contracts.plugins import PluginContext
from engine.model.message import Shape
from engine.model.settings import NoSettings, Settings

F = TypeVar("F", bound=Callable[..., Any])

ANY_SHAPE: frozenset[Shape] = frozenset(Shape)


class PluginKind(StrEnum):
    SOURCE = "source"
    FILTER = "filter"
    TRANSFORMER = "transformer"
    STATEFUL = "stateful step"
    DESTINATION = "destination"
    FIELDS = "field reader"


@dataclass(frozen=True)
class Plugin(Generic[F]):
    """What discovery collects. Calling a filter or step plugin calls its function, so tests read naturally.

    `accepts`: the shapes it takes. `emits`: the shape it gives; None means the shape it was given.
    `implementation`: the function, or the class `(settings, context) -> Source | Destination`.
    """

    kind: PluginKind
    name: str
    implementation: F
    settings: type[Settings]
    accepts: frozenset[Shape]
    emits: Shape | None
    module: str
    summary: str
    side_by_side: bool = False
    """A source or destination that several engines may run at the same time; others run in one of them."""
    together: Callable[..., Any] | None = None
    """Of a stateful step: the same for several messages, `async (messages, settings, tx) -> outputs of each`."""
    may_end: bool = False
    """A stateful step whose whole effect is in the store: a channel that ends with it need not lead anywhere."""

    def __call__(self, *args: Any) -> Any:
        return self.implementation(*args)

    @property
    def where(self) -> str:
        """module and line of the implementation, for messages to engineers."""
        code = getattr(self.implementation, "__code__", None)
        return f"{self.module}:{code.co_firstlineno}" if code else f"{self.module}.{self.implementation.__name__}"


def _make(
    kind: PluginKind,
    name: str,
    implementation: F,
    settings: type[Settings],
    accepts: Collection[Shape],
    emits: Shape | None,
) -> Plugin[F]:
    summary = (inspect.getdoc(implementation) or "").split("\n", 1)[0]
    return Plugin(kind, name, implementation, settings, frozenset(accepts), emits, implementation.__module__, summary)


def source(
    name: str,
    implementation: Callable[[Any, PluginContext], Any],
    *,
    settings: type[Settings] = NoSettings,
    emits: Shape,
    side_by_side: bool = False,
) -> Plugin[Callable[[Any, PluginContext], Any]]:
    """Declare a source class: `plugin = source("mllp_listener", MllpListener, settings=..., emits=Shape.HL7V2)`.

    `side_by_side`: several engines may run it at the same time, such as a listener; what polls must not.
    """
    made = _make(PluginKind.SOURCE, name, implementation, settings, (), emits)
    return replace(made, side_by_side=side_by_side)


def destination(
    name: str,
    implementation: Callable[[Any, PluginContext], Any],
    *,
    settings: type[Settings] = NoSettings,
    accepts: Collection[Shape] = ANY_SHAPE,
    side_by_side: bool = False,
) -> Plugin[Callable[[Any, PluginContext], Any]]:
    """Declare a destination class.

    `side_by_side`: several engines may send at the same time (each other order keys), as servers do not mind; what
    appends to one file does.
    """
    made = _make(PluginKind.DESTINATION, name, implementation, settings, accepts, None)
    return replace(made, side_by_side=side_by_side)


def field_reader(name: str, implementation: Callable[[], Any], *, accepts: Collection[Shape]) -> Plugin[Any]:
    """Declare a class that is a FieldReader of these shapes; built without arguments."""
    return _make(PluginKind.FIELDS, name, implementation, NoSettings, accepts, None)


def filter_step(
    name: str, *, settings: type[Settings] = NoSettings, accepts: Collection[Shape] = ANY_SHAPE
) -> Callable[[F], Plugin[F]]:
    """Decorator for a pure filter `(message, settings) -> Keep | Drop(reason)`."""
    return lambda function: _make(PluginKind.FILTER, name, function, settings, accepts, None)


def transformer(
    name: str,
    *,
    settings: type[Settings] = NoSettings,
    accepts: Collection[Shape] = ANY_SHAPE,
    emits: Shape | None = None,
) -> Callable[[F], Plugin[F]]:
    """Decorator for a pure transformer `(message, settings) -> outputs`."""
    return lambda function: _make(PluginKind.TRANSFORMER, name, function, settings, accepts, emits)


def stateful_step(
    name: str,
    *,
    settings: type[Settings] = NoSettings,
    accepts: Collection[Shape] = ANY_SHAPE,
    emits: Shape | None = None,
    together: Callable[..., Any] | None = None,
    may_end: bool = False,
) -> Callable[[F], Plugin[F]]:
    """Decorator for a stateful step `async (message, settings, tx) -> outputs`. `may_end`: see Plugin.

    `together`: the same step for several messages, `async (messages, settings, tx) -> outputs of each`, in their order.
    The engine calls it where messages wait; if it raises, what it wrote is undone and each message goes by itself.
    """
    return lambda function: replace(
        _make(PluginKind.STATEFUL, name, function, settings, accepts, emits), together=together, may_end=may_end
    )
