"""What a source no longer lists: removed in batches, and never too much of it without an admin's leave."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, insert

from app.core.audit import AuditLog
from app.core.errors import ConflictError
from ingest.tables import DocumentRow, SourceRow
from tests.fakes.points import make_point
from tests.ingest.sync.script import Script
from tests.ingest.sync.world import ANA, NAME, World

MANY = 10_000


def hold(world: World, number: int) -> None:
    """As many documents as if earlier runs had taken them in; a few of them have chunks."""
    source, now = world.row(), world.clock()
    rows = [
        {
            "id": f"00000000-0000-5000-8000-{n:012}",
            "workspace_id": "default",
            "source_id": source.id,
            "external_id": f"old-{n:05}",
            "state": "indexed",
            "revision": "1",
            "access": ["everyone"],
            "text": "",
            "headings": [],
            "pages": [],
            "notes": [],
            "created_at": now,
            "indexed_at": now,
        }
        for n in range(number)
    ]
    with world.database.write() as session:
        session.execute(insert(DocumentRow), rows)
    world.index.upsert(
        [
            make_point(str(row["external_id"]), "Text.", workspace_id="default", document_id=str(row["id"]))
            for row in rows[:: max(1, number // 20)]
        ]
    )


@contextmanager
def counted(world: World) -> Iterator[list[str]]:
    """The statements that are sent to the database."""
    sent: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(world.database.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(world.database.engine, "before_cursor_execute", note)


def test_a_source_of_nothing_after_one_of_ten_thousand_asks_first(world: World, script: Script) -> None:
    hold(world, MANY)
    points = len(world.index.points)
    script.items.clear()
    done = world.sync()
    assert (done.state, done.counts.deleted) == ("incomplete", 0)
    world.stands("incomplete", "removal_needs_confirmation", "10\u202f000 documents", "nothing was removed")
    assert world.last_run.to_remove == MANY
    assert [act.label for act in world.page().acts if "Remove" in act.label] == [
        "Remove 10\u202f000 documents…"
    ]
    assert world.source.documents == MANY and len(world.index.points) == points

    again = world.sync()
    assert again.counts.deleted == 0 and world.last_run.to_remove == MANY

    world.syncs.confirm_removal(NAME, actor=ANA)
    with counted(world) as sent:
        removed = world.sync()
    assert (removed.state, removed.counts.deleted) == ("complete", MANY)
    assert world.source.documents == 0 and not world.index.points
    assert len(sent) < MANY / 10, "it removes in batches"
    assert not world.row().prune_confirmed
    acts = [entry.action for entry in AuditLog(world.database).about("source", NAME)]
    assert "source.removal_confirmed" in acts


def test_a_confirmation_counts_once(world: World, script: Script) -> None:
    world.sync()
    kept = dict(script.items)
    script.items.clear()
    world.sync()
    world.syncs.confirm_removal(NAME, actor=ANA)
    world.sync()
    script.items.update(kept)
    assert world.sync().counts.held == len(kept)
    script.items.clear()
    world.sync()
    world.stands("incomplete", "removal_needs_confirmation")
    assert world.held() == set(kept)


def test_a_source_that_is_whole_again_needs_no_confirmation(world: World, script: Script) -> None:
    world.sync()
    kept = dict(script.items)
    script.items.clear()
    world.sync()
    script.items.update(kept)
    assert world.sync().state == "complete"
    world.stands("complete", "")
    with pytest.raises(ConflictError) as refused:
        world.syncs.confirm_removal(NAME, actor=ANA)
    assert refused.value.code == "nothing_to_confirm"


@pytest.mark.parametrize(
    ("share", "gone", "asks"),
    [
        (0.3, 30, False),
        (0.3, 31, True),
        (0.0, 10, False),
        (0.0, 11, True),
        (0.5, 50, False),
        (1.0, 99, False),
    ],
)
def test_the_share_that_an_admin_sets_decides(
    world: World, script: Script, share: float, gone: int, asks: bool
) -> None:
    script.items.clear()
    hold(world, 100)
    with world.database.write() as session:
        session.get_one(SourceRow, world.row().id).prune_share_max = share
    script.listing = lambda: [f"old-{n:05}" for n in range(gone, 100)]
    done = world.sync()
    assert done.counts.deleted == (0 if asks else gone)
    assert world.last_run.to_remove == (gone if asks else 0)
    assert (done.state == "incomplete") is asks


def test_what_is_gone_is_looked_up_in_batches(world: World, script: Script) -> None:
    hold(world, 3_000)
    script.items.clear()
    script.listing = lambda: [f"old-{n:05}" for n in range(2_400)]
    with counted(world) as sent:
        done = world.sync()
    assert done.counts.deleted == 600 and world.source.documents == 2_400
    looked_up = [
        s for s in sent if s.startswith("SELECT document.id, document.external_id, document.revision")
    ]
    assert 1 <= len(looked_up) <= 3
