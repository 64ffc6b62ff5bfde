"""The base of values that are made for every message, so that making one costs next to nothing."""

from typing import ClassVar

import msgspec


class Value(msgspec.Struct, frozen=True, gc=False):
    """Frozen, compared by its fields. `hidden` names the fields that `repr` leaves out since they may hold patients'
    data (law 9). Not followed by the garbage collector: a value must not lead back to itself."""

    hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self.hidden)
        return f"{type(self).__name__}({', '.join(shown)})"
