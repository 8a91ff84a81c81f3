"""Signing in, encryption, and connections that break: against a real Dovecot, through a wire that is cut."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.core.errors import InputError, RungError, UnavailableError
from ingest.connector import Change, Checkpoint, Failure
from ingest.connectors.imap import ImapConnector, ImapSettings, connection
from ingest.remote import SourceWaitError
from tests.ingest.connectors.changes import failures, nothing_known, unchanged, upserts
from tests.ingest.connectors.imap.box import PASSWORD, Box, mail
from tests.servers.dovecot import Dovecot, dovecot, free_port
from tests.servers.wire import Wire

USER = "ann@example.com"


def pull(made: ImapConnector) -> list[Change]:
    return list(made.pull("", nothing_known))


def test_wrong_password_says_what_to_do_and_never_the_password(box: Box) -> None:
    for wrong in ("not the password", "nicht größer", ""):
        made = box.connector(password=wrong)
        with pytest.raises(InputError) as raised:
            pull(made)
        assert raised.value.code == "sign_in_failed" and "app password" in raised.value.message
        assert not wrong or wrong not in f"{raised.value} {raised.value.__cause__} {raised.value.__context__}"
        check = made.check()
        assert not check.ok and [finding.ok for finding in check.findings] == [True, False]
        assert not wrong or wrong not in repr(check)


def test_refused_token_says_that_it_may_have_expired(box: Box) -> None:
    with pytest.raises(InputError) as raised:
        pull(box.connector(oauth_token="abc-token"))
    assert raised.value.code == "sign_in_failed" and "expired" in raised.value.message
    assert "abc-token" not in f"{raised.value!r} {raised.value.__cause__!r}"


@contextmanager
def server_box(server: Dovecot, tmp_path: Path, user: str = USER) -> Iterator[Box]:
    box = Box(server, user, tmp_path / "scratch")
    try:
        yield box
    finally:
        for made in box.made:
            made.close()


def test_password_of_any_letters_signs_in(tmp_path: Path) -> None:
    with dovecot({USER: 'größer "als\\ das {5}'}) as server, server_box(server, tmp_path) as box:
        assert box.connector(password='größer "als\\ das {5}').check().ok


@pytest.mark.parametrize("tls", ["tls", "starttls"])
def test_certificate_is_checked_and_a_company_authority_trusted(
    mail_server: Dovecot, box: Box, tls: str
) -> None:
    box.put(mail("first"))
    port = mail_server.tls_port if tls == "tls" else mail_server.port
    with pytest.raises(UnavailableError) as raised:
        pull(box.connector(tls=tls, port=port))
    assert raised.value.code == "tls_failed" and "authority" in raised.value.message
    assert not isinstance(raised.value, SourceWaitError)
    trusting = box.connector(tls=tls, port=port, ca_file=mail_server.certificate)
    assert set(upserts(pull(trusting))) == {"INBOX/first@example.com"}
    # The certificate is for 127.0.0.1 and not for this name of the same server.
    elsewhere = box.connector(tls=tls, port=port, ca_file=mail_server.certificate, host=mail_server.elsewhere)
    assert not elsewhere.check().ok
    with pytest.raises(InputError, match="cannot be read"):
        pull(box.connector(tls=tls, port=port, ca_file=mail_server.folder / "nothing.pem"))


@pytest.mark.parametrize("tls", ["tls", "starttls"])
def test_server_without_tls_never_gets_the_password_where_tls_is_asked(tmp_path: Path, tls: str) -> None:
    with dovecot({USER: PASSWORD}, tls=False) as server, server_box(server, tmp_path) as box:
        made = box.connector(tls=tls)
        with pytest.raises(UnavailableError) as raised:
            pull(made)
        assert raised.value.code == "tls_failed"
        assert not made.check().ok
        assert "Login:" not in (server.folder / "dovecot.log").read_text()
        assert box.connector(tls="none").check().ok


def test_server_that_takes_no_password_in_the_clear_says_to_choose_tls(tmp_path: Path) -> None:
    with dovecot({USER: PASSWORD}, need_tls=True) as server, server_box(server, tmp_path) as box:
        with pytest.raises(InputError) as raised:
            pull(box.connector(host=server.elsewhere, allow_unencrypted=True))
        assert raised.value.code == "sign_in_failed" and "STARTTLS" in raised.value.message


def test_password_is_sent_unencrypted_to_this_machine_or_on_a_yes_alone() -> None:
    given = {"host": "mail.example.com", "tls": "none", "username": "ann", "password": "x"}
    with pytest.raises(ValidationError, match="in the clear"):
        ImapSettings.model_validate(given)
    ImapSettings.model_validate({**given, "allow_unencrypted": True})
    ImapSettings.model_validate({**given, "host": "localhost"})


@pytest.mark.parametrize(
    "bad",
    [
        {"host": "imap://mail.example.com"},
        {"host": "mail.example.com/inbox"},
        {"host": ""},
        {"username": ""},
        {"username": "ann\r\nA1 LOGOUT"},
        {"mailbox_owner": "ann"},
        {"since": "yesterday"},
        {"port": 0},
        {"tls": "maybe"},
    ],
)
def test_settings_that_cannot_be_are_refused_without_their_secrets(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as raised:
        ImapSettings.model_validate({"host": "h", "username": "u", "password": "hush", **bad})
    assert "hush" not in str(raised.value)


def test_server_that_is_away_makes_the_run_wait(box: Box) -> None:
    made = box.connector(port=free_port())
    for call in (lambda: pull(made), lambda: list(made.list_ids()), made.estimate):
        with pytest.raises(SourceWaitError) as raised:
            call()
        assert raised.value.code == "source_unreachable"
    assert not made.check().ok


def test_account_with_too_many_connections_is_left_alone_for_a_while(tmp_path: Path) -> None:
    with dovecot({USER: PASSWORD}, connections=1) as server, server_box(server, tmp_path) as box:
        with server.mailbox(USER), pytest.raises(SourceWaitError) as raised:
            pull(box.connector())
        assert raised.value.code == "rate_limited" and raised.value.retry_after_seconds >= 60


@pytest.fixture
def full(box: Box) -> Box:
    """Sixty mails in two folders, with the ids that a whole pass finds."""
    box.put(*(mail(f"m{n:02}") for n in range(40)))
    box.put(*(mail(f"n{n:02}") for n in range(20)), folder="Projects")
    return box


@pytest.mark.parametrize("passes", [[900], [2_000], [4_000, 3_000], [9_000], [14_000], [22_000]])
def test_connection_that_breaks_is_made_anew_and_nothing_is_lost(full: Box, passes: list[int]) -> None:
    whole = {name: one.content for name, one in upserts(full.afresh()).items()}
    with Wire(full.server.port, passes).open() as wire:
        full.scratch = full.scratch / str(passes)
        made = full.connector(port=wire.port)
        changes = pull(made)
        assert {name: one.content for name, one in upserts(changes).items()} == whole
        assert len(upserts(changes)) + 3 >= len(changes)
        assert sorted(made.list_ids()) == sorted(whole)
        assert wire.connections == len(passes) + 1


def test_connection_that_always_breaks_makes_the_run_wait_and_keeps_what_was_read(full: Box) -> None:
    with Wire(full.server.port, [30_000] + [700] * 50).open() as wire:
        seen: list[Change] = []
        with pytest.raises(SourceWaitError) as raised:
            seen.extend(full.connector(port=wire.port).pull("", nothing_known))
        assert raised.value.code == "source_unreachable"


def test_server_that_goes_silent_makes_the_run_wait(full: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TIMEOUT_SECONDS", 0.3)
    silent = Wire(full.server.port, [1_200] * 50, stalls=True)
    with silent.open(), pytest.raises(SourceWaitError, match="in time") as raised:
        pull(full.connector(port=silent.port))
    assert raised.value.code == "source_unreachable"


def test_folder_that_is_removed_while_it_is_read_is_named_and_the_others_are_read(full: Box) -> None:
    def known(name: str) -> str | None:
        if name == "Projects/n05@example.com":
            with full.server.mailbox(full.user) as client:
                client.delete("Projects")
        return None

    full.put(mail("z"), folder="Zebra")
    made = full.connector(limit=500)  # no mail is fetched ahead
    made._reader._ahead = lambda items: {}  # type: ignore[method-assign]
    changes = list(made.pull("", known))
    assert any(code == "vanished" for code in failures(changes).values())
    assert "Zebra/z@example.com" in upserts(changes)
    assert isinstance(changes[-1], Checkpoint) and changes[-1].last
    full.state, full.known = changes[-1].state, {}
    again = full.pull()
    assert not failures(again) and not any(name.startswith("Projects") for name in upserts(again))
    assert len(list(full.connector().list_ids())) == 41


def test_folder_made_anew_while_it_is_read_ends_the_run_before_it_mixes_mails_up(full: Box) -> None:
    seen: list[str] = []

    def known(name: str) -> str | None:
        seen.append(name)
        if name == "Projects/n05@example.com" and seen.count(name) == 1:
            with full.server.mailbox(full.user) as client:
                client.delete("Projects")
            full.put(*(mail(f"n{n:02}", "Quite another text.") for n in range(20)), folder="Projects")
            full.made[-1]._connection._drop()
        return None

    with pytest.raises(UnavailableError) as raised:
        list(full.connector().pull("", known))
    assert raised.value.code == "source_changed"
    assert len(upserts(full.afresh())) == 60


def test_mails_that_leave_while_the_folder_is_listed_over_a_broken_wire_hide_no_others(
    full: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest.connectors.imap import folders

    monkeypatch.setattr(folders, "_LISTED", 10)
    made = full.connector()
    fetch, times = made._connection.fetch, []

    def broken(*given: object, **more: object) -> dict[int, object]:
        found = fetch(*given, **more)  # type: ignore[arg-type]
        times.append(given)
        if len(times) == 2:
            full.remove("m01")
            made._connection._drop()
        return found

    monkeypatch.setattr(made._connection, "fetch", broken)
    listed = set(made.list_ids())
    assert len(listed) == 59 and "INBOX/m01@example.com" not in listed


def test_damaged_file_of_earlier_passes_is_made_anew(full: Box) -> None:
    whole = upserts(full.pull())
    [file] = full.scratch.glob("mails-*")
    for made in full.made:
        made.close()
    for damage in (b"not a database at all" * 100, file.read_bytes()[:4096] + b"\xff" * 20_000):
        file.write_bytes(damage)
        full.state = ""
        assert unchanged(full.pull()) == set(whole)


def test_what_is_gone_is_forgotten(full: Box) -> None:
    full.pull()
    full.remove("m01")
    with full.server.mailbox(full.user) as client:
        client.delete("Projects")
    full.pull()
    rows = full.made[-1]._cache._database.execute("SELECT folder, about FROM mail").fetchall()
    assert len(rows) == 39 and not any("m01" in about for _, about in rows)


@contextmanager
def scripted(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """A server that greets and then answers each line by itself; gives its port."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            client, _ = listener.accept()
            with client, client.makefile("rb") as lines, suppress(OSError):
                client.sendall(b"* OK [CAPABILITY IMAP4rev1] hello\r\n")
                for line in lines:
                    client.sendall(answer(line))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield port
        finally:
            over.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join(10)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("[AUTHENTICATIONFAILED] Invalid credentials, try again later", "sign_in_failed"),
        ("Generate an app password for this corporate account", "sign_in_failed"),
        ("Login failed, please try again", "sign_in_failed"),
        ("[UNAVAILABLE] Temporary authentication failure", "rate_limited"),
        ("Too many simultaneous connections", "rate_limited"),
        ("[LIMIT] Rate limit hit", "rate_limited"),
    ],
)
def test_words_of_a_refused_sign_in_are_told_apart(box: Box, said: str, code: str) -> None:
    def answer(line: bytes) -> bytes:
        tag, _, rest = line.partition(b" ")
        if rest.upper().startswith(b"LOGIN"):
            return tag + b" NO " + said.encode() + b"\r\n"
        return b"* CAPABILITY IMAP4rev1\r\n" + tag + b" OK done\r\n"

    with scripted(answer) as port, pytest.raises((InputError, SourceWaitError)) as raised:
        pull(box.connector(port=port))
    assert isinstance(raised.value, RungError)
    assert raised.value.code == code and PASSWORD not in str(raised.value)


def test_server_of_another_kind_is_said_to_answer_nonsense(box: Box) -> None:
    with scripted(lambda line: b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        with pytest.raises(SourceWaitError) as raised:
            pull(box.connector(port=port))
        assert raised.value.code == "source_unreachable"
        assert not box.connector(port=port).check().ok


def test_failure_of_the_whole_folder_counts_for_what_is_in_it(box: Box) -> None:
    box.put(mail("first"), folder="Projects")
    box.pull()
    path = box.server.folder / "mail" / box.user / ".Projects"
    (path / "dovecot-acl").write_text(f"user={box.user} l\n")
    box.server.give(path)
    [failure] = [c for c in box.pull() if isinstance(c, Failure)]
    assert (failure.external_id, failure.code, failure.whole_folder) == (
        "Projects",
        "permission_denied",
        True,
    )
    assert failure.access == frozenset()
