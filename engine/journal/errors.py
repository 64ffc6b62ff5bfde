"""The store's errors in the engine's words."""

import sqlite3
import ssl

import asyncpg
from sqlalchemy.exc import DBAPIError

from engine.model.errors import EngineError, Refused, Unavailable

_AT_FAULT = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.NotSupportedError,
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.SyntaxOrAccessError,
    asyncpg.FeatureNotSupportedError,
)
_AWAY = (
    sqlite3.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
_SIGNS = (
    ("full", "the disk of the journal is full: free some space; the engine goes on by itself"),
    ("locked", "the journal is locked by another program: close it; the engine goes on by itself"),
    ("readonly", "the journal cannot be written: check the file's permissions"),
    ("unable to open", "the journal's file cannot be opened: check folder and permissions"),
    ("disk i/o", "the disk of the journal reports an error"),
)
_NO_TABLES = "the database has not all tables: run `islet db upgrade`"
_STATES = {
    "53100": ("full", "the disk of the journal is full: free some space; the engine goes on by itself"),
    "53300": ("crowded", "the database has no connection left: raise max_connections, or run fewer workers"),
    "25006": ("readonly", "the database is read-only: is it a standby? name the primary server"),
    "28P01": ("signed-out", "the database does not accept our password: correct the journal's URL"),
    "28000": ("signed-out", "the database does not let us in: correct the journal's URL, or pg_hba.conf"),
    "3D000": ("no-database", "there is no such database: create it, or correct the journal's URL"),
    "42P01": ("no-tables", _NO_TABLES),
    "42704": ("no-tables", _NO_TABLES),  # a type of ours
}
"""PostgreSQL's SQLSTATE."""
_TLS = "no TLS with the database: check sslmode and sslrootcert in the journal's URL, and the name in its certificate"
_FILE = "a file is not there that the journal's URL names: the server's socket, sslrootcert, sslcert or sslkey"
_URL = "the journal's URL cannot be used: check its words, and the files that sslrootcert, sslcert and sslkey name"


def journal_error(error: Exception) -> Exception:
    """A store that cannot commit is Unavailable, a statement it will never take is Refused; with words that hold no
    data (the driver's may: law 9)."""
    cause = _cause(error)
    if isinstance(cause, EngineError) or not isinstance(cause, _AWAY):
        return cause if isinstance(cause, EngineError) else error
    known = _STATES.get(getattr(cause, "sqlstate", None) or "")
    if known is not None:
        return Unavailable(known[1], code=f"journal-{known[0]}")
    if isinstance(cause, _AT_FAULT):
        text = f"the journal refuses what was to be written ({type(cause).__name__})"
        return Refused(text, code="journal-refused", detail=str(cause))
    if isinstance(cause, ssl.SSLError) or (isinstance(cause, ConnectionError) and "SSL" in str(cause)):
        return Unavailable(_TLS, code="journal-tls")
    if isinstance(cause, asyncpg.ClientConfigurationError):
        return Unavailable(_URL, code="journal-url")
    if isinstance(cause, FileNotFoundError):
        return Unavailable(_FILE, code="journal-file")
    reason = str(cause).lower() if isinstance(cause, sqlite3.Error) else ""
    for sign, text in _SIGNS:
        if sign in reason:
            return Unavailable(text, code="journal-" + sign.split()[-1].replace("/", ""))
    return Unavailable(f"the journal cannot commit ({type(cause).__name__})", code="journal-unavailable")


def _cause(error: BaseException) -> BaseException:
    """The driver's own error, inside what SQLAlchemy makes of it."""
    if isinstance(error, DBAPIError):
        inner = error.orig
        if inner is not None:
            return (
                inner.__cause__
                if isinstance(inner.__cause__, (asyncpg.PostgresError, asyncpg.InterfaceError, OSError))
                else inner
            )
    return error
