"""Puts versions in service and takes them out. What answers now stays until its successor is there.

Each step can be done again: a process that was killed between any two leaves a state from which the same call
goes on.
"""

from pathlib import Path

import structlog

from app.core.errors import ConflictError, InputError, IntegrityError, NotFoundError, RungError
from routing.adapters.adapter import Adapter, AdapterVersion
from routing.adapters.files import AdapterFiles, check_fits, last_part
from routing.adapters.server import LoraServer, ServedModel, base_of
from routing.adapters.shelf import Shelf
from routing.adapters.store import Store
from routing.adapters.tables import AdapterVersionRow

BASE = "the base model"
"""What a version is judged against where nothing of its name is in service."""

_log = structlog.get_logger()

_ITS_OWN_FAULT = frozenset({"rank_over_server", "server_refused_adapter"})


class Service:
    """Versions on the server."""

    def __init__(self, store: Store, shelf: Shelf, server: LoraServer) -> None:
        self._store = store
        self._shelf = shelf
        self._server = server

    def publish(self, adapter: Adapter, row: AdapterVersionRow, done_by: str) -> None:
        """Loads a version, makes sure it is there, switches. Raises as `Adapters.publish`."""
        current = adapter.in_service
        if row.state != "in_service":
            _require_better(row, current)
        self.load(row, done_by)
        if row.state != "in_service":
            self._switch(row, current, "published", done_by)

    def roll_back(self, row: AdapterVersionRow, current: AdapterVersion | None, done_by: str) -> None:
        """Loads the previous version again and switches to it."""
        self.load(row, done_by)
        self._switch(row, current, "rolled back", done_by)

    def retire(self, row: AdapterVersionRow, done_by: str, *, in_service: bool) -> None:
        if row.state == "in_service" and not in_service:
            raise ConflictError(
                f"{row.served_name} answers questions now. Retire it all the same by saying so "
                "(--in-service); the base model answers then.",
                code="in_service",
            )
        if row.state != "retired":
            self._store.retire(row, done_by)
        self._unload(row.served_name)

    def load(self, row: AdapterVersionRow, done_by: str) -> None:
        """Checks a version's files and its base, then loads it; a refusal is kept with the version.

        Raises:
            InputError, IntegrityError, ConfigurationError, ConflictError, UnavailableError: what is wrong.
        """
        try:
            files = self._shelf.files(row)
            check_base(files, base_of(self._server.models()))
            self._server.ensure_loaded(row.served_name, self._shelf.path_on_server(row))
        except (InputError, IntegrityError) as error:
            self._store.fail(row, error.message, done_by)
            raise

    def is_loaded(self, row: AdapterVersionRow) -> bool:
        return any(model.name == row.served_name for model in self._server.models())

    def unload(self, row: AdapterVersionRow) -> None:
        self._unload(row.served_name)

    def restore(self, served_name: str) -> bool:
        """Loads again what the server should have: a version in service, or the one before it, which a
        question under way may still name."""
        row = self._store.row_served_as(served_name)
        if row is None or row.state not in ("in_service", "previous"):
            return False
        try:
            files = self._shelf.files(row)
            check_base(files, base_of(self._server.models()))
            self._server.ensure_loaded(row.served_name, self._shelf.path_on_server(row))
        except RungError as error:
            _log.warning("adapter_not_restored", adapter=served_name, code=error.code, problem=error.message)
            return False
        return True

    def _switch(
        self, row: AdapterVersionRow, current: AdapterVersion | None, action: str, done_by: str
    ) -> None:
        expected = current.served_name if current else None
        for version in self._store.switch(row, expected, action, done_by):
            self._unload(version.served_name)

    def _unload(self, served_name: str) -> None:
        """Takes a name off the server. Where that fails it only takes up room, so the rest goes on."""
        try:
            self._server.unload(served_name)
        except RungError as error:
            _log.warning("adapter_not_unloaded", adapter=served_name, code=error.code, problem=error.message)


def check_base(files: AdapterFiles, base: ServedModel) -> None:
    """Whether an adapter was made for the base model that the server serves.

    Raises:
        InputError: `base_mismatch`; as `check_fits`, where the base's folder can be read here.
    """
    names = {last_part(base.name), last_part(base.path)} - {""}
    if files.base_name not in names:
        raise InputError(
            f"{files.folder.name} was made for the base model {files.base_name or 'of no name'}; the chat "
            f"server serves {' or '.join(sorted(names))}. Serve that one, or train it on this one.",
            code="base_mismatch",
        )
    folder = Path(base.path)
    if folder.is_absolute() and folder.is_dir():
        check_fits(files, folder)


def pick(store: Store, workspace_id: str, adapter: Adapter, version: int | None) -> AdapterVersionRow:
    """The row of a version; without a number, of the newest that waits to be published.

    Raises:
        NotFoundError: `no_such_version`.
    """
    if version is not None:
        return store.row(workspace_id, adapter.name, version)
    waiting = next((v for v in adapter.versions if v.state in ("candidate", "failed")), None)
    if waiting is None:
        raise NotFoundError(
            f"{adapter.name} has no candidate. Train one, or name a version.", code="no_such_version"
        )
    return store.row(workspace_id, adapter.name, waiting.version)


def _require_better(row: AdapterVersionRow, current: AdapterVersion | None) -> None:
    judged = row.judgement
    against = current.served_name if current else BASE
    if judged is None:
        why = "it was not judged yet"
    elif judged["against"] != against:
        why = f"it was judged against {judged['against']}, and {against} answers now"
    elif not judged["better"]:
        why = f"it was judged: {judged['reason']}"
    else:
        return
    raise ConflictError(
        f"{row.served_name} is not known to be better than {against}: {why}. Judge it: python -m app adapter "
        f"judge {row.name} --version {row.version}",
        code="not_better",
    )
