"""Who is who: names of patients that a message says belong together, and merges."""

from typing import NamedTuple

Name = tuple[str, str]
"""System (assigner) and value, as records name a patient."""


class Identities(NamedTuple):
    """`names` are one patient's; `prior` were another's until now."""

    names: tuple[Name, ...]
    prior: tuple[Name, ...] = ()
