"""Sets sources up: a draft is checked, previewed, estimated, given readers and a schedule, and started.

Looking at a source never holds a transaction: its row is read, then the source, then what was found is
told. Nothing of a look is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError as DuplicateError
from sqlmodel import Session

from app.core.audit import AuditLog, Detail
from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.directory import Directory
from app.core.errors import ConflictError, InputError, UnavailableError
from app.core.identity import DEFAULT_WORKSPACE_ID
from ingest.connector import About, Check, ConnectorSettings, Finding
from ingest.connectors import CONNECTORS, connector_type
from ingest.connectors.checked import SettingsError, checked_settings
from ingest.credentials import Credentials, join_secrets, split_secrets
from ingest.credentials.store import SetSecret
from ingest.sources.access import WAIT_FOR_RUN_SECONDS, AccessWriter, checked_access
from ingest.sources.estimating import SourceEstimate, estimate_of
from ingest.sources.fields import SettingField, refuse_other_place, setting_fields
from ingest.sources.looking import Looks
from ingest.sources.preview import Preview, Previewer
from ingest.sources.service import Sources, checked_name
from ingest.sources.values import AccessChoice, Schedule, Source
from ingest.sync.control import SyncControl
from ingest.sync.records.runs import find_source
from ingest.sync.writing.holdings import stored_access
from ingest.tables import SourceRow
from retrieval.index import Index

LONGEST_EVERY_MINUTES = 60 * 24 * 31


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source that can be added, and what to fill in."""

    kind: str
    about: About
    fields: tuple[SettingField, ...]
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filled:
    """What is filled in of a source: its settings without secrets, and which secrets are set."""

    kind: Kind
    settings: Mapping[str, Any]
    secrets: Mapping[str, SetSecret]


