"""Mails and folders as they are in the wild: odd names, broken MIME, huge, encrypted, damaged."""

import base64
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.connector import Failure, Upsert
from ingest.connectors.imap.folders import folder_id
from ingest.parsing import ParseError
from tests.ingest.connectors.changes import end_of, failures, unchanged, upserts
from tests.ingest.connectors.imap.box import Box, mail, text_of
from tests.servers.dovecot import Dovecot

ODD = [
    "007",
    "12",
    "NIL",
    'quo"te',
    "back\\slash",
    "Entwürfe & Pläne",
    "漢字",
    "&",
    "star* and 50%",
    " spaces ",
    "{5}",
    "(p)",
    "a:b",
    "INBOX/deep/er",
]


def test_odd_folders_are_read_under_ids_of_their_own(box: Box) -> None:
    client = box.connector()._connection
    for number, name in enumerate(ODD):
        client.run(lambda c, name=name: c.create_folder(name))  # type: ignore[misc]
        client.run(lambda c, name=name, n=number: c.append(name, mail(f"m{n}")))  # type: ignore[misc]
    found = upserts(box.pull())
    assert set(found) == {f"{folder_id(name, '/')}/m{n}@example.com" for n, name in enumerate(ODD)}
    assert len({name.rpartition("/")[0] for name in found}) == len(ODD)
    assert all(name.isprintable() for name in found)
    assert sorted(box.connector().list_ids()) == sorted(found)
    assert all(isinstance(box.connector().fetch(name), Upsert) for name in list(found)[:4])
    assert len(box.pull()) == 1


@given(st.lists(st.text(max_size=6), min_size=2, max_size=2, unique=True))
def test_no_two_folders_share_the_beginning_of_their_ids(names: list[str]) -> None:
    first, second = (folder_id(name, "/") for name in names)
    assert first != second and first.isprintable() and "/" not in first


def test_bin_junk_and_drafts_are_left_out_unless_named(box: Box) -> None:
    for folder in ("Trash", "Junk", "Drafts", "Projects/Trash", "Kept"):
        box.put(mail(f"in-{folder.replace('/', '-')}"), folder=folder)
    assert set(upserts(box.pull())) == {"Kept/in-Kept@example.com"}
    assert set(upserts(box.pull(exclude_folders=(), folders=("/Trash",)))) == {"Trash/in-Trash@example.com"}


def test_patterns_choose_folders(box: Box) -> None:
    for folder in ("Projects", "Projects/2024", "Other"):
        box.put(mail("m"), folder=folder)
    box.put(mail("m"))
    assert set(upserts(box.pull(folders=("Projects", "Projects/*")))) == {
        "Projects/m@example.com",
        "Projects:2024/m@example.com",
    }
    assert not box.connector(folders=("Nowhere",)).check().ok


def raw(head: str, body: bytes = b"Hello there.", *, name: str = "odd") -> bytes:
    lines = f"Message-ID: <{name}@example.com>\nFrom: Ann <ann@example.com>\nSubject: Odd\n{head}".strip()
    return (lines + "\n\n").encode().replace(b"\n", b"\r\n") + body


BROKEN = {
    "a boundary that never comes": raw('Content-Type: multipart/mixed; boundary="x"', b"Hello there."),
    "a boundary that is not said": raw("Content-Type: multipart/mixed", b"--x\r\n\r\nHello there.\r\n"),
    "an end that is missing": raw(
        'Content-Type: multipart/mixed; boundary="x"',
        b"--x\r\nContent-Type: text/plain\r\n\r\nHello there.",
    ),
    "a type that is none": raw("Content-Type: hello"),
    "a charset that nobody knows": raw("Content-Type: text/plain; charset=klingon"),
    "bytes that are no UTF-8": raw("Content-Type: text/plain; charset=utf-8", b"Hello \xff\xfe there."),
    "8-bit bytes without a word on them": raw("", "Größe".encode("latin-1") + b" Hello there."),
    "base64 that is none": raw("Content-Transfer-Encoding: base64", b"Hello there!!!"),
    "headers of raw bytes": raw("", b"Hello there.").replace(b"Subject: Odd", b"Subject: Gr\xf6\xdfe \xff"),
    "a subject in a charset that nobody knows": raw("").replace(b"Odd", b"=?klingon?q?abc?="),
    "a date that is none": raw("Date: Yesterday, at noon"),
    "a date beyond all years": raw("Date: Mon, 01 Jan 99999 10:00:00 +9999"),
    "two of each header": raw("Subject: Two\nMessage-ID: <two@example.com>\nFrom: Eve <eve@example.com>"),
    "NUL bytes": raw("", b"Hello\x00there. Hello there."),
    "a line without end": raw("", b"Hello there. " + b"a" * 50_000),
    "references without end": raw("References: " + " ".join(f"<r{n}@example.com>" for n in range(900))),
    "a message in a message in a message": raw(
        "Content-Type: message/rfc822", raw("Content-Type: message/rfc822", raw("", b"Hello there."))
    ),
    "a hundred levels of nothing": raw(
        'Content-Type: multipart/mixed; boundary="b0"',
        b"".join(
            b'--b%d\r\nContent-Type: multipart/mixed; boundary="b%d"\r\n\r\n' % (n, n + 1) for n in range(100)
        ),
    ),
}


