"""The index as the rest of Rung sees it: the current generation, whichever that is."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlmodel import Session

from app.core.errors import RungError, UnavailableError
from app.core.identity import AccessList
from retrieval.embedder import Embedder
from retrieval.generations.registry import Generation, Generations
from retrieval.index import Hit, Index, IndexQuery, IndexStats, OwnIndex, Point

LOOK_EVERY_SECONDS = 1.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pair:
    """An index and the encoder of its vectors, which are only ever used together."""

    generation: Generation
    index: Index
    embedder: Embedder


class LiveIndex:
    """Implements `Index` on the current generation; access lists and deletions reach every other one too.

    Safe to use from any thread. A process notices within a second that another generation is current; it
    searches the old one until the new one's encoder is loaded.

    Args:
        open_index: opens the index of a generation; nothing is sent to it yet.
        make_embedder: makes the encoder of a generation. Raises RungError where its weights are gone.
    """

    def __init__(
        self,
        generations: Generations,
        open_index: Callable[[Generation], OwnIndex],
        make_embedder: Callable[[Generation], Embedder],
        *,
        look_every_seconds: float = LOOK_EVERY_SECONDS,
    ) -> None:
        self.generations = generations
        self._open_index = open_index
        self._make_embedder = make_embedder
        self._look_every_seconds = look_every_seconds
        self._lock = threading.RLock()
        self._open: dict[int, OwnIndex] = {}
        self._pair: Pair | None = None
        self._looked_at = 0.0
        self._warming: threading.Thread | None = None

    def pair(self) -> Pair:
        """What a search uses: index and encoder of one generation.

        Raises:
            UnavailableError: `old_encoder_gone`, where the weights of the current generation are not there.
        """
        with self._lock:
            if self._pair is None:
                self._pair = self._make_pair(self.generations.current())
                self._looked_at = time.monotonic()
            elif time.monotonic() - self._looked_at > self._look_every_seconds:
                self._looked_at = time.monotonic()
                self._follow(self.generations.current())
            return self._pair

    def fresh_pair(self) -> Pair:
        """What a sync uses for its whole run: the pair that is current now, which gets what the run writes.

        Access lists and deletions reach the other generations too. `is_current` tells in each transaction
        whether the pair still is. Raises as `pair` does.
        """
        pair = self._make_pair(self.generations.current())
        return Pair(pair.generation, _Written(self, pair.index), pair.embedder)

    def is_current(self, session: Session, pair: Pair) -> bool:
        """Whether the pair is still the current one, until the caller's transaction ends."""
        return self.generations.is_current(session, pair.generation.number)

    def of(self, generation: Generation) -> Pair:
        """The pair of any generation. Raises as `pair` does."""
        return self._make_pair(generation)

    def everywhere(self) -> Iterator[Index]:
        """The indexes of all generations that somebody may search now or later, the current one first."""
        for generation in self.generations.alive():
            yield self._index_of(generation)

    def remove(self, generation: Generation) -> None:
        """Removes a generation's index for good."""
        with self._lock:
            index = self._index_of(generation)
            del self._open[generation.number]
        index.drop()

    def upsert(self, points: Sequence[Point]) -> None:
        self._current.upsert(points)

    def update_payload(self, points: Sequence[Point]) -> None:
        self._current.update_payload(points)

    def set_access(self, workspace_id: str, access: Mapping[str, AccessList]) -> None:
        for index in self.everywhere():
            index.set_access(workspace_id, access)

    def present(self, ids: Sequence[str]) -> set[str]:
        return self._current.present(ids)

    def keep_only(self, workspace_id: str, document_id: str, ids: Sequence[str]) -> None:
        self._current.keep_only(workspace_id, document_id, ids)

    def delete_documents(self, workspace_id: str, document_ids: Sequence[str]) -> None:
        for index in self.everywhere():
            index.delete_documents(workspace_id, document_ids)

    def search(self, query: IndexQuery) -> list[Hit]:
        """Finds with a vector of the current encoder; `pair` gives one that fits."""
        return self._current.search(query)

    def stats(self) -> IndexStats:
        return self._current.stats()

    def flush(self) -> None:
        for index in self.everywhere():
            index.flush()

    def close(self) -> None:
        """Closes the index of every generation that was opened."""
        with self._lock:
            warming = self._warming
        if warming is not None:
            warming.join()
        with self._lock:
            opened, self._open, self._pair = list(self._open.values()), {}, None
        for index in opened:
            index.close()

    @property
    def _current(self) -> Index:
        return self._index_of(self.generations.current())

    def _index_of(self, generation: Generation) -> OwnIndex:
        with self._lock:
            if generation.number not in self._open:
                self._open[generation.number] = self._open_index(generation)
            return self._open[generation.number]

    def _make_pair(self, generation: Generation) -> Pair:
        with self._lock:
            if self._pair is not None and self._pair.generation.number == generation.number:
                return self._pair
            return Pair(generation, self._index_of(generation), self._encoder(generation))

    def _encoder(self, generation: Generation) -> Embedder:
        wanted = generation.recipe
        try:
            embedder = self._make_embedder(generation)
        except RungError as error:
            raise _encoder_gone(generation, error.message) from error
        if embedder.name != wanted.embedder:
            raise _encoder_gone(generation, f"there is {embedder.name} in its place")
        return embedder

    def _follow(self, generation: Generation) -> None:
        """Changes over to another generation as soon as its encoder is loaded, in a thread of its own."""
        if self._pair is None or generation.number == self._pair.generation.number or self._warming:
            return
        self._warming = threading.Thread(
            target=self._change_over, args=(generation,), name="index-change-over", daemon=True
        )
        self._warming.start()

    def _change_over(self, generation: Generation) -> None:
        try:
            pair = self._make_pair(generation)
            pair.embedder.warm_up()
            with self._lock:
                self._pair = pair
            _log.info("index_changed_over", generation=generation.number, embedder=pair.embedder.name)
        except Exception as error:  # noqa: BLE001 - the old pair goes on; the next look tries again
            _log.error("index_change_over_failed", generation=generation.number, reason=str(error))
        finally:
            with self._lock:
                self._warming = None


class _Written:
    """One generation as a sync writes it, for as long as it is current."""

    def __init__(self, live: LiveIndex, own: Index) -> None:
        self._live = live
        self._own = own
        self.upsert = own.upsert
        self.update_payload = own.update_payload
        self.present = own.present
        self.keep_only = own.keep_only
        self.search = own.search
        self.stats = own.stats
        self.flush = own.flush

    def set_access(self, workspace_id: str, access: Mapping[str, AccessList]) -> None:
        self._live.set_access(workspace_id, access)

    def delete_documents(self, workspace_id: str, document_ids: Sequence[str]) -> None:
        self._live.delete_documents(workspace_id, document_ids)

    def close(self) -> None:
        """Nothing to do: the index is closed with all others."""


def _encoder_gone(generation: Generation, why: str) -> RungError:
    where = generation.recipe.embedding_model
    place = f"in {where}" if where and where != "bundled" else "at a path that is not known any more"
    return UnavailableError(
        f"The index was made with the encoder {generation.recipe.embedder} {place}, which cannot be loaded: "
        f"{why}. Put it back to search now, or wait: with a worker running (or `python -m app reindex`) the "
        "index is made anew with the encoder of the settings, and searching goes on when that is whole.",
        code="old_encoder_gone",
    )
