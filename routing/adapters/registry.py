"""The adapters of an installation, as people manage them."""

from collections.abc import Sequence
from pathlib import Path

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

ALL_EXAMPLES = ExampleFilters()
DEFAULT_TRAINING = TrainSettings()


class Adapters:
    """Lists, assigns, trains, judges, publishes and retires adapters; chooses one for a question.

    What changes anything needs an admin: ForbiddenError `admin_only` for anybody else.
    """

    def list(self, workspace_id: str) -> tuple[Adapter, ...]:
        """Every adapter with its versions, by name; one whose versions are all retired included."""
        raise NotImplementedError

    def get(self, workspace_id: str, name: str) -> Adapter:
        """Raises NotFoundError `no_such_adapter`."""
        raise NotImplementedError

    def history(self, workspace_id: str, name: str) -> tuple[AdapterEvent, ...]:
        """Who did what when, newest first. Raises NotFoundError `no_such_adapter`."""
        raise NotImplementedError

    def assignments(self, workspace_id: str) -> tuple[Assignment, ...]:
        """Which questions go to which adapter: teams first, then source kinds, then the workspace."""
        raise NotImplementedError

    def assign(self, caller: Caller, scope: Scope, value: str, adapter: str) -> Assignment:
        """Gives a scope's questions to an adapter; what stood there before is replaced.

        Raises:
            NotFoundError: `no_such_adapter`.
            InputError: `bad_scope`, `no_scope_value`.
        """
        raise NotImplementedError

    def unassign(self, caller: Caller, assignment_id: str) -> None:
        """Raises NotFoundError `no_such_assignment`."""
        raise NotImplementedError

    def example_counts(self, workspace_id: str, filters: ExampleFilters = ALL_EXAMPLES) -> ExampleCounts:
        """The examples that training would use now. Counts alone: no text of a question or an answer."""
        raise NotImplementedError

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
        raise NotImplementedError

    def add(self, caller: Caller, name: str, folder: Path, access: Sequence[str]) -> AdapterVersion:
        """Takes in an adapter that was trained elsewhere, as a candidate. `access` says whom it may serve, as
        principals such as `everyone` or `group:finance`; nothing known of its documents means nobody.

        Raises:
            InputError: `access_unknown`, `invalid_principal`, or what is wrong with the folder.
        """
        raise NotImplementedError

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
        raise NotImplementedError

    def publish(self, caller: Caller, name: str, version: int | None = None) -> AdapterVersion:
        """Puts a version (the newest candidate) in service: loads it, makes sure that it is there, switches.
        The one before is kept as `previous`. Killed at any point, it can be called again.

        Raises:
            NotFoundError: `no_such_adapter`, `no_such_version`.
            ConflictError: `not_better`, unless it was judged better than what is in service now.
            InputError, UnavailableError: as `judge`; what is in service stays.
        """
        raise NotImplementedError

    def roll_back(self, caller: Caller, name: str) -> AdapterVersion:
        """Puts the previous version in service again; the one it replaces becomes `previous`.

        Raises:
            ConflictError: `no_previous`. Otherwise as `publish`.
        """
        raise NotImplementedError

    def retire(
        self, caller: Caller, name: str, version: int | None = None, *, in_service: bool = False
    ) -> AdapterVersion:
        """Takes a version (the newest that is not retired) out of use and off the server.

        Raises:
            ConflictError: `in_service`, for the version that answers now, unless `in_service` is true.
        """
        raise NotImplementedError

    def server(self) -> ServerState:
        """What the chat server says of itself now. Raises nothing: `problem` says what is wrong."""
        raise NotImplementedError

    def choose(self, caller: Caller, passages: Sequence[Passage]) -> AdapterChoice | None:
        raise NotImplementedError

    def restore(self, served_name: str) -> bool:
        raise NotImplementedError
