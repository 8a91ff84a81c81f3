"""The adapters of an installation, as people manage them."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from app.core.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from app.core.identity import Caller
from retrieval.passage import Passage
from routing.adapters.adapter import (
    Adapter,
    AdapterChoice,
    AdapterEvent,
    AdapterVersion,
    Assignment,
    ExampleCounts,
    ExampleFilters,
    Judgement,
    Report,
    Scope,
    ServerState,
    TrainSettings,
    ignore_progress,
)
from routing.adapters.choice import Chooser
from routing.adapters.learning.making import Making, Parts
from routing.adapters.server import LoraServer
from routing.adapters.service import pick
from routing.adapters.store import version_of
from routing.adapters.tables import AdapterVersionRow

ALL_EXAMPLES = ExampleFilters()
DEFAULT_TRAINING = TrainSettings()

_LONGEST_VALUE = 200


class Adapters:
    """Lists, assigns, trains, judges, publishes and retires adapters; chooses one for a question.

    What changes anything needs an admin: ForbiddenError `admin_only` for anybody else.
    """

    def __init__(self, making: Making, parts: Parts, server: LoraServer, chooser: Chooser) -> None:
        self._making = making
        self._store = parts.store
        self._service = parts.service
        self._server = server
        self._chooser = chooser

    def list(self, workspace_id: str) -> tuple[Adapter, ...]:
        """Every adapter with its versions, by name; one whose versions are all retired included."""
        return self._store.adapters(workspace_id)

    def get(self, workspace_id: str, name: str) -> Adapter:
        """Raises NotFoundError `no_such_adapter`."""
        for adapter in self._store.adapters(workspace_id):
            if adapter.name == name:
                return adapter
        raise NotFoundError(f"There is no adapter {name!r}.", code="no_such_adapter")

    def history(self, workspace_id: str, name: str) -> tuple[AdapterEvent, ...]:
        """Who did what when, newest first. Raises NotFoundError `no_such_adapter`."""
        self.get(workspace_id, name)
        return self._store.events(workspace_id, name)

    def assignments(self, workspace_id: str) -> tuple[Assignment, ...]:
        """Which questions go to which adapter: teams first, then source kinds, then the workspace."""
        return self._store.assignments(workspace_id)

    def assign(self, caller: Caller, scope: Scope, value: str, adapter: str) -> Assignment:
        """Gives a scope's questions to an adapter; what stood there before is replaced.

        Raises:
            NotFoundError: `no_such_adapter`.
            InputError: `bad_scope`, `no_scope_value`.
        """
        _require_admin(caller)
        self.get(caller.workspace_id, adapter)
        checked = _check_scope(scope, value.strip())
        return self._store.assign(caller.workspace_id, scope, checked, adapter, _who(caller))

    def unassign(self, caller: Caller, assignment_id: str) -> None:
        """Raises NotFoundError `no_such_assignment`."""
        _require_admin(caller)
        self._store.unassign(caller.workspace_id, assignment_id, _who(caller))

    def example_counts(self, workspace_id: str, filters: ExampleFilters = ALL_EXAMPLES) -> ExampleCounts:
        """The examples that training would use now. Counts alone: no text of a question or an answer."""
        return self._making.counts(workspace_id, filters)

    def train(
        self,
        caller: Caller,
        name: str,
        base_dir: Path,
        *,
        settings: TrainSettings = DEFAULT_TRAINING,
        filters: ExampleFilters = ALL_EXAMPLES,
        report: Report = ignore_progress,
    ) -> AdapterVersion:
        """Trains a new version, a candidate. Stopped, the same call goes on where it was.

        Raises:
            InputError: `bad_adapter_name`, `too_few_examples`, `bad_base`, `no_chat_template`.
            ConflictError: `training_running`.
        """
        _require_admin(caller)
        return self._making.train(caller, name, base_dir, settings, filters, report)

    def add(
        self, caller: Caller, name: str, folder: Path, base_dir: Path, access: Sequence[str]
    ) -> AdapterVersion:
        """Takes in an adapter that was trained elsewhere, as a candidate. `access` says whom it may serve, as
        principals such as `everyone` or `group:finance`; nothing known of its documents means nobody. Its
        widths are checked against the base model in `base_dir`.

        Raises:
            InputError: `access_unknown`, `invalid_principal`, or what is wrong with the folder.
        """
        _require_admin(caller)
        return self._making.add(caller, name, folder, base_dir, access)

    def judge(
        self, caller: Caller, name: str, version: int | None = None, report: Report = ignore_progress
    ) -> Judgement:
        """Compares a version (the newest candidate) with the one in service, or the bare base model, on
        held-out questions through the running server, and keeps the result.

        Raises:
            NotFoundError: `no_such_adapter`, `no_such_version`.
            InputError: `too_few_held_out`, or what is wrong with the adapter's files.
            UnavailableError: `local_server_unreachable` and its like.
        """
        _require_admin(caller)
        adapter = self.get(caller.workspace_id, name)
        row = pick(self._store, caller.workspace_id, adapter, version)
        return self._making.judge(row, self._row(caller, adapter.in_service), _who(caller), report)

    def publish(self, caller: Caller, name: str, version: int | None = None) -> AdapterVersion:
        """Puts a version (the newest candidate) in service: loads it, makes sure that it is there, switches.
        The one before is kept as `previous`. Killed at any point, it can be called again.

        Raises:
            NotFoundError: `no_such_adapter`, `no_such_version`.
            ConflictError: `not_better`, unless it was judged better than what is in service now.
            InputError, UnavailableError: as `judge`; what is in service stays.
        """
        _require_admin(caller)
        adapter = self.get(caller.workspace_id, name)
        row = pick(self._store, caller.workspace_id, adapter, version)
        self._service.publish(adapter, row, _who(caller))
        return self._again(row)

    def roll_back(self, caller: Caller, name: str) -> AdapterVersion:
        """Puts the previous version in service again; the one it replaces becomes `previous`.

        Raises:
            ConflictError: `no_previous`. Otherwise as `publish`.
        """
        _require_admin(caller)
        adapter = self.get(caller.workspace_id, name)
        row = self._row(caller, adapter.previous)
        if row is None:
            raise ConflictError(
                f"{name} has no previous version to go back to. Retire what is in service, and the base "
                "model answers.",
                code="no_previous",
            )
        self._service.roll_back(row, adapter.in_service, _who(caller))
        return self._again(row)

    def retire(
        self, caller: Caller, name: str, version: int | None = None, *, in_service: bool = False
    ) -> AdapterVersion:
        """Takes a version (the newest that is not retired) out of use and off the server.

        Raises:
            ConflictError: `in_service`, for the version that answers now, unless `in_service` is true.
        """
        _require_admin(caller)
        adapter = self.get(caller.workspace_id, name)
        wanted = version or next((v.version for v in adapter.versions if v.state != "retired"), None)
        row = pick(self._store, caller.workspace_id, adapter, wanted)
        self._service.retire(row, _who(caller), in_service=in_service)
        return self._again(row)

    def server(self) -> ServerState:
        """What the chat server says of itself now. Raises nothing: `problem` says what is wrong."""
        return self._server.state()

    def choose(self, caller: Caller, passages: Sequence[Passage]) -> AdapterChoice | None:
        """The adapter for a question, as `AdapterChooser` says."""
        return self._chooser.choose(caller, passages)

    def restore(self, served_name: str) -> bool:
        """Loads a name again that the server lost, as `AdapterChooser` says."""
        return self._service.restore(served_name)

    def _row(self, caller: Caller, version: AdapterVersion | None) -> AdapterVersionRow | None:
        if version is None:
            return None
        return self._store.row(caller.workspace_id, version.adapter, version.version)

    def _again(self, row: AdapterVersionRow) -> AdapterVersion:
        """The version as it is now."""
        return version_of(self._store.row(row.workspace_id, row.name, row.version))


def _require_admin(caller: Caller) -> None:
    if not caller.is_admin:
        raise ForbiddenError("Only an admin may change adapters.", code="admin_only")


def _who(caller: Caller) -> str:
    return caller.email or caller.name


def _check_scope(scope: Scope, value: str) -> str:
    if scope not in get_args(Scope):
        raise InputError(f"{scope!r} is no scope; use one of {', '.join(get_args(Scope))}.", code="bad_scope")
    if scope == "workspace":
        if value:
            raise InputError("The workspace's assignment takes no value.", code="bad_scope")
        return ""
    if not value or len(value) > _LONGEST_VALUE:
        raise InputError(f"Say which {scope.replace('_', ' ')}.", code="no_scope_value")
    return value
