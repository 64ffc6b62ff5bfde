"""Parsers of vendors' formats: bytes in, canonical records out. Pure: no I/O, no clock, no engine."""
