"""Mail through whole syncs: what is embedded, who finds it, and what is removed."""

from collections.abc import Callable

import pytest

from app.core.config import Settings
from app.core.db import Database
from ingest.parsing import ParserProcess
from tests.ingest.connectors.imap.box import PASSWORD, Box, mail
from tests.ingest.sync.world import ANA, NAME, World


@pytest.fixture
def world(sqlite_database: Database, settings: Settings, parser: ParserProcess, box: Box) -> World:
    """A source that reads the box."""
    made = World(sqlite_database, settings, parser)
    given = {"host": box.server.host, "port": box.server.port, "tls": "none", "username": box.user}
    made.add("imap", {**given, "password": PASSWORD})
    return made


def sync(world: World) -> int:
    """How many texts a sync embeds that ends complete."""
    before = world.embedder.embedded
    done = world.sync()
    assert done.state == "complete", done.message
    return world.embedder.embedded - before


def test_late_answer_is_embedded_alone_and_a_deleted_mail_is_found_no_longer(world: World, box: Box) -> None:
    box.put(mail("first", "The beginning.", subject="Budget"), mail("other"))
    assert sync(world) == 2
    row = world.rows()["INBOX/first@example.com"]
    box.put(mail("late", "A late word.", answers=["first"], minute=9))
    assert 1 <= sync(world) <= 2
    joined = world.rows()["INBOX/first@example.com"]
    assert joined.id == row.id and "A late word." in joined.text
    box.remove("late")
    sync(world)
    assert "A late word." not in world.rows()["INBOX/first@example.com"].text
    assert not any("A late word." in point.text for point in world.index.points.values())
    box.remove("first")
    assert sync(world) == 0
    assert world.held() == {"INBOX/other@example.com"}


def test_folder_made_anew_or_renamed_embeds_nothing(world: World, box: Box) -> None:
    mails = [mail(f"m{n}", attached=[("note.md", f"# Note {n}".encode())]) for n in range(4)]
    box.put(*mails, folder="Work")
    assert sync(world) == 8
    ids = {row.id for row in world.rows().values()}
    with box.server.mailbox(box.user) as client:
        client.delete("Work")
    box.put(*reversed(mails), folder="Work")
    assert sync(world) == 0
    with box.server.mailbox(box.user) as client:
        client.rename("Work", "Done")
    sync(world)
    assert {row.id for row in world.rows().values()} == ids
    assert all(name.startswith("Done/") for name in world.held()) and len(world.held()) == 8


def test_rights_that_change_reach_the_search_without_embedding(
    world: World, box: Box, make_box: Callable[[], Box]
) -> None:
    colleague = make_box()
    box.put(mail("first"), folder="Plans")
    sync(world)
    assert world.rows()["Plans/first@example.com"].access == [f"user:{box.user}"]
    for rights, expected in (("lr", {box.user, colleague.user}), ("l", {box.user})):
        with box.server.mailbox(box.user) as client:
            client.setacl("Plans", colleague.user, rights)
        assert sync(world) == 0
        assert world.rows()["Plans/first@example.com"].access == sorted(f"user:{one}" for one in expected)
        assert world.held() == {"Plans/first@example.com"}


def test_folder_that_cannot_be_read_for_a_while_loses_nothing_and_is_read_by_nobody(
    world: World, box: Box
) -> None:
    box.put(mail("first"), folder="Plans")
    box.put(mail("second"))
    sync(world)
    rights = box.server.folder / "mail" / box.user / ".Plans" / "dovecot-acl"
    rights.write_text(f"user={box.user} l\n")
    box.server.give(rights.parent)
    done = world.sync()
    assert done.state == "incomplete" and world.failures() == {"Plans": "permission_denied"}
    assert world.held() == {"Plans/first@example.com", "INBOX/second@example.com"}
    assert world.rows()["Plans/first@example.com"].access == []
    rights.unlink()
    assert sync(world) == 0
    assert world.rows()["Plans/first@example.com"].access == [f"user:{box.user}"]
    assert world.failures() == {}


def test_mailbox_that_is_suddenly_empty_is_not_removed_without_a_word(world: World, box: Box) -> None:
    box.put(*(mail(f"m{n:02}") for n in range(12)))
    sync(world)
    with box.server.mailbox(box.user) as client:
        client.select("INBOX")
        client.store("1:*", "+FLAGS", "(\\Deleted)")
        client.expunge()
    assert world.sync().state == "incomplete"
    assert len(world.held()) == 12
    world.stands("incomplete", "removal_needs_confirmation")
    world.syncs.confirm_removal(NAME, actor=ANA)
    assert world.sync().state == "complete"
    assert world.held() == set()