@pytest.fixture(scope="module")
def broken(mail_server: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Box:
    from tests.ingest.connectors.imap.conftest import USERS

    return Box(mail_server, f"user{USERS - 1}@example.com", Path(tmp_path_factory.mktemp("broken")))


@pytest.mark.parametrize("what", BROKEN)
def test_broken_mail_is_a_document_or_a_named_failure(box: Box, what: str) -> None:
    box.put(BROKEN[what], mail("good"))
    changes = box.pull()
    assert "INBOX/good@example.com" in upserts(changes)
    others = {c.external_id for c in changes if isinstance(c, Failure)} | set(upserts(changes))
    assert len(others) >= 2 and sorted(others) == sorted(box.connector().list_ids())
    for name, one in upserts(changes).items():
        assert one.title is not None and one.title.isprintable() and name.isprintable()
        try:
            text_of(one)
        except ParseError as error:
            assert error.code in {"damaged", "invalid_encoding", "no_text", "empty"}


def test_mails_without_any_header_are_told_apart(box: Box) -> None:
    box.put(b"\r\nJust text.", b"\r\nOther text, longer.", b"Subject: Alone\r\n\r\nHello.")
    found = upserts(box.pull())
    assert len(found) == 3 and all(name.startswith("INBOX/no-id-") for name in found)
    assert {name: one.revision for name, one in upserts(box.afresh()).items()} == box.known


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=400))
def test_any_bytes_are_a_document_or_a_named_failure(broken: Box, content: bytes) -> None:
    with broken.server.mailbox(broken.user) as client:
        done, _ = client.append("INBOX", "", "", content)
        if done != "OK":
            return
    connector = broken.connector()
    try:
        changes = list(connector.pull("", lambda _: None))
        end_of(changes)
        assert sorted({*upserts(changes), *failures(changes)}) == sorted(connector.list_ids())
    finally:
        connector.close()


def test_huge_mail_is_named_and_not_fetched(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.put(mail("huge", "long line of text\n" * 20_000), mail("small"))
    connector = box.connector(limit=100_000)
    asked: list[int] = []
    fetch = connector._connection.fetch

    def watched(numbers: Sequence[int], items: Sequence[str], *, uids: bool = True) -> dict[int, object]:
        asked.extend(number for number in numbers if "BODY.PEEK[]" in items[0])
        return fetch(numbers, items, uids=uids)

    monkeypatch.setattr(connector._connection, "fetch", watched)
    changes = list(connector.pull("", lambda _: None))
    assert failures(changes) == {"INBOX/huge@example.com": "too_large"}
    assert set(upserts(changes)) == {"INBOX/small@example.com"}
    assert len(asked) == 1


def test_small_words_beside_a_huge_attachment_are_read(box: Box) -> None:
    box.put(mail("first", "Small words.", attached=[("huge.md", b"long " * 40_000)]))
    changes = box.pull(limit=100_000)
    assert failures(changes) == {"INBOX/first@example.com/attachment-2": "too_large"}
    assert "Small words." in text_of(upserts(changes)["INBOX/first@example.com"])
    changes = box.afresh(limit=100_000, attachments=False)
    assert "Small words." in text_of(upserts(changes)["INBOX/first@example.com"])


def test_small_words_around_a_huge_picture_are_read(box: Box) -> None:
    picture = base64.b64encode(bytes(300_000))
    parts = (
        b"--x\r\nContent-Type: text/html\r\n\r\n<p>Small words.</p>\r\n"
        b"--x\r\nContent-Type: image/png\r\nContent-ID: <p>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + picture
        + b"\r\n--x--\r\n"
    )
    box.put(raw('Content-Type: multipart/related; boundary="x"', parts))
    [found] = upserts(box.pull(limit=100_000)).values()
    assert "Small words." in text_of(found) and len(found.content) < 2_000


def test_raising_the_limit_reads_what_was_too_large(box: Box) -> None:
    box.put(mail("huge", "long line of text\n" * 10_000))
    assert failures(box.pull(limit=100_000)) == {"INBOX/huge@example.com": "too_large"}
    assert set(upserts(box.pull(limit=1_000_000))) == {"INBOX/huge@example.com"}


def test_encrypted_and_packed_mail_is_named(box: Box) -> None:
    encrypted = raw(
        'Content-Type: application/pkcs7-mime; name="smime.p7m"\nContent-Transfer-Encoding: base64', b"AAAA"
    )
    packed = mail("packed", attached=[("winmail.dat", b"x")]).replace(
        b"text/markdown", b"application/ms-tnef"
    )
    box.put(encrypted, packed)
    assert failures(box.pull()) == {
        "INBOX/odd@example.com": "encrypted",
        "INBOX/odd@example.com/attachment-1": "unsupported_format",
        "INBOX/packed@example.com/attachment-2": "unsupported_format",
    }


def test_mail_that_the_server_cannot_read_is_a_failure_of_its_own(box: Box) -> None:
    box.put(mail("a"), mail("b"), mail("c"))
    damaged = box.server.files(box.user)[1]
    content = damaged.read_bytes()
    damaged.unlink()
    damaged.mkdir(mode=0)
    box.server.give(damaged)
    changes = box.pull()
    assert len(upserts(changes)) == 2 and len(failures(changes)) == 1
    assert set(failures(changes).values()) <= {"refused_by_server", "vanished"}
    damaged.rmdir()
    damaged.write_bytes(content)
    box.server.give(damaged)
    again = box.pull()
    assert len(upserts(again)) == 1 and len(unchanged(again)) == 2 and not failures(again)
