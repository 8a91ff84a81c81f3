"""Threads and attachments as documents, and what later passes see of changes."""

from email.message import EmailMessage

import pytest

from ingest.connector import Delete, Failure, Upsert
from ingest.document import SourceDocument
from tests.ingest.connectors.changes import failures, unchanged, upserts
from tests.ingest.connectors.imap.box import Box, mail, text_of


def only(box: Box) -> SourceDocument:
    [found] = upserts(box.pull()).values()
    return found


def test_thread_is_one_document_with_its_mails_in_the_order_of_their_dates(box: Box) -> None:
    box.put(
        mail("last", "The end.", answers=["first", "second"], minute=9),
        mail("first", "The beginning.", minute=1, subject="Budget"),
        mail("second", "The middle.", answers=["first"], minute=5),
        mail("other", "Something else."),
    )
    found = upserts(box.pull())
    assert set(found) == {"INBOX/first@example.com", "INBOX/other@example.com"}
    thread = found["INBOX/first@example.com"]
    text = text_of(thread)
    assert text.index("The beginning.") < text.index("The middle.") < text.index("The end.")
    assert (thread.title, thread.author) == ("Budget", "Ann")
    assert thread.updated_at is not None and thread.updated_at.minute == 9


def test_late_answer_joins_its_thread_and_nothing_else_is_read(box: Box) -> None:
    box.put(mail("first", minute=1), mail("other"))
    box.pull()
    box.put(mail("late", "A late word.", answers=["first"], minute=30))
    changes = box.pull()
    assert set(upserts(changes)) == {"INBOX/first@example.com"}
    assert "A late word." in text_of(upserts(changes)["INBOX/first@example.com"])
    assert unchanged(changes) == {"INBOX/other@example.com"}


def test_answer_to_an_answer_that_is_not_here_finds_its_thread(box: Box) -> None:
    box.put(mail("first"), mail("third", answers=["first", "second"]))
    assert set(upserts(box.pull())) == {"INBOX/first@example.com"}


def test_answers_whose_beginning_is_not_here_are_one_thread(box: Box) -> None:
    box.put(mail("second", answers=["first"]), mail("third", answers=["first", "second"]))
    assert set(upserts(box.pull())) == {"INBOX/first@example.com"}
    box.put(mail("first", "At last."))
    assert "At last." in text_of(only(box))


def test_answer_without_references_is_found_by_its_subject(box: Box) -> None:
    box.put(
        mail("first", subject="Holidays", minute=1),
        mail("second", subject="AW: Re: Holidays", minute=2),
        mail("same", subject="Holidays", minute=3),
    )
    found = upserts(box.pull())
    assert set(found) == {"INBOX/first@example.com", "INBOX/same@example.com"}
    assert "Text of second." in text_of(found["INBOX/first@example.com"])


@pytest.mark.parametrize("removed", ["first", "second"])
def test_deleted_mail_leaves_its_thread(box: Box, removed: str) -> None:
    box.put(mail("first", minute=1), mail("second", answers=["first"], minute=2))
    box.pull()
    box.remove(removed)
    thread = only(box)
    assert thread.external_id == "INBOX/first@example.com"
    assert f"Text of {removed}." not in text_of(thread)


def test_mail_marked_as_deleted_is_gone_before_it_is_expunged(box: Box) -> None:
    box.put(mail("first"), mail("second"))
    box.pull()
    with box.server.mailbox(box.user) as client:
        client.select("INBOX")
        client.store("1", "+FLAGS", "(\\Deleted)")
        box.pull()
        assert list(box.connector().list_ids()) == ["INBOX/second@example.com"]
        assert isinstance(box.connector().fetch("INBOX/first@example.com"), Delete)


def test_folder_that_is_as_it_was_is_not_gone_over(box: Box) -> None:
    box.put(mail("first"))
    box.put(mail("second"), folder="Projects")
    box.pull()
    assert len(box.pull()) == 1
    box.put(mail("third"), folder="Projects")
    assert set(upserts(changes := box.pull())) == {"Projects/third@example.com"}
    assert unchanged(changes) == {"Projects/second@example.com"}


