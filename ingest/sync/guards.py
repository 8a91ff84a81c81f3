"""Guards against a source that never ends."""

from collections import Counter
from collections.abc import Iterable, Iterator

from ingest.connector import Change, Checkpoint, Upsert

MOST_REPEATS = 1000
ROUNDS = 3


class Repeats:
    """Ends a reading that gives the same items over and over: a page that is repeated, paging without an end.

    That is when one item came more than `MOST_REPEATS` times again, or when so many items, and `ROUNDS` times
    as many as there are, came again without a new one between them. `problem` says so afterwards.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._again: Counter[str] = Counter()
        self._since_new = 0
        self._state: str | None = None
        self._same_state = 0
        self.problem = ""

    def watch(self, changes: Iterable[Change]) -> Iterator[Change]:
        """The changes, up to the last checkpoint or to where they only repeat themselves."""
        for change in changes:
            if isinstance(change, Checkpoint):
                self._note_checkpoint(change)
            else:
                self._note(change.document.external_id if isinstance(change, Upsert) else change.external_id)
            if self.problem:
                return
            yield change
            if isinstance(change, Checkpoint) and change.last:
                return

    def watch_ids(self, names: Iterable[str]) -> set[str]:
        """The ids of a listing, up to where it only repeats itself."""
        for name in names:
            self._note(name)
            if self.problem:
                break
        return self._seen

    def _note(self, name: str) -> None:
        self._same_state = 0
        if name not in self._seen:
            self._seen.add(name)
            self._since_new = 0
            return
        self._since_new += 1
        self._again[name] += 1
        if self._again[name] > MOST_REPEATS or self._since_new > max(MOST_REPEATS, ROUNDS * len(self._seen)):
            self.problem = (
                f"The source gives the same {len(self._seen):,} items again and again (lately {name}), so "
                "that its end was not reached. Nothing was removed. Narrow the source down, or tell whoever "
                "runs it."
            )

    def _note_checkpoint(self, checkpoint: Checkpoint) -> None:
        self._same_state = self._same_state + 1 if checkpoint.state == self._state else 0
        self._state = checkpoint.state
        if self._same_state > MOST_REPEATS:
            self.problem = (
                "The source gives empty pages without an end. Nothing was removed. Narrow the source down, "
                "or tell whoever runs it."
            )
