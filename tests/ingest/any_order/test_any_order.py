"""Whatever happens at a source, and to the syncs of it, in any order: in the end all is as it is there."""

import os
from collections import Counter
from collections.abc import Callable
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
    """What somebody does at the source; nothing, where it cannot be done."""

    what: str
    name: str
    other: str
    parts: tuple[int, ...]
    access: AccessList

    def apply(self, source: Source) -> None:
        there = self.name in source.items
        match self.what:
            case "put":
                source.put(self.name, self.parts, self.access)
            case "open" if there:
                source.change_access(self.name, self.access)
            case "move" if there and self.other not in source.items:
                source.move(self.name, self.other)
            case "remove" if there:
                source.remove(self.name)
            case "lock" | "unlock" if there:
                source.set_readable(self.name, self.what == "unlock")


EDITS = st.builds(
    Edit,
    st.sampled_from(("put", "put", "open", "move", "remove", "lock", "unlock")),
    NAMES,
    NAMES,
    PARTS,
    ACCESS,
)


class AnyOrder(RuleBasedStateMachine):
    """Each rule does one thing at the source or syncs it, to its end or not."""

    template: ClassVar[Path]
    patch: ClassVar[pytest.MonkeyPatch]
    house: House | None = None

    @initialize(cursor=st.booleans(), moves=st.booleans(), failures=st.booleans())
    def begin(self, cursor: bool, moves: bool, failures: bool) -> None:
        self.source = Source(cursor, moves, failures)
        register(self.patch, self.source)
        self.house = House(self.source, self.template)

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

    @rule(edit=EDITS)
    def edit(self, edit: Edit) -> None:
        edit.apply(self.source)

    @rule(again=st.booleans())
    def sync(self, again: bool = False) -> None:
        """To its end; a run that had died is followed by one that sees what changed behind its place."""
        first = self.home.sync(again=again)
        self.check_counts(first)
        self.check_whole(self.home.sync() if first.resumed else first)

    @rule()
    def sync_without_leave_to_remove(self) -> None:
        held = set(self.home.rows())
        summary = self.home.sync(allow_empty=False)
        if summary.message.startswith("Incomplete") and "Nothing was removed" in summary.message:
            assert held <= set(self.home.rows()) | set(self.source.items)
        else:
            self.check_counts(summary)

    @rule(at=MOMENTS, of_index=st.booleans())
    def die(self, at: int, of_index: bool) -> None:
        self.meet(KilledError, at, of_index=of_index)

    @rule(at=MOMENTS)
    def lose_the_source(self, at: int) -> None:
        self.meet(UnavailableError, at)

    @rule(at=MOMENTS, edit=EDITS)
    def edit_meanwhile(self, at: int, edit: Edit) -> None:
        self.source.moment = self.after(at, lambda: self.edit(edit))
        try:
            self.check_counts(self.home.sync())
        finally:
            self.source.moment = nothing

    def meet(self, error: type[BaseException], at: int, *, of_index: bool = False) -> None:
        """A sync in which that happens at this moment, if it comes so far."""

        def fail() -> None:
            raise error("Not now.")

        place: Source | WatchedIndex = self.home.index if of_index else self.source
        place.moment = self.after(at, fail)
        try:
            summary = self.home.sync()
        except error:
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
        assert held | failed <= listed

    def check_whole(self, summary: SyncSummary) -> None:
        """After a run that began after the last change, everything is here as it is there."""
        items = self.source.items
        assert summary.state == "complete", summary.message
        assert self.home.failures() == {name for name, item in items.items() if not item.readable}
        rows = self.home.rows()
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
            stateful_step_count=20,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
