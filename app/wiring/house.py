"""One installation whole, as its settings describe it: what the ways in are given."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import structlog

from app.core.config import get_settings
from app.core.errors import RungError
from app.wiring.answers import Answers

if TYPE_CHECKING:
    from ingest.sync.workers.beside import WorkerTrouble
    from web.deps import HealthCheck, Services

_LONGEST_ANSWER = timedelta(hours=1)


class House(Answers):
    """One installation. Close it, so that nothing is left open."""

    @cached_property
    def services(self) -> "Services":
        from web.deps import Services

        return Services(
            settings=self.settings,
            sign_ins=self.sign_ins,
            directory=self.directory,
            searcher=self.searcher,
            asks=self.asks,
            history=self.history,
            library=self.library,
            sources=self.sources,
            set_up=self.set_up,
            syncs=self.sync_control,
            audit=self.audit,
            usage=self.ledger,
            budgets=self.budgets,
            adapters=self.adapters,
            policies=self.policies,
            catalogue=self.catalogue,
            suggestions=self._suggestions(),
            health=self.health,
            reader_card=lambda: self.reader_card,
            reindexing=self._reindexing,
            worker_trouble=self.worker_trouble.read,
        )

    def _reindexing(self) -> str | None:
        status = self.reindexer.status()
        return None if status is None else status.message

    @cached_property
    def worker_trouble(self) -> "WorkerTrouble":
        """What is wrong with the worker that `serve` keeps."""
        from ingest.sync.workers.beside import WorkerTrouble

        return WorkerTrouble(self.settings.data_dir)

    def tidy_up(self) -> None:
        """Closes what an ended process left open: questions without an end, and the money held for them.

        Only what is older than any answer can take is touched, since another process may be answering now.

        Raises:
            IntegrityError: `plan_edited`, where a price plan was changed after it was used.
        """
        self.ledger.check_plans()
        self.scratch.tidy()
        questions = self.answerer.close_interrupted()
        holds = self.ledger.settle_open("the process ended before the answer", older_than=_LONGEST_ANSWER)
        if questions or holds:
            structlog.get_logger().warning("closed_interrupted", questions=questions, reservations=len(holds))

    def health(self) -> "tuple[HealthCheck, ...]":
        """Whether the database and the index answer."""
        return (self._health("database", self.database.ping), self._health("index", self.index.stats))

    @staticmethod
    def _health(name: str, look: Callable[[], object]) -> "HealthCheck":
        from web.deps import HealthCheck

        try:
            look()
        except RungError as error:
            return HealthCheck(name, ok=False, detail=error.message)
        return HealthCheck(name, ok=True)

    def _suggestions(self) -> tuple[str, ...]:
        """The demo's questions where the demo is what is indexed: elsewhere they would lead nowhere."""
        from app.demo.company import SOURCE_NAME, load_suggestions

        has_demo = any(source.name == SOURCE_NAME for source in self.sources.list())
        return tuple(load_suggestions()) if has_demo else ()


@contextmanager
def house() -> Iterator[House]:
    """The installation of this process' settings, closed at the end."""
    it = House(get_settings())
    try:
        yield it
    finally:
        it.close()
