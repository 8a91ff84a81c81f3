"""Reads a Git repository: all of it at first, then what commits changed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from pydantic import BaseModel, ValidationError

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
from ingest.connectors.git.clone import Clone, Heads
from ingest.connectors.git.history import Touch, last_touches
from ingest.connectors.git.settings import GitSettings
from ingest.connectors.git.trees import Entry, Selection, Step, blob_size, files, read_blob, steps_between
from ingest.connectors.paths import PathPatterns, printable, unprintable
from ingest.document import SourceDocument
from ingest.parsing.formats import supports, unsupported

_CHECKPOINT_EVERY = 50
_LFS = b"version https://git-lfs.github.com/spec/"
_LFS_BYTES = 1024
_SIZED_AT_MOST = 20_000


class _State(BaseModel):
    """A checkpoint: which commits lead where, and how far the pass is. Commits are by branch."""

    choice: str
    done: dict[str, str] = {}
    to: dict[str, str] = {}
    branch: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass: from these commits (none: everything) to those, beginning behind a path of a branch."""

    old: Mapping[str, str]
    new: Mapping[str, str]
    branch: str = ""
    after: str = ""


class GitConnector:
    """Reads the files of one branch or several. Ids are paths, behind the branch if there are several.

    A file's revision is its blob, so that the same content is never read twice. Hidden names are left out,
    links are not followed.
    """

    kind: ClassVar[str] = "git"
    about: ClassVar[About] = About(
        title="Git repository",
        summary="The files of a repository on any Git server, with their authors and dates.",
        needs="The address to clone from, and a token that may read it if it is not public.",
        tells_access=False,
    )
    settings_type: ClassVar[type[ConnectorSettings]] = GitSettings
    lists_quickly: ClassVar[bool] = True

    def __init__(self, settings: GitSettings, context: ReadContext) -> None:
        self._settings = settings
        self._context = context
        self._clone = Clone(settings, context)
        self._selection = Selection(settings.subfolder, PathPatterns(settings.include, settings.exclude))
        self._heads: Heads | None = None

    def check(self) -> Check:
        """Whether the server lists the branches that are to be read."""
        try:
            known, _ = self._clone.branches()
            reached = Finding(True, f"{self._settings.host} let Rung in and lists {len(known)} branches.")
            chosen = self._clone.chosen()
        except RungError as error:
            return Check(False, error.message, (Finding(False, "Reading the branches", error.message),))
        if not chosen:
            return Check(True, "The repository is empty so far.", (reached,))
        names = ", ".join(chosen)
        return Check(
            True, f"The repository can be read: {names}.", (reached, Finding(True, f"Reads {names}."))
        )

    def estimate(self) -> Estimate:
        """See `Connector.estimate`. Fetches the repository, which the first sync then need not."""
        heads, store = self._current(), self._clone.repo.object_store
        found = [e for sha in heads.values() for e in files(store, sha, self._selection)]
        sizes = [blob_size(store, entry.sha) for entry in found[:_SIZED_AT_MOST] if not entry.is_submodule]
        known = sum(size for size in sizes if size is not None)
        return Estimate(len(found), known if len(found) <= _SIZED_AT_MOST else None)

    def pull(self, checkpoint: str, known: KnownRevision) -> Iterator[Change]:
        """See `Connector.pull`. A checkpoint holds the commits that were read."""
        self._heads = self._clone.update()
        this = self._pass(checkpoint)
        self._heads = {branch: sha.encode() for branch, sha in this.new.items()}
        waiting = this.branch
        for branch, sha in this.new.items():
            if waiting and branch != waiting:
                continue
            after, waiting = (this.after if waiting else ""), ""
            since = 0
            for step, touch in self._steps(this.old.get(branch), sha, after):
                yield from self._changes(branch, step, touch, known)
                since += 1
                if since == _CHECKPOINT_EVERY:
                    yield Checkpoint(self._state(done=this.old, to=this.new, branch=branch, after=step.path))
                    since = 0
        yield Checkpoint(self._state(done=this.new), last=True)

    def fetch(self, external_id: str) -> Upsert | Delete | Failure:
        """See `Connector.fetch`."""
        heads = self._heads = self._clone.update()
        store = self._clone.repo.object_store
        for branch, sha in heads.items():
            for entry in files(store, sha, self._selection):
                if self._id(branch, entry.path) == external_id:
                    touch = last_touches(store, sha, [entry.path]).get(entry.path)
                    return self._read(branch, Step(entry.path, entry), touch)
        return Delete(external_id)

    def list_ids(self) -> Iterator[str]:
        """See `Connector.list_ids`. After a pass: what the commits have that it read."""
        for branch, sha in self._current().items():
            for entry in files(self._clone.repo.object_store, sha, self._selection):
                yield self._id(branch, entry.path)

    def close(self) -> None:
        """Closes the copy's files."""
        self._clone.close()

    def _current(self) -> Heads:
        if self._heads is None:
            self._heads = self._clone.update()
        return self._heads

    def _pass(self, checkpoint: str) -> _Pass:
        """What is left to do. Commits that are nowhere any more mean to go over everything and compare."""
        assert self._heads is not None  # noqa: S101 - set by the caller
        newest = {branch: sha.decode() for branch, sha in self._heads.items()}
        try:
            state = _State.model_validate_json(checkpoint) if checkpoint else None
        except ValidationError:
            # Written by another version: everything is compared instead.
            state = None
        if state is None or state.choice != self._settings.choice:
            return _Pass({}, newest)
        old = {branch: sha for branch, sha in state.done.items() if self._clone.holds(sha.encode())}
        if not state.to:
            return _Pass(old, newest)
        if old == state.done and all(self._clone.holds(sha.encode()) for sha in state.to.values()):
            return _Pass(old, state.to, state.branch, unprintable(state.after))
        return _Pass({}, newest)

    def _steps(self, old: str | None, new: str, after: str) -> Iterator[tuple[Step, Touch | None]]:
        store = self._clone.repo.object_store
        if old is None:
            steps = [Step(e.path, e) for e in files(store, new.encode(), self._selection)]
        else:
            steps = steps_between(store, old.encode(), new.encode(), self._selection)
        steps = [step for step in steps if step.path > after]
        touches = last_touches(store, new.encode(), [s.path for s in steps if s.entry is not None])
        for step in steps:
            yield step, touches.get(step.path)

    def _changes(
        self, branch: str, step: Step, touch: Touch | None, known: KnownRevision
    ) -> Iterator[Change]:
        external_id = self._id(branch, step.path)
        if step.entry is None:
            yield Delete(external_id)
            return
        if known(external_id) == step.entry.sha.decode():
            yield Unchanged(external_id, self._context.default_access)
            return
        change = self._read(branch, step, touch)
        yield change
        if isinstance(change, Failure) and step.moved_from is not None:
            yield Delete(self._id(branch, step.moved_from))

    def _read(self, branch: str, step: Step, touch: Touch | None) -> Upsert | Failure:
        entry = step.entry
        assert entry is not None  # noqa: S101 - asked by the callers
        external_id = self._id(branch, entry.path)
        refused = self._refused(external_id, entry)
        if refused is not None:
            return refused
        content = read_blob(self._clone.repo.object_store, entry.sha)
        if len(content) < _LFS_BYTES and content.startswith(_LFS):
            return self._failure(
                external_id,
                "lfs_pointer",
                "It is kept in Git LFS, which is not read; add the store that holds it as a source.",
            )
        return Upsert(
            SourceDocument(
                external_id=external_id,
                file_name=PurePosixPath(printable(entry.path)).name,
                content=content,
                revision=entry.sha.decode(),
                access=self._context.default_access,
                url=self._settings.link_to(branch, entry.path),
                author=touch.author if touch else None,
                updated_at=touch.at if touch else None,
                moved_from=self._id(branch, step.moved_from) if step.moved_from is not None else None,
            )
        )

    def _refused(self, external_id: str, entry: Entry) -> Failure | None:
        """Why a file is not read, told without unpacking it."""
        if entry.is_submodule:
            return self._failure(
                external_id, "not_a_file", "It is a submodule; add its repository as a source of its own."
            )
        if entry.is_link:
            return self._failure(
                external_id, "not_a_file", "It is a link; what it leads to is read where it lies."
            )
        if not supports(entry.path):
            error = unsupported(printable(entry.path))
            return self._failure(external_id, error.code, error.reason)
        size, limit = blob_size(self._clone.repo.object_store, entry.sha), self._context.max_file_bytes
        if size is None or size > limit:
            shown = f"{size:,} bytes are more" if size is not None else "It has more bytes"
            return self._failure(
                external_id, "too_large", f"{shown} than the {limit:,} allowed (RUNG_MAX_FILE_BYTES)."
            )
        return None

    def _failure(self, external_id: str, code: str, reason: str) -> Failure:
        return Failure(external_id, code, reason, self._context.default_access)

    def _id(self, branch: str, path: str) -> str:
        several = len([b for b in self._settings.branches if b.strip()]) > 1
        return f"{branch}:{printable(path)}" if several else printable(path)

    def _state(
        self,
        *,
        done: Mapping[str, str],
        to: Mapping[str, str] | None = None,
        branch: str = "",
        after: str = "",
    ) -> str:
        # json's own escapes keep what is no character in a path.
        return json.dumps(
            {
                "choice": self._settings.choice,
                "done": dict(done),
                "to": dict(to or {}),
                "branch": branch,
                "after": printable(after),
            }
        )