def test_folder_made_anew_has_another_uidvalidity_and_what_is_the_same_is_not_read_again(box: Box) -> None:
    first, second, third = mail("first"), mail("second"), mail("third")
    box.put(first, second, folder="Work")
    box.pull()
    with box.server.mailbox(box.user) as client:
        client.delete("Work")
    # The UID that belonged to one mail belongs to another now.
    box.put(third, first, folder="Work")
    changes = box.pull()
    assert unchanged(changes) == {"Work/first@example.com"}
    assert {name: text_of(one) for name, one in upserts(changes).items()} == {
        "Work/third@example.com": text_of(upserts(box.afresh())["Work/third@example.com"])
    }
    assert sorted(box.connector().list_ids()) == ["Work/first@example.com", "Work/third@example.com"]


def test_folder_that_was_renamed_says_where_its_mails_were(box: Box) -> None:
    box.put(mail("first"), mail("second", attached=[("note.md", b"# Note")]), folder="Plans")
    box.pull()
    with box.server.mailbox(box.user) as client:
        client.rename("Plans", "Done")
    found = upserts(box.pull())
    assert {name: one.moved_from for name, one in found.items()} == {
        name.replace("Plans", "Done"): name for name in list(box.known) if name.startswith("Plans")
    }
    assert len(found) == 3


def test_copies_of_a_mail_are_one_and_another_mail_with_its_id_is_not_lost(box: Box) -> None:
    one = mail("same", "Backup 1 is done.", minute=1)
    box.put(one, one, mail("same", "Backup 2 is done.", minute=2))
    found = upserts(box.pull())
    assert len(found) == 2
    assert {"Backup 1" in text_of(each) for each in found.values()} == {True, False}


def test_without_threads_each_mail_is_a_document(box: Box) -> None:
    box.put(mail("first"), mail("second", answers=["first"]))
    assert set(upserts(box.pull(threads=False))) == {"INBOX/first@example.com", "INBOX/second@example.com"}


def test_long_thread_is_cut_into_parts_that_fit(box: Box) -> None:
    box.put(mail("m0", "word " * 1000))
    box.put(*(mail(f"m{n}", f"Number {n}. " + "word " * 1000, answers=["m0"], minute=n) for n in range(1, 5)))
    found = upserts(box.pull(limit=12_000))
    assert set(found) == {"INBOX/m0@example.com" + tail for tail in ("", "/part-2", "/part-3")}
    assert all(f"Number {n}." in "".join(map(text_of, found.values())) for n in range(1, 5))
    assert all(len(one.content) < 14_000 for one in found.values())


def test_attachments_are_documents_of_their_own_with_the_access_of_the_mail(box: Box) -> None:
    box.put(mail("first", "See the note.", attached=[("Plan ü.md", "# Größe\n\nzwölf".encode())]))
    found = upserts(box.pull())
    attachment = found["INBOX/first@example.com/attachment-2"]
    assert (attachment.file_name, attachment.media_type) == ("Plan ü.md", "text/markdown")
    assert attachment.content.decode() == "# Größe\n\nzwölf"
    thread = found["INBOX/first@example.com"]
    assert attachment.access == thread.access and "Größe" not in text_of(thread)
    assert "See the note." in text_of(thread)


@pytest.mark.parametrize("plain", ["See the note.", ""])
def test_one_text_of_several_forms_counts_once_beside_an_attachment(box: Box, plain: str) -> None:
    message = EmailMessage()
    message["Message-ID"], message["From"] = "<first@example.com>", "ann@example.com"
    message.set_content(plain)
    message.add_alternative("<p>See the note.</p>", subtype="html")
    message.add_attachment(b"# Note", maintype="text", subtype="markdown", filename="note.md")
    box.put(bytes(message))
    found = upserts(box.pull())
    assert text_of(found["INBOX/first@example.com"]).count("See the note.") == 1
    assert found["INBOX/first@example.com/attachment-2"].content == b"# Note"


