"""Crash and fault tests: engines as processes of their own, killed and stopped under load, and then counted.

process ─ one engine, started from a script, to be killed at a moment that the test chooses
load ─ senders that repeat until acknowledged, and a receiver that remembers every effect
faults ─ what goes wrong, drawn from a seed
cluster ─ an engine of several workers on private servers
run ─ all of it together, and the verdict;  `python -m engine.testing.crash --messages 50000`
"""

from engine.testing.crash.process import EngineProcess
from engine.testing.crash.run import CrashRun, Verdict

__all__ = ["CrashRun", "EngineProcess", "Verdict"]
