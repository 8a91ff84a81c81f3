"""Whatever happens at a source, and to the syncs of it, in any order: in the end all is as it is there."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app.core.errors import UnavailableError
from app.core.identity import AccessList, parse_access
from ingest.sync import SyncSummary, engine
from tests.ingest.any_order.house import House, KilledError, WatchedIndex
from tests.ingest.any_order.source import Source, register

# More of them find more: 25 take a quarter of a minute.
EXAMPLES = int(os.environ.get("RUNG_TEST_ORDERS", "25"))
NAMES = st.sampled_from(("a", "b", "c", "d", "e"))
ACCESS = st.sets(st.sampled_from(("everyone", "group:hr", "group:it")), max_size=2).map(
    lambda names: parse_access(sorted(names))
)
PARTS = st.lists(st.integers(0, 30), min_size=1, max_size=3, unique=True).map(tuple)
MOMENTS = st.integers(1, 12)


def nothing() -> None: ...


@dataclass(frozen=True)
class Edit:
    """What somebody does at the source. `number` says to which of the items that there are."""

    what: str
    number: int
    name: str
    parts: tuple[int, ...]
    access: AccessList

    def apply(self, source: Source) -> None:
        there = sorted(source.items)
        if self.what == "add" or not there:
            source.put(self.name, self.parts, self.access)
            return
        name = there[self.number % len(there)]
        match self.what:
            case "change":
                source.put(name, self.parts, self.access)
            case "open":
                source.change_access(name, self.access)
            case "move" if self.name not in source.items:
                source.move(name, self.name)
            case "remove":
                source.remove(name)
            case "lock" | "unlock":
                source.set_readable(name, self.what == "unlock")


EDITS = st.builds(
    Edit,
    st.sampled_from(("add", "change", "open", "move", "remove", "lock", "unlock")),
    st.integers(0, 4),
    NAMES,
    PARTS,
    ACCESS,
)
SEVERAL = st.lists(EDITS, max_size=4)


class AnyOrder(RuleBasedStateMachine):
    """Each rule does one thing at the source or syncs it, to its end or not."""

    template: ClassVar[Path]
    patch: ClassVar[pytest.MonkeyPatch]
    house: House | None = None
    open = False
    """Whether a run died, which the next one takes up."""
    behind = False
    """Whether something changed since that run began."""

    @initialize(
        cursor=st.booleans(),
        moves=st.booleans(),
        failures=st.booleans(),
        edits=st.lists(EDITS, min_size=1, max_size=8),
    )
    def begin(self, cursor: bool, moves: bool, failures: bool, edits: Sequence[Edit]) -> None:
        self.source = Source(cursor, moves, failures)
        register(self.patch, self.source)
        self.house = House(self.source, self.template)
        self.edit(edits)

    def teardown(self) -> None:
        if self.house is not None:
            try:
                for name in self.source.items:
                    self.source.set_readable(name, True)
                self.sync()
            finally:
                self.house.close()

    @property
    def home(self) -> House:
        assert self.house is not None
        return self.house

    def edit(self, edits: Sequence[Edit]) -> None:
        self.behind = self.behind or (self.open and bool(edits))
        for edit in edits:
            edit.apply(self.source)

    @rule(edits=SEVERAL, again=st.booleans())
    def sync(self, edits: Sequence[Edit] = (), again: bool = False) -> None:
        """To its end; where something may have changed behind the place of one that died, another follows."""
        self.edit(edits)
        behind = self.behind
        first = self.end(self.home.sync(again=again))
        self.check_counts(first)
        self.check_whole(self.home.sync() if behind else first)

    def end(self, summary: SyncSummary) -> SyncSummary:
        self.open = self.behind = False
        return summary

    @rule(edits=SEVERAL)
    def sync_without_leave_to_remove(self, edits: Sequence[Edit]) -> None:
        self.edit(edits)
        held = set(self.home.rows())
        summary = self.end(self.home.sync(allow_empty=False))
        if summary.message.startswith("Incomplete") and "Nothing was removed" in summary.message:
            assert held <= set(self.home.rows()) | set(self.source.items)
        else:
            self.check_counts(summary)

    @rule(edits=SEVERAL, at=MOMENTS, of_index=st.booleans())
    def die(self, edits: Sequence[Edit], at: int, of_index: bool) -> None:
        self.edit(edits)
        self.meet(KilledError, at, of_index=of_index)

    @rule(edits=SEVERAL, at=MOMENTS)
    def lose_the_source(self, edits: Sequence[Edit], at: int) -> None:
        self.edit(edits)
        self.meet(UnavailableError, at)

    @rule(edits=SEVERAL, at=MOMENTS, meanwhile=SEVERAL)
    def edit_meanwhile(self, edits: Sequence[Edit], at: int, meanwhile: Sequence[Edit]) -> None:
        self.edit(edits)
        self.source.moment = self.after(at, lambda: self.edit(meanwhile))
        try:
            self.check_counts(self.end(self.home.sync()))
        finally:
            self.source.moment = nothing

    def meet(self, error: type[BaseException], at: int, *, of_index: bool = False) -> None:
        """A sync in which that happens at this moment, if it comes so far."""

        def fail() -> None:
            raise error("Not now.")

        place: Source | WatchedIndex = self.home.index if of_index else self.source
        place.moment = self.after(at, fail)
        try:
            summary = self.end(self.home.sync())
        except error:
            self.open = True
            return
        finally:
            place.moment = nothing
        if "Not now." in summary.message:
            # Lost while it listed: what was read is held, and nothing is said of the rest.
            assert (summary.state, summary.counts.listed) == ("incomplete", 0)
        else:
            self.check_counts(summary)

    @staticmethod
    def after(number: int, act: Callable[[], None]) -> Callable[[], None]:
        left = number

        def moment() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                act()

        return moment

    @invariant()
    def nobody_sees_more_than_ever_was_allowed(self) -> None:
        if self.house is not None:
            self.house.index.check()

    def check_counts(self, summary: SyncSummary) -> None:
        """What a run says of itself is so, and it is complete only if everything is accounted for."""
        held, failed = (
            {n for n, row in self.home.rows().items() if row.state == "indexed"},
            self.home.failures(),
        )
        counts, listed = summary.counts, set(self.source.items)
        assert (counts.listed, counts.held, counts.failed) == (len(listed), len(held), len(failed))
        missing = listed - held - failed
        assert summary.state == ("incomplete" if missing else "complete"), summary.message
        if missing:
            assert f"{len(missing)} listed" in summary.message
        assert held <= listed

    def check_whole(self, summary: SyncSummary) -> None:
        """After a run that began after the last change, everything is here as it is there."""
        items = self.source.items
        assert summary.state == "complete", summary.message
        rows, failures = self.home.rows(), self.home.failures()
        locked = {name for name, item in items.items() if not item.readable}
        assert failures <= locked <= failures | set(rows)
        # Without an event nothing says that a document cannot be read any more.
        assert failures == locked or self.source.has_cursor
        assert {row.state for row in rows.values()} <= {"indexed"}
        for name, item in items.items():
            if item.readable:
                assert self.home.parts_held(rows[name].id) == Counter(item.parts)
                assert self.home.access_held(rows[name].id) == item.access
                assert parse_access(rows[name].access) == item.access
            elif name in rows and self.source.tells_access_of_failures:
                assert self.home.access_held(rows[name].id) <= item.access
        known = {row.id for row in rows.values()}
        assert {point.document_id for point in self.home.index.points.values()} == known
        for row in rows.values():
            assert sum(self.home.parts_held(row.id).values()) >= row.chunk_count > 0


def test_any_order(sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BATCH_CHUNKS", 3)
    monkeypatch.setattr(engine, "SLICE_CHUNKS", 2)
    machine = type("Machine", (AnyOrder,), {"template": sqlite_template, "patch": monkeypatch})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=12,
            deadline=None,
            # Making a failing example smaller would take minutes, and what threads do differs each time.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