def test_words_behind_an_attachment_are_read(box: Box) -> None:
    box.put(
        mail("first", "First words.", attached=[("a.md", b"# A")]).replace(
            b"--\r\n", b"\r\nContent-Type: text/plain\r\n\r\nSecond words.\r\n"
        )
    )
    text = text_of(upserts(box.pull())["INBOX/first@example.com"])
    assert text.index("First words.") < text.index("Second words.")


def test_attachment_of_an_answer_is_kept_apart_and_goes_with_its_mail(box: Box) -> None:
    box.put(mail("first"), mail("second", answers=["first"], attached=[("a.md", b"# A")]))
    box.pull()
    assert "INBOX/second@example.com/attachment-2" in box.known
    box.remove("second")
    box.pull()
    assert list(box.connector().list_ids()) == ["INBOX/first@example.com"]


def test_attachments_can_be_left_out(box: Box) -> None:
    box.put(mail("first", "See the note.", attached=[("note.md", b"# Note")]))
    assert set(upserts(box.pull(attachments=False))) == {"INBOX/first@example.com"}


def test_attachment_of_another_format_is_named_and_not_read(box: Box) -> None:
    box.put(mail("first", attached=[("tool.exe", b"MZ")]).replace(b"text/markdown", b"application/x-msdos"))
    changes = box.pull()
    assert failures(changes) == {"INBOX/first@example.com/attachment-2": "unsupported_format"}
    assert set(upserts(changes)) == {"INBOX/first@example.com"}


def test_mail_from_before_the_day_is_left_out(box: Box) -> None:
    with box.server.mailbox(box.user) as client:
        client.append("INBOX", "", '"01-Jan-2020 10:00:00 +0000"', mail("old"))
        client.append("INBOX", "", '"01-Jan-2024 10:00:00 +0000"', mail("new"))
    assert set(upserts(box.pull(since="2023-05-01"))) == {"INBOX/new@example.com"}
    assert set(upserts(box.pull())) == {"INBOX/old@example.com"}


def test_one_document_again(box: Box) -> None:
    box.put(mail("first", attached=[("note.md", b"# Note")]))
    again = box.connector().fetch("INBOX/first@example.com/attachment-2")
    assert isinstance(again, Upsert) and again.document.content == b"# Note"
    assert isinstance(box.connector().fetch("INBOX/nobody@example.com"), Delete)
    assert isinstance(box.connector().fetch("Nowhere/first@example.com"), Delete)


def test_nothing_is_marked_as_read(box: Box) -> None:
    box.put(mail("first", attached=[("note.md", b"# Note")]), mail("second", answers=["first"]))
    box.pull()
    with box.server.mailbox(box.user) as client:
        client.select("INBOX", readonly=True)
        assert client.search(None, "UNSEEN") == ("OK", [b"1 2"])


def test_mail_that_goes_away_while_it_is_read_is_named_and_looked_at_again(box: Box) -> None:
    box.put(mail("a1"), mail("b2", "long " * 3_000_00), mail("c3"))
    changes = []
    for change in box.connector(limit=8_000_000).pull("", lambda _: _remove(box)):
        changes.append(change)
    assert failures(changes) == {"INBOX/b2@example.com": "vanished"}
    assert set(upserts(changes)) == {"INBOX/a1@example.com", "INBOX/c3@example.com"}
    box.state = changes[-1].state  # type: ignore[union-attr]
    box.known = {name: one.revision for name, one in upserts(changes).items()}
    again = box.pull()
    assert not any(isinstance(c, Failure) for c in again)
    assert unchanged(again) == {"INBOX/a1@example.com", "INBOX/c3@example.com"}


def _remove(box: Box) -> None:
    with box.server.mailbox(box.user) as client:
        client.select("INBOX")
        if client.search(None, "LARGER", "100000")[1][0]:
            box.remove("b2")
