"""Sources: adding, listing and removing them, and their runs. What people see of syncing comes from here."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError as DuplicateError
from sqlmodel import Session, col, delete, func, select

from app.core.audit import OPERATOR, AuditLog, Detail
from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.errors import ConfigurationError, ConflictError, InputError, NotFoundError
from app.core.identity import DEFAULT_WORKSPACE_ID, NOBODY, AccessList
from ingest.connector import Check, ReadContext
from ingest.connectors import make_connector, read_settings
from ingest.credentials import Credentials, split_secrets
from ingest.sources.alone import alone_with
from ingest.sources.values import CHANGES_SHOWN, Run, Source
from ingest.sync.records.claims import is_held
from ingest.sync.records.runs import FailureNote, Runs, counts_of, find_source
from ingest.sync.writing.holdings import stored_access
from ingest.sync.writing.store import stored
from ingest.tables import ChangeRow, CredentialRow, DocumentRow, FailureRow, SourceRow, SyncRunRow
from retrieval.index import Index

_MAX_NAME = 63
_TAKEN_NAMES = frozenset({"add", ".", ".."})
"""These mean something else in an address."""

_DELETE_AT_ONCE = 200


class Sources:
    """The sources of an installation.

    Args:
        index: only needed to remove one.
        credentials: only needed to add one that has secrets.
        on_removed: told the id of a source that is gone.
    """

    def __init__(
        self,
        database: Database,
        index: Index,
        *,
        max_file_bytes: int = 100_000_000,
        credentials: Credentials | None = None,
        audit: AuditLog | None = None,
        clock: Clock = utc_now,
        on_removed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._index = index
        self._credentials = credentials
        self._audit = audit or AuditLog(database, clock)
        self._max_file_bytes = max_file_bytes
        self._clock = clock
        self._runs = Runs(database, clock)
        self._on_removed = on_removed

    def add(
        self,
        kind: str,
        name: str,
        settings: Mapping[str, object],
        default_access: AccessList = NOBODY,
        *,
        actor: str = OPERATOR,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
    ) -> Source:
        """Adds a source that can be read now; `default_access` counts where the source itself says nothing.

        Raises:
            InputError: `invalid_source_name`, `unknown_connector`, `invalid_source_settings`, or
                `source_unreachable` when the connector's own check fails.
            ConflictError: `source_exists`.
        """
        clean = checked_name(name)
        checked = read_settings(kind, settings)
        found = self.check(kind, settings)
        if not found.ok:
            raise InputError(found.message, code="source_unreachable")
        plain, secrets = split_secrets(checked)
        row = SourceRow(
            id=new_id(),
            workspace_id=workspace_id,
            name=clean,
            kind=kind,
            settings=plain,
            default_access=stored(default_access),
            created_at=self._clock(),
            created_by=actor,
        )
        self.insert(row, secrets, actor=actor)
        return self.get(clean, workspace_id=workspace_id)

    def insert(self, row: SourceRow, secrets: Mapping[str, str], *, actor: str) -> None:
        """Stores a new source with its secrets. Raises ConflictError `source_exists`."""
        if secrets and self._credentials is None:
            raise ConfigurationError("There is no place to keep the secrets of sources.")
        try:
            with self._database.write() as session:
                session.add(row)
                session.flush()
                if self._credentials is not None:
                    self._credentials.put(session, row, secrets, actor=actor)
                self._note(session, actor, "source.added", row, {"kind": row.kind, "state": row.state})
        except DuplicateError as error:
            raise ConflictError(
                f"There is a source {row.name!r} already; choose another name.", code="source_exists"
            ) from error

    def check(self, kind: str, settings: Mapping[str, object]) -> Check:
        """Whether a source with these settings can be read. Raises InputError where they make no sense."""
        with closing(make_connector(kind, settings, ReadContext(NOBODY, self._max_file_bytes))) as connector:
            return connector.check()

    def list(self, *, workspace_id: str = DEFAULT_WORKSPACE_ID) -> list[Source]:
        """All sources by name, those that are still being set up too."""
        with self._database.read() as session:
            rows = session.exec(
                select(SourceRow).where(SourceRow.workspace_id == workspace_id).order_by(SourceRow.name)
            ).all()
            return [self._source(session, row) for row in rows]

    def get(self, name: str, *, workspace_id: str = DEFAULT_WORKSPACE_ID) -> Source:
        """Raises NotFoundError `no_such_source`."""
        with self._database.read() as session:
            return self._source(session, find_source(session, workspace_id, name))

    def set_default_access(
        self, name: str, access: AccessList, *, workspace_id: str = DEFAULT_WORKSPACE_ID
    ) -> None:
        """Who may read where the source says nothing. It counts from the next sync on."""
        with self._database.write() as session:
            row = find_source(session, workspace_id, name)
            row.default_access = stored(access)
            session.add(row)

    def queue(self, name: str, *, workspace_id: str = DEFAULT_WORKSPACE_ID) -> str:
        """Notes that a sync is wanted and returns its run's id; a run that waits already is that one."""
        return self._runs.queue(workspace_id, name)

    def cancel(self, run_id: str, *, workspace_id: str = DEFAULT_WORKSPACE_ID) -> None:
        """Asks a run to stop after the batch it is at. Raises NotFoundError `no_such_run`."""
        with self._database.write() as session:
            asked = session.exec(
                update(SyncRunRow)
                .where(col(SyncRunRow.id) == run_id, col(SyncRunRow.workspace_id) == workspace_id)
                .values(cancel_requested=True)
            )
            if asked.rowcount == 0:
                raise NotFoundError(f"There is no sync run {run_id}.", code="no_such_run")

    def runs(
        self, name: str | None = None, *, limit: int = 20, workspace_id: str = DEFAULT_WORKSPACE_ID
    ) -> Sequence[Run]:
        """The latest runs, newest first, of one source or of all."""
        with self._database.read() as session:
            query = (
                select(SyncRunRow, SourceRow.name)
                .where(SyncRunRow.source_id == SourceRow.id, SyncRunRow.workspace_id == workspace_id)
                .order_by(col(SyncRunRow.started_at).desc(), col(SyncRunRow.id).desc())
                .limit(limit)
            )
            if name is not None:
                query = query.where(SyncRunRow.source_id == find_source(session, workspace_id, name).id)
            return [_run(row, source_name) for row, source_name in session.exec(query).all()]

    def run(self, run_id: str, *, workspace_id: str = DEFAULT_WORKSPACE_ID) -> Run:
        """Raises NotFoundError `no_such_run`."""
        with self._database.read() as session:
            found = session.exec(
                select(SyncRunRow, SourceRow.name).where(
                    SyncRunRow.id == run_id,
                    SyncRunRow.workspace_id == workspace_id,
                    SyncRunRow.source_id == SourceRow.id,
                )
            ).first()
        if found is None:
            raise NotFoundError(f"There is no sync run {run_id}.", code="no_such_run")
        return _run(*found)

    def failures(self, run_id: str, *, workspace_id: str = DEFAULT_WORKSPACE_ID) -> Sequence[FailureNote]:
        """What a run could not take in or passed over. Raises NotFoundError `no_such_run`."""
        self.run(run_id, workspace_id=workspace_id)
        return self._runs.failures(run_id)

    def remove(
        self,
        name: str,
        *,
        actor: str = OPERATOR,
        wait_seconds: float = 0.0,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
    ) -> int:
        """Removes a source with all that is held of it; tells how many documents went.

        Args:
            wait_seconds: how long to wait for a run that was asked to stop.

        Raises:
            NotFoundError: `no_such_source`.
            ConflictError: `sync_running` while it is being synced.
        """
        with alone_with(self._database, self._clock, workspace_id, name, wait_seconds=wait_seconds) as source:
            gone = self._remove(source.id, workspace_id)
            self._on_removed(source.id)
            details: dict[str, Detail] = {"kind": source.kind, "documents": gone}
            self._audit.record(actor, "source.removed", "source", name, details, workspace_id=workspace_id)
            return gone

    def _remove(self, source_id: str, workspace_id: str) -> int:
        with self._database.read() as session:
            ids = session.exec(select(DocumentRow.id).where(DocumentRow.source_id == source_id)).all()
        with self._database.write() as session:
            # Killed halfway and then kept after all, the source's documents are all done again.
            session.exec(
                update(DocumentRow).where(col(DocumentRow.source_id) == source_id).values(state="indexing")
            )
        self._delete_chunks(workspace_id, ids)
        with self._database.write() as session:
            runs = select(SyncRunRow.id).where(SyncRunRow.source_id == source_id)
            session.exec(delete(FailureRow).where(col(FailureRow.source_id) == source_id))
            session.exec(delete(CredentialRow).where(col(CredentialRow.source_id) == source_id))
            session.exec(delete(ChangeRow).where(col(ChangeRow.run_id).in_(runs)))
            session.exec(delete(SyncRunRow).where(col(SyncRunRow.source_id) == source_id))
            session.exec(delete(DocumentRow).where(col(DocumentRow.source_id) == source_id))
            session.exec(delete(SourceRow).where(col(SourceRow.id) == source_id))
        # Again: an index that is being made beside took documents from the rows until now.
        self._delete_chunks(workspace_id, ids)
        return len(ids)

    def _delete_chunks(self, workspace_id: str, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), _DELETE_AT_ONCE):
            self._index.delete_documents(workspace_id, ids[start : start + _DELETE_AT_ONCE])

    def _source(self, session: Session, row: SourceRow) -> Source:
        documents, chunks = session.exec(
            select(func.count(), func.coalesce(func.sum(DocumentRow.chunk_count), 0)).where(
                DocumentRow.source_id == row.id, col(DocumentRow.indexed_at).is_not(None)
            )
        ).one()
        latest = session.exec(
            select(SyncRunRow)
            .where(SyncRunRow.source_id == row.id)
            .order_by(col(SyncRunRow.started_at).desc(), col(SyncRunRow.id).desc())
            .limit(CHANGES_SHOWN)
        ).all()
        return Source(
            id=row.id,
            name=row.name,
            kind=row.kind,
            settings=row.settings,
            default_access=stored_access(row.default_access),
            created_at=row.created_at,
            documents=documents,
            chunks=chunks,
            syncing=is_held(row, self._clock()),
            last_run=_run(latest[0], row.name) if latest else None,
            state=row.state,
            access_mode=row.access_mode,
            every_minutes=row.every_minutes,
            next_sync_at=row.next_sync_at,
            prune_share_max=row.prune_share_max,
            created_by=row.created_by,
            changes=tuple(run.upserted + run.deleted for run in reversed(latest)),
        )

    def _note(
        self, session: Session, actor: str, action: str, row: SourceRow, details: Mapping[str, Detail]
    ) -> None:
        self._audit.record(
            actor, action, "source", row.name, details, workspace_id=row.workspace_id, session=session
        )


def checked_name(name: str) -> str:
    """A name for a source, without the white space around it. Raises InputError `invalid_source_name`."""
    clean = name.strip()
    if not clean:
        raise InputError("Give the source a name.", code="invalid_source_name")
    if len(clean) > _MAX_NAME or not clean.isprintable() or "/" in clean or clean in _TAKEN_NAMES:
        raise InputError(
            f"{clean[:100]!r} cannot name a source; use 1 to {_MAX_NAME} printable characters without a "
            "slash, and another word than “add”.",
            code="invalid_source_name",
        )
    return clean


def _run(row: SyncRunRow, source_name: str) -> Run:
    return Run(
        id=row.id,
        source_name=source_name,
        state=row.state,
        message=row.message,
        counts=counts_of(row),
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        finished_at=row.finished_at,
        resumed=row.resumed,
        kind=row.kind,
        code=row.code,
        to_remove=row.to_remove,
        resume_at=row.resume_at,
        asked_by=row.asked_by,
        stopping=row.finished_at is None and (row.cancel_requested or row.pause_requested),
    )
