"""What lies in a commit: its files in order, what became of them between two commits, how large each is."""

import stat
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dulwich.diff_tree import tree_changes
from dulwich.object_store import PackBasedObjectStore, iter_tree_contents
from dulwich.objects import S_ISGITLINK, Blob, Commit, ObjectID
from dulwich.pack import Pack

from ingest.connectors.paths import PathPatterns
from ingest.parsing.formats import supports

_OFFSET_DELTA, _REFERENCE_DELTA = 6, 7
_ALIKE = 0.6
_MOST_COMPARED = 200
_LARGEST_COMPARED_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as a commit has it. `path` keeps odd bytes as surrogates."""

    path: str
    sha: bytes
    mode: int

    @property
    def is_submodule(self) -> bool:
        return S_ISGITLINK(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to hand over: a file that is new or changed, or one that is gone (`entry` is none)."""

    path: str
    entry: Entry | None
    moved_from: str | None = None


class Selection:
    """Which paths of a repository are read: below a folder, by patterns, and no hidden names."""

    def __init__(self, subfolder: str, patterns: PathPatterns) -> None:
        self._prefix = f"{subfolder}/" if subfolder else ""
        self._patterns = patterns

    def wants(self, path: str) -> bool:
        if not path.startswith(self._prefix):
            return False
        inside = path[len(self._prefix) :]
        return not any(part.startswith(".") for part in inside.split("/")) and self._patterns.wants(inside)


def tree_of(store: PackBasedObjectStore, commit: bytes) -> ObjectID:
    found = store[ObjectID(commit)]
    assert isinstance(found, Commit)  # noqa: S101 - heads are commits
    tree: ObjectID = found.tree
    return tree


def files(store: PackBasedObjectStore, commit: bytes, selection: Selection) -> list[Entry]:
    """Everything that is read of a commit, in an order that never changes."""
    found = [
        Entry(_text(item.path), bytes(item.sha), item.mode)
        for item in iter_tree_contents(store, tree_of(store, commit))
        if item.path is not None and item.sha is not None and item.mode is not None
    ]
    return sorted((e for e in found if selection.wants(e.path)), key=lambda e: e.path)


def steps_between(store: PackBasedObjectStore, old: bytes, new: bytes, selection: Selection) -> list[Step]:
    """What changed from one commit to another, in the order of paths. A renamed file is one step."""
    added: dict[str, Entry] = {}
    removed: dict[str, Entry] = {}
    for change in tree_changes(store, tree_of(store, old), tree_of(store, new)):
        for side, into in ((change.old, removed), (change.new, added)):
            if side is not None and side.path is not None and side.sha is not None and side.mode is not None:
                entry = Entry(_text(side.path), bytes(side.sha), side.mode)
                if selection.wants(entry.path):
                    into[entry.path] = entry
    gone = [entry for path, entry in sorted(removed.items()) if path not in added]
    fresh = [entry for path, entry in sorted(added.items()) if path not in removed]
    moves = _moves(store, gone, fresh)
    left = {entry.path for entry in gone} - set(moves.values())
    steps = [Step(path, entry, moves.get(path)) for path, entry in added.items()]
    steps += [Step(path, None) for path in left]
    return sorted(steps, key=lambda step: step.path)


def _moves(store: PackBasedObjectStore, gone: Sequence[Entry], fresh: Sequence[Entry]) -> dict[str, str]:
    """From new path to old: first by the same content, then by most of the same lines."""
    moves: dict[str, str] = {}
    left = {entry.path: entry for entry in gone}
    for entry in fresh:
        same = next((path for path, old in left.items() if old.sha == entry.sha), None)
        if same is not None:
            moves[entry.path] = same
            del left[same]
    texts = {path: lines for path, e in list(left.items())[:_MOST_COMPARED] if (lines := _lines(store, e))}
    for entry in [e for e in fresh if e.path not in moves][:_MOST_COMPARED]:
        lines = _lines(store, entry)
        best = max(((_likeness(lines, old), path) for path, old in texts.items()), default=(0.0, ""))
        if best[0] >= _ALIKE:
            moves[entry.path] = best[1]
            del texts[best[1]]
    return moves


def _lines(store: PackBasedObjectStore, entry: Entry) -> Counter[bytes]:
    size = blob_size(store, entry.sha) if supports(entry.path) and not entry.is_submodule else None
    if size is None or size > _LARGEST_COMPARED_BYTES:
        return Counter()
    return Counter(read_blob(store, entry.sha).splitlines())


def _likeness(one: Counter[bytes], other: Counter[bytes]) -> float:
    larger = max(one.total(), other.total())
    return (one & other).total() / larger if larger else 0.0


def read_blob(store: PackBasedObjectStore, sha: bytes) -> bytes:
    """A file's content.

    Raises:
        KeyError: it is not in the copy.
    """
    found = store[ObjectID(sha)]
    assert isinstance(found, Blob)  # noqa: S101 - a tree's files are blobs
    return found.data


def blob_size(store: PackBasedObjectStore, sha: bytes) -> int | None:
    """How many bytes a file has, without unpacking it; none where it is not in the copy."""
    for pack in store.packs:
        try:
            offset = pack.index.object_offset(ObjectID(sha))
        except KeyError:
            continue
        return _size_at(pack, offset, len(ObjectID(sha)) // 2)
    return None


def _size_at(pack: Pack, offset: int, id_bytes: int) -> int:
    """Reads the head of an entry as gitformat-pack(5) lays it out."""
    with open(pack.data.path, "rb") as file:  # noqa: PTH123 - the path may be bytes
        file.seek(offset)
        head = file.read(4096)
    kind, size, at = (head[0] >> 4) & 7, head[0] & 15, 1
    shift = 4
    while head[at - 1] & 0x80:
        size |= (head[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    if kind == _OFFSET_DELTA:
        while head[at] & 0x80:
            at += 1
        at += 1
    elif kind == _REFERENCE_DELTA:
        at += id_bytes
    else:
        return size
    # A delta begins with the size of what it is made from, then that of what it makes.
    numbers = _varints(zlib.decompressobj().decompress(head[at:], 64))
    next(numbers)
    return next(numbers)


def _varints(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            yield value
            value = shift = 0


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