class SetUp:
    """What admins do to set a source up and to change it. `actor` is who does it, for the audit log.

    Args:
        sources: where a draft is added and told.
        syncs: stops a run while the readers of a source are changed, and goes over the source afterwards.
    """

    def __init__(
        self,
        database: Database,
        index: Index,
        *,
        sources: Sources,
        credentials: Credentials,
        audit: AuditLog,
        directory: Directory,
        syncs: SyncControl,
        looks: Looks,
        previewer: Previewer,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._index = index
        self._sources = sources
        self._credentials = credentials
        self._audit = audit
        self._directory = directory
        self._syncs = syncs
        self._looks = looks
        self._previewer = previewer
        self._clock = clock
        self._access = AccessWriter(database, index, audit, syncs, clock)

    def kinds(self) -> list[Kind]:
        """The kinds of sources, by title."""
        return sorted((self.kind(name) for name in CONNECTORS), key=lambda kind: kind.about.title.lower())

    def kind(self, name: str) -> Kind:
        """Raises InputError `unknown_connector`."""
        found = connector_type(name)
        schema = found.settings_type.model_json_schema()
        return Kind(name, found.about, setting_fields(found.settings_type), schema)

    def filled(self, name: str, *, workspace_id: str = DEFAULT_WORKSPACE_ID) -> Filled:
        """What is filled in. Raises NotFoundError `no_such_source`."""
        row = self._row(name, workspace_id)
        return Filled(self.kind(row.kind), row.settings, self._credentials.set_fields(row.id))

    def groups(self) -> list[str]:
        """The groups of the directory."""
        return sorted({group for person in self._directory.list() for group in person.groups})

    def draft(
        self,
        kind: str,
        name: str,
        settings: Mapping[str, object],
        *,
        actor: str,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
    ) -> Source:
        """Begins a source. It is listed as a draft and not synced until it is started.

        Raises:
            InputError: `unknown_connector`.
            SettingsError: what is wrong, by field; `name` is the source's name.
        """
        errors: dict[str, str] = {}
        settings_type = connector_type(kind).settings_type
        clean = self._free_name(name, workspace_id, errors)
        checked = _collect(settings_type, settings, errors)
        if checked is None or errors:
            raise SettingsError(errors)
        plain, secrets = split_secrets(checked)
        row = SourceRow(
            id=new_id(),
            workspace_id=workspace_id,
            name=clean,
            kind=kind,
            settings=plain,
            default_access=[],
            created_at=self._clock(),
            created_by=actor,
            state="draft",
        )
        try:
            self._sources.insert(row, secrets, actor=actor)
        except ConflictError as error:
            raise SettingsError({"name": error.message}, code=error.code) from error
        return self._sources.get(clean, workspace_id=workspace_id)

    def change_settings(
        self,
        name: str,
        settings: Mapping[str, object],
        *,
        forget: frozenset[str] = frozenset(),
        new_name: str | None = None,
        actor: str,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
    ) -> Source:
        """Replaces the settings. A secret that is not among them stays as it is, one of `forget` is taken
        away. The next pass goes over everything, because it may be another place. A draft may also get a
        `new_name`.

        Raises:
            SettingsError: what is wrong, by field; `name` is the source's name.
        """
        row, errors = self._row(name, workspace_id), dict[str, str]()
        settings_type = connector_type(row.kind).settings_type
        given = {key: value for key, value in settings.items() if value not in (None, "")}
        kept = set(self._credentials.set_fields(row.id)) - forget - set(given)
        stands = self._credentials.of(row, purpose="change settings", actor=actor) if kept else {}
        whole = {**given, **{field: stands[field] for field in kept if field in stands}}
        called = name if new_name is None else self._renamed(row, new_name, errors)
        checked = _collect(settings_type, whole, errors)
        if checked is None or errors:
            raise SettingsError(errors)
        plain, secrets = split_secrets(checked)
        if "watch" in row.settings and "watch" not in settings:
            plain["watch"] = row.settings["watch"]
        refuse_other_place(settings_type, row.settings, plain, kept)
        fresh = {field: text for field, text in secrets.items() if field in given}
        try:
            self._replace(row.id, called, plain, {**fresh, **dict.fromkeys(forget, "")}, actor)
        except DuplicateError as error:
            raise SettingsError({"name": _taken(called)}, code="source_exists") from error
        return self._sources.get(called, workspace_id=workspace_id)

    def _replace(
        self, source_id: str, name: str, plain: Mapping[str, Any], secrets: Mapping[str, str], actor: str
    ) -> None:
        with self._database.write() as session:
            row = session.get_one(SourceRow, source_id)
            changed = sorted(key for key in plain if plain[key] != row.settings.get(key))
            before, row.name, row.settings = row.name, name, dict(plain)
            if changed:
                row.cursor = ""
            session.add(row)
            session.flush()
            self._credentials.put(session, row, secrets, actor=actor)
            if before != name:
                self._note(session, actor, "source.renamed", row, {"before": before})
            self._note(session, actor, "source.settings", row, {"changed": ", ".join(changed)})

    def check(self, name: str, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> Check:
        """Whether the source can be read, what was tried, and what to do if not."""
        row = self._row(name, workspace_id)
        try:
            settings = self._settings(row, "check", actor)
            return self._looks.look(row.kind, settings, lambda connector, _: connector.check())
        except (InputError, UnavailableError) as error:
            return Check(False, error.message, (Finding(False, error.message),))

    def preview(self, name: str, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> Preview:
        """The first documents as they would be indexed, with their access.

        Raises:
            UnavailableError, InputError: the source cannot be read.
        """
        row, found = self._row(name, workspace_id), Preview()
        default = stored_access(row.default_access)
        preview = self._looks.look(
            row.kind,
            self._settings(row, "preview", actor),
            lambda connector, stop: self._previewer.read(connector, found, stop),
            default_access=default,
            partial=lambda: Preview(list(found.documents), list(found.failures)),
        )
        if row.access_mode == "fixed":
            preview.documents = [d.with_access(default) for d in preview.documents]
        return preview

    def estimate(self, name: str, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> SourceEstimate:
        """Documents, time and room of a first sync. Raises UnavailableError or InputError."""
        row = self._row(name, workspace_id)
        counted = self._looks.look(
            row.kind, self._settings(row, "estimate", actor), lambda connector, _: connector.estimate()
        )
        return estimate_of(self._database, self._index, counted)

    def choose(
        self,
        name: str,
        choice: AccessChoice,
        schedule: Schedule,
        *,
        actor: str,
        workspace_id: str = DEFAULT_WORKSPACE_ID,
    ) -> None:
        """Both of the following, or neither where one makes no sense. Raises as they do."""
        row = self._row(name, workspace_id)
        check_schedule(schedule, can_watch=self.can_watch(row.kind))
        self.choose_access(name, choice, actor=actor, workspace_id=workspace_id)
        self.choose_schedule(name, schedule, actor=actor, workspace_id=workspace_id)

    def choose_access(
        self, name: str, choice: AccessChoice, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID
    ) -> int:
        """Sets who may see the source, and tells of how many documents it changed the readers at once.

        See `access` for when it counts.

        Raises:
            InputError: `unknown_group`, `nobody_chosen`, `access_not_told`.
            ConflictError: `sync_running` when a run does not stop in time.
        """
        row = self._row(name, workspace_id)
        before = stored_access(row.default_access)
        checked_access(choice, connector_type(row.kind).about, {*self.groups()}, before)
        return self._access.change(name, choice, actor=actor, workspace_id=workspace_id)

    def choose_schedule(
        self, name: str, schedule: Schedule, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID
    ) -> None:
        """Sets how often it is synced. Raises InputError `invalid_schedule`, `invalid_prune_share`."""
        row = self._row(name, workspace_id)
        check_schedule(schedule, can_watch=self.can_watch(row.kind))
        with self._database.write() as session:
            row = find_source(session, workspace_id, name)
            every, now = schedule.every_minutes, self._clock()
            if every != row.every_minutes:
                row.next_sync_at = now + timedelta(minutes=every) if every is not None else None
            row.every_minutes, row.prune_share_max = every, schedule.prune_share_max
            if self.can_watch(row.kind):
                row.settings = {**row.settings, "watch": schedule.watch}
            session.add(row)
            details: dict[str, Detail] = {
                "every_minutes": every,
                "watch": schedule.watch,
                "prune_share_max": schedule.prune_share_max,
            }
            self._note(session, actor, "source.schedule", row, details)

    def can_watch(self, kind: str) -> bool:
        """Whether changes in sources of this kind can be taken in as they happen."""
        return "watch" in connector_type(kind).settings_type.model_fields

    def start(self, name: str, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> str:
        """Ends the setting up of a draft and wants its first sync; tells the run's id.

        Raises:
            ConflictError: `source_started` for one that is no draft.
        """
        with self._database.write() as session:
            row = find_source(session, workspace_id, name)
            if row.state != "draft":
                raise ConflictError(f"{name} is set up already; sync it instead.", code="source_started")
            row.state = "active"
            session.add(row)
            self._note(session, actor, "source.started", row, {})
        return self._syncs.start(name, actor=actor, workspace_id=workspace_id)

    def remove(self, name: str, *, actor: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> int:
        """Removes a source with all that is held of it, a run under way being stopped first; tells how many
        documents went.

        Raises:
            ConflictError: `sync_running` when the run does not stop in time.
        """
        source = self._sources.get(name, workspace_id=workspace_id)
        if source.syncing and source.state == "active":
            self._syncs.pause(name, actor=actor, workspace_id=workspace_id)
        return self._sources.remove(
            name, actor=actor, wait_seconds=WAIT_FOR_RUN_SECONDS, workspace_id=workspace_id
        )

    def _row(self, name: str, workspace_id: str) -> SourceRow:
        with self._database.read() as session:
            return find_source(session, workspace_id, name)

    def _settings(self, row: SourceRow, purpose: str, actor: str) -> ConnectorSettings:
        return join_secrets(row.kind, row.settings, self._credentials.of(row, purpose=purpose, actor=actor))

    def _free_name(self, name: str, workspace_id: str, errors: dict[str, str]) -> str:
        try:
            clean = checked_name(name)
        except InputError as error:
            errors["name"] = error.message
            return name
        if any(source.name == clean for source in self._sources.list(workspace_id=workspace_id)):
            errors["name"] = _taken(clean)
        return clean

    def _renamed(self, row: SourceRow, name: str, errors: dict[str, str]) -> str:
        if name.strip() == row.name:
            return row.name
        if row.state != "draft":
            errors["name"] = "Only a draft can be renamed: filters and links use the name of a source."
            return row.name
        return self._free_name(name, row.workspace_id, errors)

    def _note(
        self, session: Session, actor: str, action: str, row: SourceRow, details: Mapping[str, Detail]
    ) -> None:
        self._audit.record(
            actor, action, "source", row.name, details, workspace_id=row.workspace_id, session=session
        )


def check_schedule(schedule: Schedule, *, can_watch: bool) -> None:
    """Raises InputError `invalid_schedule` or `invalid_prune_share`."""
    every = schedule.every_minutes
    if every is not None and not 1 <= every <= LONGEST_EVERY_MINUTES:
        raise InputError("Sync every minute at most and once a month at least.", code="invalid_schedule")
    if schedule.watch and not can_watch:
        raise InputError("This kind of source cannot be watched; choose a time.", code="invalid_schedule")
    if not 0 <= schedule.prune_share_max <= 1:
        raise InputError("Choose a share from 0 to 100 per cent.", code="invalid_prune_share")


def _taken(name: str) -> str:
    return f"There is a source {name!r} already; choose another name."


def _collect(
    settings_type: type[ConnectorSettings], settings: Mapping[str, object], errors: dict[str, str]
) -> ConnectorSettings | None:
    try:
        return checked_settings(settings_type, settings)
    except SettingsError as error:
        errors.update(error.errors)
        return None
