"""Backup and restore of an installation that keeps its records and vectors on this machine."""

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.clock import utc_now
from app.core.config import Settings
from app.core.errors import ConfigurationError, ConflictError, InputError, NotFoundError
from app.migrations import head

if TYPE_CHECKING:
    from app.wiring import House

_MANIFEST = "backup.json"
_DATABASE = "rung.db"
_INDEX = "index"
_ADAPTERS = "adapters"


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds."""

    folder: Path
    revision: str
    created_at: str
    database_bytes: int
    index_bytes: int


def back_up(house: "House", target: Path) -> Backup:
    """Copies the database, the index and the adapters into an empty folder while Rung goes on answering.

    Raises:
        ConfigurationError: `not_embedded`, where PostgreSQL or a Qdrant server hold the data.
        ConflictError: `not_empty`, where the target already holds something.
    """
    settings = house.settings
    _require_embedded(settings)
    if target.exists() and any(target.iterdir()):
        raise ConflictError(f"{target} is not empty; name a new folder.", code="not_empty")
    target.mkdir(parents=True, exist_ok=True)
    house.index.flush()
    # The index first: a chunk that arrives in between is then written again by the next sync, never lost.
    shutil.copytree(
        settings.data_dir / _INDEX,
        target / _INDEX,
        ignore=shutil.ignore_patterns("*.sock", "*.lock", "*.log"),
    )
    with (
        closing(sqlite3.connect(settings.data_dir / _DATABASE)) as source,
        closing(sqlite3.connect(target / _DATABASE)) as copy,
    ):
        source.backup(copy)
    # After the database: an adapter's files are whole before its version is written down.
    if settings.adapters_folder.is_dir():
        shutil.copytree(settings.adapters_folder, target / _ADAPTERS)
    manifest = {"revision": head(), "created_at": utc_now().isoformat()}
    (target / _MANIFEST).write_text(json.dumps(manifest))
    return _describe(target)


def restore(settings: Settings, source: Path, *, replace: bool = False) -> Backup:
    """Puts a backup into the data folder. What stood there is moved aside, never deleted.

    Raises:
        NotFoundError: `no_backup`, where the folder holds none.
        ConflictError: `data_exists`, where the data folder is in use and `replace` was not given.
        InputError: `damaged_backup`, where the copy of the database is not whole.
    """
    _require_embedded(settings)
    if not (source / _MANIFEST).is_file():
        raise NotFoundError(f"{source} holds no backup of Rung.", code="no_backup")
    with closing(sqlite3.connect(source / _DATABASE)) as database:
        if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise InputError(
                f"The database in {source} is damaged; use another backup.", code="damaged_backup"
            )
    if (settings.data_dir / _DATABASE).exists():
        if not replace:
            raise ConflictError(
                f"{settings.data_dir} is in use. Stop Rung and give --replace; what is there is moved aside.",
                code="data_exists",
            )
        settings.data_dir.rename(
            settings.data_dir.with_name(f"{settings.data_dir.name}-{utc_now():%Y%m%dT%H%M%S}")
        )
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source / _INDEX, settings.data_dir / _INDEX)
    shutil.copy2(source / _DATABASE, settings.data_dir / _DATABASE)
    if (source / _ADAPTERS).is_dir():
        shutil.copytree(source / _ADAPTERS, settings.adapters_folder, dirs_exist_ok=True)
    return _describe(source)


def _require_embedded(settings: Settings) -> None:
    if settings.database_url or settings.qdrant_url:
        raise ConfigurationError(
            "This copies the data folder; for PostgreSQL and a Qdrant server use pg_dump and snapshots.",
            code="not_embedded",
        )


def _describe(folder: Path) -> Backup:
    manifest = json.loads((folder / _MANIFEST).read_text())
    return Backup(
        folder=folder,
        revision=manifest["revision"],
        created_at=manifest["created_at"],
        database_bytes=(folder / _DATABASE).stat().st_size,
        index_bytes=sum(path.stat().st_size for path in (folder / _INDEX).rglob("*") if path.is_file()),
    )
