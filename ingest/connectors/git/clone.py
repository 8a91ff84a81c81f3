"""The copy of a repository that Rung keeps beside its data: shallow, without a working tree."""

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from dulwich.client import LocalGitClient, LsRemoteResult
from dulwich.errors import NotGitRepository
from dulwich.objects import Commit, ObjectID, Tag
from dulwich.refs import Ref
from dulwich.repo import Repo

from app.core.errors import InputError
from ingest.connector import ReadContext
from ingest.connectors.git.remote import asking, make_client
from ingest.connectors.git.settings import GitSettings
from ingest.connectors.paths import printable, unprintable

T = TypeVar("T")
_HEADS = b"refs/heads/"
_MOST_PACKS = 100
_NAMED = 12

Heads = Mapping[str, bytes]
"""The newest commit of each branch that is read, by the branch's name."""


class Clone:
    """Fetches what is new into `context.scratch`; a copy that is lost or damaged is made anew."""

    def __init__(self, settings: GitSettings, context: ReadContext) -> None:
        self._settings = settings
        self._context = context
        self._own: tempfile.TemporaryDirectory[str] | None = None
        self._repo: Repo | None = None

    @property
    def repo(self) -> Repo:
        """The copy, open. `update` comes first."""
        assert self._repo is not None, "nothing was fetched yet"  # noqa: S101 - a mistake of ours
        return self._repo

    def branches(self) -> tuple[dict[str, bytes], str | None]:
        """Every branch at the server, and which of them is the default one. Nothing is fetched."""
        client, path = make_client(self._settings)
        found: LsRemoteResult = self._ask(lambda: client.get_refs(path.encode()))
        return _branches(found.refs), _default(found)

    def chosen(self) -> Heads:
        """The branches that are read; none of an empty repository.

        Raises:
            InputError: `branch_missing`, naming those that there are.
        """
        known, default = self.branches()
        if not known:
            return {}
        wanted = tuple(dict.fromkeys(b.strip() for b in self._settings.branches if b.strip()))
        if not wanted and default not in known:
            raise _missing("The repository's default branch", known)
        chosen = wanted or (str(default),)
        for name in chosen:
            if name not in known:
                raise _missing(f"The branch {name!r}", known)
        return {name: known[name] for name in chosen}

    def update(self) -> Heads:
        """Fetches the branches that are read, and tells their commits.

        Raises:
            InputError: the server refuses, or a branch is missing.
            UnavailableError: it does not answer.
        """
        heads = self.chosen()
        with self._locked() as folder:
            repo = self._open(folder)
            missing = [ObjectID(sha) for sha in heads.values() if ObjectID(sha) not in repo.object_store]
            if missing:
                self._ask(lambda: self._fetch(repo, missing))
            for name, sha in heads.items():
                # What the next fetch tells the server that it need not send.
                repo.refs[Ref(_HEADS + unprintable(name).encode(errors="surrogateescape"))] = ObjectID(sha)
            self._repo = repo
            return {name: self._commit(sha) for name, sha in heads.items()}

    def holds(self, sha: bytes) -> bool:
        """Whether this commit is in the copy."""
        return ObjectID(sha) in self.repo.object_store

    def close(self) -> None:
        if self._repo is not None:
            self._repo.close()
            self._repo = None
        if self._own is not None:
            self._own.cleanup()
            self._own = None

    def _ask(self, call: Callable[[], T]) -> T:
        return self._context.calls.run(self._settings.host, lambda: asking(self._settings, call))

    def _fetch(self, repo: Repo, wants: list[ObjectID]) -> None:
        client, path = make_client(self._settings)
        local = isinstance(client, LocalGitClient)
        client.fetch(
            path.encode(),
            repo,
            determine_wants=lambda _refs, depth=None: wants,  # noqa: ARG005 - the form that dulwich calls
            depth=None if local else self._settings.history_depth,
            # Where the server can, files over the limit never leave it.
            filter_spec=None if local else b"blob:limit=%d" % (self._context.max_file_bytes + 1),
        )

    def _commit(self, sha: bytes) -> bytes:
        found = self.repo.object_store[ObjectID(sha)]
        while isinstance(found, Tag):
            found = self.repo.object_store[found.object[1]]
        assert isinstance(found, Commit)  # noqa: S101 - branches hold nothing else
        return found.id

    @contextmanager
    def _locked(self) -> Iterator[Path]:
        """One process at a time: a check in the browser and a sync may share the folder."""
        folder = self._context.scratch
        if folder is None:
            self._own = self._own or tempfile.TemporaryDirectory(prefix="rung-git-")
            folder = Path(self._own.name)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder

    def _open(self, folder: Path) -> Repo:
        if self._repo is not None:
            self._repo.close()
        place = folder / f"{self._key()}.git"
        for other in folder.glob("*.git"):
            if other != place:
                shutil.rmtree(other)
        for torn in place.glob("objects/**/tmp_pack_*"):
            torn.unlink(missing_ok=True)
        try:
            repo = Repo(str(place))
            if len(list(repo.object_store.packs)) <= _MOST_PACKS:
                return repo
            repo.close()
        except NotGitRepository:
            # Not there yet, or lost: made below.
            shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        return Repo.init_bare(str(place))

    def _key(self) -> str:
        """Another address, depth or limit needs another copy."""
        made_of = f"{self._settings.url} {self._settings.history_depth} {self._context.max_file_bytes}"
        return hashlib.sha256(made_of.encode()).hexdigest()[:16]


def _branches(refs: Mapping[Ref, ObjectID | None]) -> dict[str, bytes]:
    return {
        printable(bytes(ref).removeprefix(_HEADS).decode(errors="surrogateescape")): bytes(sha)
        for ref, sha in sorted(refs.items())
        if ref.startswith(_HEADS) and sha is not None
    }


def _default(found: LsRemoteResult) -> str | None:
    target = found.symrefs.get(Ref(b"HEAD"))
    if target is not None:
        return printable(bytes(target).removeprefix(_HEADS).decode(errors="surrogateescape"))
    head = found.refs.get(Ref(b"HEAD"))
    # Old servers do not say what HEAD stands for; the branch with its commit does as well.
    return next((name for name, sha in _branches(found.refs).items() if sha == head), None)


def _missing(what: str, known: Mapping[str, bytes]) -> InputError:
    more = ", …" if len(known) > _NAMED else ""
    return InputError(
        f"{what} does not exist. There are: {', '.join(sorted(known)[:_NAMED])}{more}. Name one of them.",
        code="branch_missing",
    )
