"""A mailbox on Dovecot: mails in three folders, and one mail that is too large."""

import atexit
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from uuid import uuid4

from app.core.identity import EVERYONE
from ingest.connector import Connector, ReadContext
from ingest.connectors.imap import ImapConnector, ImapSettings
from tests.contracts.kits.shared import ITEMS
from tests.servers.dovecot import Dovecot, dovecot

_USERS = 40
_FOLDERS = ("INBOX", "Projects", "Projects/2024")


@cache
def _server() -> Dovecot:
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(dovecot({f"user{n}@example.com": "secret" for n in range(_USERS)}))


_free = iter(range(_USERS))


def mail(number: int | str, text: str = "", *, more: str = "") -> bytes:
    """A small mail with a Message-ID made of the number."""
    return (
        f"Message-ID: <m{number}@example.com>\r\nFrom: Ann <ann@example.com>\r\nSubject: Subject {number}\r\n"
        f"Date: Mon, 01 Jan 2024 10:00:00 +0000\r\n{more}\r\n{text or f'Text of mail {number}.'}\r\n"
    ).encode()


class ImapKit:
    """Threads of one mail each."""

    def __init__(self, folder: Path, *, items: int = ITEMS) -> None:
        self._scratch = folder / uuid4().hex
        self._server = _server()
        self.user = f"user{next(_free)}@example.com"
        self._forbidden = False
        with self._server.mailbox(self.user) as box:
            for name in _FOLDERS[1:]:
                box.create(name)
            for number in range(items):
                box.append(_FOLDERS[number % 3], "", "", mail(number))
            box.append("Projects", "", "", mail("huge", "long line of text\r\n" * 70_000))

    def settings(self) -> ImapSettings:
        return ImapSettings.model_validate(
            {
                "host": "127.0.0.1",
                "port": self._server.port,
                "tls": "none",
                "username": self.user,
                "password": "secret",
                "folders": ("INBOX", "Projects", "Projects/*"),
            }
        )

    def connector(self) -> Connector:
        context = ReadContext(frozenset({EVERYONE}), 1_000_000, scratch=self._scratch)
        made = ImapConnector(self.settings(), context)
        if self._forbidden:

            def refuse(*_: object) -> None:
                raise AssertionError("an unchanged item was read")

            made._reader._content = refuse  # type: ignore[method-assign, assignment]
        return made

    def change_one(self) -> str:
        answer = mail("answer", more="References: <m5@example.com>\r\n")
        with self._server.mailbox(self.user) as box:
            box.append("Projects/2024", "", "", answer)
        return "Projects:2024/m5@example.com"

    def remove_one(self) -> str:
        with self._server.mailbox(self.user) as box:
            box.select("INBOX")
            _, found = box.uid("SEARCH", "HEADER", "Message-ID", "m3@example.com")
            box.uid("STORE", found[0].decode().split()[0], "+FLAGS", "(\\Deleted)")
            box.expunge()
        return "INBOX/m3@example.com"

    def forbid_reading(self) -> None:
        self._forbidden = True

    def unreadable_id(self) -> str:
        return "Projects/mhuge@example.com"
