"""Which generations of the index there are, and what becomes of them."""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import update
from sqlmodel import Session, col, func, select

from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.errors import ConflictError
from retrieval.generations.tables import GenerationRow

State = Literal["building", "current", "retired", "dropping", "gone"]

RETIRED_FOR = timedelta(minutes=5)
"""How long a generation that was replaced stays: longer than any process takes to load another encoder."""

DROPPING_FOR = timedelta(minutes=1)
_CLAIM_EXPIRES_AFTER = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an index is made.

    `embedder` names the weights and `dimensions` is the length of its vectors; `embedding_model` is where
    they are, as the setting says it, or empty where that is not known. `text` changes with the encoder and
    with the way of chunking: an index with another one is out of date.
    """

    embedder: str
    dimensions: int
    embedding_model: str
    text: str


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation. `name` tells its folder or collection from the others; the first one has none."""

    number: int
    state: State
    recipe: Recipe
    documents_done: int
    documents_total: int
    created_at: datetime
    retired_at: datetime | None

    @property
    def name(self) -> str:
        return f"g{self.number}" if self.number > 1 else ""


class Generations:
    """The generations of one installation.

    Args:
        wanted: the recipe that the settings ask for.
        found: the recipe of an index that is there although no generation is noted, if there is one.
    """

    def __init__(
        self,
        database: Database,
        wanted: Callable[[], Recipe],
        found: Callable[[], Recipe | None] = lambda: None,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._wanted = wanted
        self._found = found
        self._clock = clock

    @property
    def wanted(self) -> Recipe:
        return self._wanted()

    def current(self) -> Generation:
        """The one that answers searches; noted now where none is."""
        with self._database.read() as session:
            row = session.exec(_in_state("current")).first()
        return _generation(row) if row is not None else self._first()

    def building(self) -> Generation | None:
        """The one that is built beside it."""
        with self._database.read() as session:
            row = session.exec(_in_state("building")).first()
        return None if row is None else _generation(row)

    def alive(self) -> list[Generation]:
        """All that somebody may search now or later, the current one first."""
        with self._database.read() as session:
            rows = session.exec(
                select(GenerationRow)
                .where(col(GenerationRow.state).in_(("current", "building", "retired")))
                .order_by(col(GenerationRow.state) != "current", col(GenerationRow.number))
            ).all()
        found = [_generation(row) for row in rows]
        return found if found and found[0].state == "current" else [self._first(), *found]

    def is_current(self, session: Session, number: int) -> bool:
        """Whether this one is current, and stays it until the caller's transaction ends."""
        held = select(GenerationRow.number).where(
            GenerationRow.number == number, GenerationRow.state == "current"
        )
        return session.exec(held.with_for_update(read=True)).first() is not None

    def begin(self) -> Generation | None:
        """The one to be built, noted now where the current one is out of date; nothing where it is not.

        One that was begun for another recipe is given up.
        """
        wanted, now = self.wanted, self._clock()
        self.current()
        with self._database.write() as session:
            current = self.hold(session)
            building = session.exec(_in_state("building")).first()
            if building is not None and building.recipe == wanted.text != current.recipe:
                return _generation(building)
            if building is not None:
                building.state, building.retired_at = "dropping", now
                session.add(building)
            if current.recipe == wanted.text:
                return None
            number = session.exec(select(func.max(GenerationRow.number))).one() + 1
            row = _row(number, "building", wanted, now)
            session.add(row)
            return _generation(row)

    def switch(self, session: Session, number: int) -> None:
        """Makes this one current in the caller's transaction. `hold` and `keep` come before it."""
        now = self._clock()
        _set_state(session, ("current",), "retired", retired_at=now)
        _set_state(session, ("building",), "current", number=number, switched_at=now, holder="")

    def hold(self, session: Session) -> GenerationRow:
        """Keeps every other transaction that asks `is_current` waiting until the caller's ends."""
        row: GenerationRow = session.exec(_in_state("current").with_for_update()).one()
        return row

    def claim(self, number: int, holder: str) -> bool:
        """Takes the building of this one, unless a process that may be alive has it."""
        with self._database.write() as session:
            row = session.get(GenerationRow, number)
            if row is None or row.state != "building" or _is_held(row, self._clock()):
                return False
            row.holder, row.heartbeat_at = holder, self._clock()
            session.add(row)
        return True

    def keep(self, session: Session, number: int, holder: str, progress: tuple[int, int] | None) -> None:
        """Renews the claim in the transaction of what is written under it, and notes documents done and all.

        Raises:
            ConflictError: `claim_lost`, when another process took over, or the generation was given up.
        """
        values: dict[str, object] = {"heartbeat_at": self._clock()}
        if progress is not None:
            values |= {"documents_done": progress[0], "documents_total": progress[1]}
        kept = session.exec(
            update(GenerationRow)
            .where(
                col(GenerationRow.number) == number,
                col(GenerationRow.state) == "building",
                col(GenerationRow.holder) == holder,
            )
            .values(**values)
        )
        if kept.rowcount != 1:
            raise ConflictError(
                "Another process took over the re-indexing; this one stops.", code="claim_lost"
            )

    def release(self, number: int, holder: str) -> None:
        """Gives the building back, unless it is another's by now."""
        with self._database.write() as session:
            session.execute(
                update(GenerationRow)
                .where(col(GenerationRow.number) == number, col(GenerationRow.holder) == holder)
                .values(holder="", heartbeat_at=None)
            )

    def is_worked_on(self, number: int) -> bool:
        """Whether a process that may be alive builds this one."""
        with self._database.read() as session:
            row = session.get(GenerationRow, number)
            return row is not None and _is_held(row, self._clock())

    def let_go(self) -> None:
        """Marks retired ones that nobody searches any more as `dropping`."""
        with self._database.write() as session:
            before = self._clock() - RETIRED_FOR
            _set_state(session, ("retired",), "dropping", before=before, retired_at=self._clock())

    def to_drop(self) -> Sequence[Generation]:
        """Those whose files can be removed: long enough ago, every process has been told."""
        before = self._clock() - DROPPING_FOR
        with self._database.read() as session:
            rows = session.exec(_in_state("dropping").where(col(GenerationRow.retired_at) < before)).all()
        return [_generation(row) for row in rows]

    def dropped(self, number: int) -> None:
        """Notes that its files are gone."""
        with self._database.write() as session:
            _set_state(session, ("dropping",), "gone", number=number)

    def _first(self) -> Generation:
        recipe = self._found() or self.wanted
        with self._database.write() as session:
            row = session.exec(_in_state("current")).first()
            if row is None:
                row = _row(1, "current", recipe, self._clock())
                session.add(row)
            return _generation(row)


def new_holder() -> str:
    """A name for a process that builds: other processes see by it whether this one is alive."""
    return f"{socket.gethostname()}:{os.getpid()}:{new_id()}"


def _is_held(row: GenerationRow, now: datetime) -> bool:
    if not row.holder or row.heartbeat_at is None or now - row.heartbeat_at > _CLAIM_EXPIRES_AFTER:
        return False
    host, pid, _ = row.holder.split(":")
    if host != socket.gethostname() or int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _in_state(state: State):  # type: ignore[no-untyped-def]
    return select(GenerationRow).where(GenerationRow.state == state)


def _set_state(
    session: Session,
    states: tuple[State, ...],
    to: State,
    *,
    number: int | None = None,
    before: datetime | None = None,
    **values: object,
) -> None:
    chosen = update(GenerationRow).where(col(GenerationRow.state).in_(states))
    if number is not None:
        chosen = chosen.where(col(GenerationRow.number) == number)
    if before is not None:
        chosen = chosen.where(col(GenerationRow.retired_at) < before)
    session.execute(chosen.values(state=to, **values))


def _row(number: int, state: State, recipe: Recipe, now: datetime) -> GenerationRow:
    return GenerationRow(
        number=number,
        state=state,
        embedder=recipe.embedder,
        dimensions=recipe.dimensions,
        embedding_model=recipe.embedding_model,
        recipe=recipe.text,
        created_at=now,
    )


def _generation(row: GenerationRow) -> Generation:
    return Generation(
        number=row.number,
        state=row.state,  # type: ignore[arg-type]
        recipe=Recipe(row.embedder, row.dimensions, row.embedding_model, row.recipe),
        documents_done=row.documents_done,
        documents_total=row.documents_total,
        created_at=row.created_at,
        retired_at=row.retired_at,
    )
