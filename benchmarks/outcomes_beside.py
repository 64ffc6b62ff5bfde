"""The core set beside other tools, on the same arrays in the same run: `python benchmarks/outcomes_beside.py`.

iglu-python, glucostats and py_agata are for comparison only and no dependency: install them in an environment of their
own (`pip install iglu-python glucostats py-agata "pandas<3" msgspec tzdata`) and run this with its Python and
`PYTHONPATH=.`. What is not installed is skipped, and said so. Times are CPU time of one process; each tool is given its
own form of the data, and only then is the clock started. What each computes: shares of time, mean, SD, CV, and, where
it has them, GMI, J, quantiles, LBGI, HBGI, GRI and events.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Callable
from importlib import metadata
from itertools import pairwise
from time import process_time
from typing import Any

import numpy as np
from outcomes import simulate

from clinical.outcomes import ISLET, core
from clinical.outcomes.levels import I64

Patients = list[tuple[I64, I64]]
Work = Callable[[], object]

_IGLU = (
    *("in_range_percent", "above_percent", "below_percent", "mean_glu", "sd_glu", "cv_glu", "gmi", "ea1c", "j_index"),
    *("quantile_glu", "lbgi", "hbgi", "gri", "episode_calculation"),
)
_GLUCOSTATS = ["percentage_time_in_ranges", "distribution", "g_indexes", "g_risks", "a1c"]
_AGATA = (
    *("mean_glucose", "median_glucose", "std_glucose", "cv_glucose", "gmi", "j_index", "lbgi", "hbgi", "gri"),
    *("time_in_target", "time_in_tight_target", "time_in_hypoglycemia", "time_in_hyperglycemia"),
    *(f"time_in_l{level}_{way}glycemia" for level in (1, 2) for way in ("hypo", "hyper")),
    *("find_hypoglycemic_events_by_level", "find_hyperglycemic_events_by_level", "find_extended_hypoglycemic_events"),
)


def _frames(patients: Patients, columns: tuple[str, str]) -> list[Any]:
    pandas = importlib.import_module("pandas")
    time, value = columns
    return [
        pandas.DataFrame({time: pandas.to_datetime(millis, unit="ms"), value: level.astype(float)})
        for millis, level in patients
    ]


def iglu_python(patients: Patients) -> Work:
    """Its functions one after the other, as its users call them."""
    tool = importlib.import_module("iglu_python")
    frames = _frames(patients, ("time", "gl"))
    for number, frame in enumerate(frames):
        frame.insert(0, "id", str(number))
    return lambda: [getattr(tool, name)(frame) for frame in frames for name in _IGLU]


def glucostats(patients: Patients) -> Work:
    """All statistics of distribution and risk; it has no events."""
    tool = importlib.import_module("glucostats.extract_statistics")
    logging.getLogger("glucostats.extract_statistics").setLevel(logging.ERROR)
    pandas = importlib.import_module("pandas")
    frames = _frames(patients, ("time", "glucose"))
    whole = pandas.concat([frame.set_axis([str(n)] * len(frame)) for n, frame in enumerate(frames)])
    return lambda: tool.ExtractGlucoStats(_GLUCOSTATS).statistics_computation(whole)


def py_agata(patients: Patients) -> Work:
    """Put on its grid, which it demands, and analysed without what the core set has not."""
    tool = importlib.import_module("py_agata.py_agata")
    grid = importlib.import_module("py_agata.processing")
    frames = _frames(patients, ("t", "glucose"))

    def work() -> object:
        even = [grid.retime_glucose(frame, 5) for frame in frames]
        return [getattr(tool, name)(frame) for frame in even for name in _AGATA]

    return work


_TOOLS: dict[str, tuple[str, Callable[[Patients], Work], int]] = {
    "iglu-python": ("iglu_python", iglu_python, 4),
    "glucostats": ("glucostats", glucostats, 8),
    "py-agata": ("py_agata", py_agata, 1),
}
"""Distribution, module, what it does, and for how many patients."""


def seconds(work: Work, times: int) -> float:
    """The least CPU seconds of so many runs."""
    found = []
    for _ in range(times):
        begun = process_time()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            work()
        found.append(process_time() - begun)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=500, help="how many we compute; the others a few of them")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of the other tools
    millis, level, edges = simulate(options.patients, 14)
    small = level.astype(np.int16)
    ours = options.patients / seconds(lambda: core(millis, small, edges, 300, ISLET), 5)
    print(f"NumPy {np.__version__}, load {os.getloadavg()[0]:.1f}; 14 days of readings every 5 minutes")
    print(f"{'islet':12} {ours:10,.0f} patients/s")
    for name, (module, prepare, count) in _TOOLS.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            print(f"{name:12} skipped: {error}")
            continue
        patients = [(millis[a:b], level[a:b]) for a, b in pairwise(edges[: count + 1])]
        theirs = count / seconds(prepare(patients), 1)
        print(
            f"{name:12} {theirs:10,.2f} patients/s; islet {ours / theirs:,.0f} times as fast ({metadata.version(name)})"
        )


if __name__ == "__main__":
    main()
