"""Levels: one integer for a glucose value and its unit, so that a value is never parted from the unit it came in.

`level = unit << 10 | steps`: unit 0 is mg/dL (1 step = 1 mg/dL), unit 1 is mmol/L (1 step = 0.1 mmol/L). Tables over
all levels (`bands`, `micro`) answer what would otherwise need a comparison in the right unit.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clinical.units import MG_DL, MG_DL_PER_MMOL_L, MMOL_L

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]

Levels = NDArray[np.integer]
"""Levels in any integer type; two bytes hold them all."""

UNITS: Final = (MG_DL, MMOL_L)
"""A unit's place here is its code in the arrays."""

STEPS_PER_UNIT: Final = 1024
LEVELS: Final = STEPS_PER_UNIT * len(UNITS)

LOWEST_STEPS: Final = np.array([10, 5], np.int64)
HIGHEST_STEPS: Final = np.array([1000, 556], np.int64)
"""What no glucose sensor or meter shows is implausible: outside 10 to 1000 mg/dL, 0.5 to 55.6 mmol/L."""

MICRO_PER_STEP: Final = (1_000_000, int(MG_DL_PER_MMOL_L * 100_000))
"""One step in millionths of mg/dL (an exact integer in both units): for display, never for classification."""

MICRO: Final[I64] = np.concatenate([np.arange(STEPS_PER_UNIT, dtype=np.int64) * micro for micro in MICRO_PER_STEP])
"""For each level its value in millionths of mg/dL."""


def levels_of(steps: I64, unit: I64) -> I64:
    """The levels of plausible steps and unit codes."""
    found: I64 = unit * STEPS_PER_UNIT + steps
    return found
