"""Reads a database: every row by id at first, then those that changed since."""

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError

from app.core.clock import utc_now
from app.core.errors import RungError
from ingest.connector import (
    About,
    Change,
    Check,
    Checkpoint,
    ConnectorSettings,
    Delete,
    Estimate,
    Failure,
    Finding,
    KnownRevision,
    ReadContext,
    Unchanged,
    Upsert,
)
from ingest.connectors.sql.database import ReadOnlyDatabase
from ingest.connectors.sql.documents import Documents
from ingest.connectors.sql.moments import before, not_after
from ingest.connectors.sql.rows import Found, Rows
from ingest.connectors.sql.settings import SqlSettings

_CHECKPOINT_EVERY = 50
_COUNTED_ROWS = 1_000_000
_WITHOUT_ID = "(rows without an id)"
_SHOWN_COLUMNS = 30


class _State(BaseModel):
    """A checkpoint: what is being read, the last row of it, and where the next pass begins (`high`)."""

    choice: str
    stage: str = ""
    key: tuple[Any, ...] = ()
    since: Any = None
    high: Any = None


class SqlConnector:
    """Reads the rows of a table or query, in sessions that cannot write.

    With a column of the last change a pass reads rows in its order, from a little before the last one on;
    rows where it is NULL are read in each pass. A revision is a hash of a row's values, so that a row read
    twice is not taken in twice.
    """

    kind: ClassVar[str] = "sql"
    about: ClassVar[About] = About(
        title="SQL database",
        summary="Rows of a PostgreSQL database or an SQLite file, each as a document.",
        needs="The database's address, a user who may only read, and the table or query.",
        tells_access=True,
    )
    settings_type: ClassVar[type[ConnectorSettings]] = SqlSettings
    lists_quickly: ClassVar[bool] = True

    def __init__(self, settings: SqlSettings, context: ReadContext) -> None:
        self._settings = settings
        self._database = ReadOnlyDatabase(settings, context)
        self._rows = Rows(settings, self._database)
        self._documents = Documents(settings, context)

    def check(self) -> Check:
        """Whether the database lets us in, has the columns that are named, and ids that are unique."""
        findings: list[Finding] = []
        looking = f"Reading the rows at {self._settings.host}"
        try:
            columns = self._rows.columns()
            findings.append(
                Finding(True, f"{self._settings.host} let Rung in, in a session that cannot write.")
            )
            findings.append(Finding(True, f"Columns: {', '.join(columns[:_SHOWN_COLUMNS])}."))
            looking = "Looking for an id that several rows have"
            repeated = self._rows.repeated_id()
            nameless = self._rows.without_id()
        except RungError as error:
            return Check(False, error.message, (*findings, Finding(False, looking, error.message)))
        if repeated is not None:
            remedy = "Name the columns that together are unique."
            findings.append(Finding(False, f"Several rows have the id {repeated}.", remedy))
            return Check(False, f"Several rows have the id {repeated}. {remedy}", tuple(findings))
        findings.append(Finding(True, "Each id names one row."))
        if nameless:
            findings.append(
                Finding(True, f"{nameless:,} rows have no id and are left out.", "Give them one.")
            )
        return Check(True, "The rows can be read.", tuple(findings))

    def estimate(self) -> Estimate:
        """See `Connector.estimate`. Counts up to a million rows; their size is not known before."""
        counted = self._rows.count(_COUNTED_ROWS + 1)
        return Estimate(min(counted, _COUNTED_ROWS), at_least=counted > _COUNTED_ROWS)

    def pull(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
        """See `Connector.pull`. A checkpoint names the last row and where the next pass begins."""
        self._rows.columns()
        state = self._begin(checkpoint)
        if state.stage == "all":
            yield from self._stage(state, self._rows.by_id(state.key), known)
        if state.stage == "since":
            yield from self._stage(state, self._rows.since(state.since, state.key), known)
            state = state.model_copy(update={"stage": "never", "key": ()})
        if state.stage == "never":
            yield from self._stage(state, self._rows.by_id(state.key, only_never_updated=True), known)
        yield from self._nameless()
        done = _State(choice=state.choice, high=state.high).model_dump_json()
        yield Checkpoint(done if self._settings.updated_column else "", last=True)

    def fetch(self, external_id: str) -> Upsert | Delete | Failure:
        """See `Connector.fetch`."""
        self._rows.columns()
        if external_id == _WITHOUT_ID:
            return next(self._nameless(), Delete(external_id))
        found = self._rows.one(external_id)
        if found is None or self._documents.is_deleted(found):
            return Delete(external_id)
        return self._documents.document(found)

    def list_ids(self) -> Iterator[str]:
        """See `Connector.list_ids`."""
        self._rows.columns()
        for found in self._rows.by_id():
            if not self._documents.is_deleted(found):
                yield found.external_id
        for failure in self._nameless():
            yield failure.external_id

    def close(self) -> None:
        """Gives connections back."""
        self._database.close()

    def _begin(self, checkpoint: str) -> _State:
        """Where to go on. Another choice of rows or texts means to go over everything and compare."""
        try:
            state = _State.model_validate_json(checkpoint) if checkpoint else None
        except ValidationError:
            # Written by another version: everything is compared instead.
            state = None
        if state is not None and state.choice == self._settings.choice and state.stage:
            return state
        # Asked before the first row is read: what changes meanwhile is then read by the next pass.
        high = not_after(self._rows.newest(), utc_now()) if self._settings.updated_column else None
        if state is None or state.choice != self._settings.choice or state.high is None:
            return _State(choice=self._settings.choice, stage="all", high=high)
        since = before(state.high, self._settings.overlap_minutes)
        return _State(choice=state.choice, stage="since", since=since, high=high)

    def _stage(self, state: _State, rows: Iterator[Found], known: KnownRevision) -> Iterator[Change]:
        for number, found in enumerate(rows, start=1):
            yield self._change(found, known)
            if number % _CHECKPOINT_EVERY == 0:
                key = (found.updated, *found.key) if state.stage == "since" else found.key
                yield Checkpoint(state.model_copy(update={"key": key}).model_dump_json())

    def _change(self, found: Found, known: KnownRevision) -> Change:
        if self._documents.is_deleted(found):
            return Delete(found.external_id)
        if known(found.external_id) == self._documents.revision(found):
            return Unchanged(found.external_id, self._documents.access(found))
        return self._documents.document(found)

    def _nameless(self) -> Iterator[Failure]:
        number = self._rows.without_id()
        if number:
            columns = ", ".join(self._settings.id_columns)
            reason = f"{number:,} rows have NULL in {columns} and cannot be named; give them an id."
            yield Failure(_WITHOUT_ID, "id_missing", reason)
