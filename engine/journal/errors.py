"""The store's errors in the engine's words."""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError

from engine.model.errors import EngineError, Refused, Unavailable

_AT_FAULT = (IntegrityError, DataError, ProgrammingError, NotSupportedError)


def journal_error(error: Exception) -> Exception:
    """A store that cannot commit is Unavailable, a statement it will never take is Refused; with words that hold no
    data (the driver's may: law 9)."""
    if isinstance(error, EngineError) or not isinstance(error, DBAPIError):
        return error
    if isinstance(error, _AT_FAULT):
        text = f"the journal refuses what was to be written ({type(error.orig).__name__})"
        return Refused(text, code="journal-refused", detail=str(error.orig))
    reason = str(error.orig).lower()
    for sign, text in (
        ("full", "the disk of the journal is full: free some space; the engine goes on by itself"),
        ("locked", "the journal is locked by another program: close it; the engine goes on by itself"),
        ("readonly", "the journal cannot be written: check the file's permissions"),
        ("unable to open", "the journal's file cannot be opened: check folder and permissions"),
        ("disk i/o", "the disk of the journal reports an error"),
    ):
        if sign in reason:
            return Unavailable(text, code="journal-" + sign.split()[-1].replace("/", ""))
    return Unavailable(f"the journal cannot commit ({type(error.orig).__name__})", code="journal-unavailable")
