"""What a database refuses, in words. Nothing of a statement, its values or the address gets into them."""

import re
import sqlite3
from collections.abc import Mapping

from sqlalchemy.exc import DBAPIError

from app.core.errors import InputError, UnavailableError
from ingest.connectors.sql.settings import SqlSettings
from ingest.remote import TryAgainError

_LATER = ("08", "53", "57P", "40", "55P03")
_REFUSED: Mapping[str, tuple[str, str]] = {
    "28": ("sign_in_failed", "The database refused user or password. Enter both again."),
    "3D000": ("database_missing", "There is no such database on this server. Check the address."),
    "42P01": ("table_missing", "A table is not there: {text}. Check its name and schema."),
    "3F000": ("table_missing", "A schema is not there: {text}. Check its name."),
    "42703": ("column_missing", "A column is not there: {text}. Check its name."),
    "57014": (
        "query_too_slow",
        "A query took longer than allowed. Add an index for the columns of id and last change, or allow more "
        "seconds.",
    ),
    "25": (
        "query_writes",
        "The query would write, and Rung only reads: {text}. Take that out of the query.",
    ),
    "0A000": ("query_refused", "The database does not run the query: {text}."),
    "42": ("query_refused", "The database does not understand the query: {text}."),
    "22": ("query_refused", "A value does not fit: {text}. Check the query and the columns."),
}
_SIGN_IN = re.compile(r"password authentication failed|no password supplied|pg_hba|role .* does not exist")
_NO_DATABASE = re.compile(r"database .* does not exist")
_TLS = re.compile(r"SSL|certificate", re.IGNORECASE)
_DENIED = re.compile(
    r"permission denied for (table|view|relation|schema|materialized view|foreign table) (\S+)"
)


def database_error(settings: SqlSettings, error: DBAPIError) -> Exception:
    """The error to raise in place of the library's, which holds statement and values."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _sqlite_error(cause)
    state = str(getattr(cause, "sqlstate", None) or "")
    diagnosis = getattr(cause, "diag", None)
    text = str(getattr(diagnosis, "message_primary", None) or "").strip().rstrip(".")
    if not state:
        return _unreachable(settings, str(cause))
    if state == "42501":
        return _permission(settings, text)
    if state.startswith(_LATER) and state != "57014":
        return TryAgainError(f"The database is busy or restarting: {text}.", code="source_unreachable")
    for start, (code, message) in sorted(_REFUSED.items(), key=lambda item: -len(item[0])):
        if state.startswith(start):
            return InputError(message.format(text=text), code=code)
    return UnavailableError(f"The database failed: {text or state}.", code="source_failed")


def _permission(settings: SqlSettings, text: str) -> InputError:
    found = _DENIED.search(text)
    user = settings.url.username or "the user"
    if found is None:
        return InputError(f"The database does not allow it: {text}.", code="permission_missing")
    name = found[2].strip('"')
    if found[1] == "schema":
        statement = f'GRANT USAGE ON SCHEMA "{name}" TO "{user}";'
    else:
        table = settings.table if settings.table.rpartition(".")[2].strip('"') == name else f'"{name}"'
        statement = f'GRANT SELECT ON {table} TO "{user}";'
    return InputError(
        f"The user {user} may not read {found[1]} {name}. Let an owner of it run: {statement}",
        code="permission_missing",
    )


def _unreachable(settings: SqlSettings, text: str) -> Exception:
    """What the client library says before there is a session; it comes without a code."""
    if _SIGN_IN.search(text):
        return InputError(_REFUSED["28"][1], code="sign_in_failed")
    if _NO_DATABASE.search(text):
        return InputError(_REFUSED["3D000"][1], code="database_missing")
    if _TLS.search(text):
        return InputError(
            f"No secure connection to {settings.host} was agreed on. Check sslmode in the address and the "
            "server's certificate.",
            code="tls_failed",
        )
    return TryAgainError(
        f"{settings.host} cannot be reached. Check machine and port, and that it lets this machine in.",
        code="source_unreachable",
    )


def _sqlite_error(cause: sqlite3.Error) -> Exception:
    text = str(cause)
    if "unable to open" in text:
        return InputError("The file cannot be opened. Check its path and rights.", code="database_missing")
    if "locked" in text or "busy" in text:
        return TryAgainError("The file is being written to by another program.", code="source_unreachable")
    if "interrupted" in text:
        return InputError(_REFUSED["57014"][1], code="query_too_slow")
    if "readonly" in text:
        return InputError(_REFUSED["25"][1].format(text=text), code="query_writes")
    if "no such table" in text:
        return InputError(_REFUSED["42P01"][1].format(text=text), code="table_missing")
    if "no such column" in text:
        return InputError(_REFUSED["42703"][1].format(text=text), code="column_missing")
    if "not a database" in text or "malformed" in text:
        return InputError("The file is no SQLite database, or a damaged one.", code="database_damaged")
    return InputError(f"The database does not run the query: {text}.", code="query_refused")
