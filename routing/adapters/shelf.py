"""Where adapters lie on disk, here and as the chat server sees it."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.errors import ConflictError, InputError, IntegrityError
from routing.adapters.files import AdapterFiles, read_adapter
from routing.adapters.tables import AdapterVersionRow

CHECKPOINT = "checkpoint.pt"

_RESERVED = ("reader",)
"""The adapter of another rung, which the command line calls by this name."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


class Shelf:
    """The folder of all adapters: `<workspace>/<name>.v<N>/` in peft's form.

    Args:
        on_server: the same folder as the chat server sees it; nothing where it is the same path.
    """

    def __init__(self, folder: Path, on_server: str | None = None) -> None:
        self._folder = folder
        self._on_server = (on_server or str(folder)).rstrip("/")

    def folder(self, workspace_id: str, name: str, version: int) -> Path:
        return self._workspace(workspace_id) / f"{check_name(name)}.v{version}"

    def working_folder(self, workspace_id: str, name: str) -> Path:
        """Where a version is made; it has no number yet."""
        return self._workspace(workspace_id) / f".{check_name(name)}.training"

    def path_on_server(self, row: AdapterVersionRow) -> str:
        return f"{self._on_server}/{row.workspace_id}/{row.name}.v{row.version}"

    def files(self, row: AdapterVersionRow) -> AdapterFiles:
        """A version's files, as they were when it was made.

        Raises:
            InputError: as `read_adapter`.
            IntegrityError: `adapter_changed`, where they are others now.
        """
        files = read_adapter(self.folder(row.workspace_id, row.name, row.version))
        if files.sha256 != row.sha256:
            raise IntegrityError(
                f"The files of {row.served_name} are not those it was made with. Put the right ones back, or "
                "train it again.",
                code="adapter_changed",
            )
        return files

    @contextmanager
    def making(self, workspace_id: str, name: str) -> Iterator[Path]:
        """The working folder, held by this process alone.

        Raises:
            ConflictError: `training_running`, where another process holds it.
        """
        folder = self.working_folder(workspace_id, name)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConflictError(
                    f"{name} is being trained by another process; wait for its end.", code="training_running"
                ) from error
            yield folder
        finally:
            os.close(lock)

    def _workspace(self, workspace_id: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", workspace_id):
            raise InputError(f"{workspace_id!r} cannot be a folder.", code="bad_workspace")
        return self._folder / workspace_id


def clear_work(folder: Path) -> None:
    """Takes away what only a second start of the same training would have needed."""
    for name in (CHECKPOINT, f"{CHECKPOINT}.part"):
        (folder / name).unlink(missing_ok=True)


def check_name(name: str) -> str:
    """Raises InputError `bad_adapter_name`."""
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise InputError(
            f"{name!r} cannot be an adapter's name; use lower-case letters, digits and dashes, at most 31, a "
            f"letter first, and not {' or '.join(_RESERVED)}.",
            code="bad_adapter_name",
        )
    return name
