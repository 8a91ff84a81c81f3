"""The database's tables through time, by Alembic. Revisions stand in `versions/`, oldest first."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect

from app.core.db import Database
from app.core.errors import ConfigurationError

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).resolve().parent


def _config(database: Database) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["engine"] = database.engine
    return config


def upgrade(database: Database, revision: str = "head") -> str:
    """Brings the tables up to this version, or to an earlier `revision`, and returns its name.

    Raises:
        ConflictError: `database_rows_lost`: rows name others that are not there; nothing was changed.
    """
    from alembic import command

    command.upgrade(_config(database), revision)
    return head() if revision == "head" else revision


def head() -> str:
    """The newest revision that this checkout knows."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return ScriptDirectory.from_config(config).get_current_head() or "empty"


def current(database: Database) -> str | None:
    """The revision that the database is at, or nothing where it has no tables yet."""
    from alembic.migration import MigrationContext

    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def require_current(database: Database) -> None:
    """Makes the tables in an empty database; refuses one that is behind or ahead.

    Raises:
        ConfigurationError: `database_behind`, with the command that mends it, or `database_ahead`.
    """
    if not inspect(database.engine).get_table_names():
        upgrade(database)
        return
    found, wanted = current(database), head()
    if found == wanted:
        return
    from alembic.script import ScriptDirectory

    known = {revision.revision for revision in ScriptDirectory(str(_FOLDER)).walk_revisions()}
    if found in known or found is None:
        raise ConfigurationError(
            f"The database is at {found or 'no revision'}, this version needs {wanted}. "
            "Make a backup, then run: python -m app migrate",
            code="database_behind",
        )
    raise ConfigurationError(
        f"The database is at {found}, which this version does not know: it was used with a newer one.",
        code="database_ahead",
    )
