"""Who last changed a file, and when: told by the commits that were fetched."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from dulwich.diff_tree import tree_changes
from dulwich.object_store import PackBasedObjectStore, iter_tree_contents
from dulwich.objects import Commit, ObjectID


@dataclass(frozen=True, slots=True)
class Touch:
    """The last commit that changed a file."""

    author: str | None
    at: datetime | None


def last_touches(store: PackBasedObjectStore, head: bytes, paths: Iterable[str]) -> Mapping[str, Touch]:
    """The last commit of each path, as far back as commits are there; other paths are left out.

    A merge counts only for what it made different from all of its parents, as in `git log`.
    """
    open_paths = set(paths)
    found: dict[str, Touch] = {}
    for commit in _newest_first(store, head):
        if not open_paths:
            break
        changed = open_paths & {path.decode("utf-8", "surrogateescape") for path in _changed(store, commit)}
        if changed:
            found.update(dict.fromkeys(changed, _touch(commit)))
            open_paths -= changed
    return found


def _newest_first(store: PackBasedObjectStore, head: bytes) -> Iterator[Commit]:
    waiting = [(0, head)]
    seen = {head}
    while waiting:
        commit = store[ObjectID(heapq.heappop(waiting)[1])]
        assert isinstance(commit, Commit)  # noqa: S101 - parents are commits
        yield commit
        for parent in commit.parents:
            if parent not in seen and parent in store:
                seen.add(parent)
                older = store[parent]
                assert isinstance(older, Commit)  # noqa: S101 - parents are commits
                heapq.heappush(waiting, (-older.commit_time, bytes(parent)))


def _changed(store: PackBasedObjectStore, commit: Commit) -> set[bytes]:
    if any(parent not in store for parent in commit.parents):
        # The fetched history ends here: what this commit changed cannot be told.
        return set()
    if not commit.parents:
        return {item.path for item in iter_tree_contents(store, commit.tree) if item.path is not None}
    each = []
    for parent in commit.parents:
        before = store[parent]
        assert isinstance(before, Commit)  # noqa: S101 - parents are commits
        changes = tree_changes(store, before.tree, commit.tree)
        each.append({c.new.path for c in changes if c.new is not None and c.new.path is not None})
    return set.intersection(*each)


def _touch(commit: Commit) -> Touch:
    name = commit.author.decode("utf-8", "replace").partition("<")[0].strip()
    try:
        at = datetime.fromtimestamp(commit.author_time, UTC)
    except (ValueError, OverflowError, OSError):
        # A clock that was wrong by millennia: then no date rather than another.
        return Touch(name or None, None)
    return Touch(name or None, at)
