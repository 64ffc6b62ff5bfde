"""The store's errors in the engine's words."""

import sqlite3

from sqlalchemy.exc import DBAPIError

from engine.model.errors import Refused, Unavailable

_AT_FAULT = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)


def journal_error(error: Exception) -> Exception:
    """A store that cannot commit is Unavailable, a statement it will never take is Refused; with words that hold no
    data (the driver's may: law 9)."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, sqlite3.Error):
        return error
    if isinstance(cause, _AT_FAULT):
        text = f"the journal refuses what was to be written ({type(cause).__name__})"
        return Refused(text, code="journal-refused", detail=str(cause))
    reason = str(cause).lower()
    for sign, text in (
        ("full", "the disk of the journal is full: free some space; the engine goes on by itself"),
        ("locked", "the journal is locked by another program: close it; the engine goes on by itself"),
        ("readonly", "the journal cannot be written: check the file's permissions"),
        ("unable to open", "the journal's file cannot be opened: check folder and permissions"),
        ("disk i/o", "the disk of the journal reports an error"),
    ):
        if sign in reason:
            return Unavailable(text, code="journal-" + sign.split()[-1].replace("/", ""))
    return Unavailable(f"the journal cannot commit ({type(cause).__name__})", code="journal-unavailable")
