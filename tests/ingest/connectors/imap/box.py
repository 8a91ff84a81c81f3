"""A mailbox on a real Dovecot that a test fills, changes and reads."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

from app.core.identity import EVERYONE, AccessList
from ingest.connector import Change, ReadContext, Upsert
from ingest.connectors.imap import ImapConnector, ImapSettings
from ingest.document import SourceDocument
from ingest.parsing.formats import parse_bytes
from ingest.remote import RemoteCalls
from tests.ingest.connectors.changes import end_of, nothing_known
from tests.servers.dovecot import Dovecot

PASSWORD = "secret"


def mail(
    name: str,
    text: str = "",
    *,
    answers: Iterable[str] = (),
    subject: str = "",
    minute: int = 0,
    attached: Iterable[tuple[str, bytes]] = (),
) -> bytes:
    """A mail with the Message-ID `name@example.com`, sent at this minute, that answers others in order."""
    message = EmailMessage()
    message["Message-ID"] = f"<{name}@example.com>"
    message["From"] = "Ann <ann@example.com>"
    message["Subject"] = subject or f"Subject {name}"
    message["Date"] = f"Mon, 01 Jan 2024 10:{minute:02}:00 +0000"
    above = [f"<{each}@example.com>" for each in answers]
    if above:
        message["References"] = " ".join(above)
        message["In-Reply-To"] = above[-1]
    message.set_content(text or f"Text of {name}.")
    for file_name, content in attached:
        message.add_attachment(content, maintype="text", subtype="markdown", filename=file_name)
    return bytes(message).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def text_of(document: SourceDocument) -> str:
    """What a reader of the document finds in it."""
    return parse_bytes(document.file_name, document.media_type, document.content).text


@dataclass
class Box:
    """One user's mailbox. `pull` reads it as a sync does: it goes on where the last pull ended."""

    server: Dovecot
    user: str
    scratch: Path
    state: str = ""
    known: dict[str, str] = field(default_factory=dict)
    made: list[ImapConnector] = field(default_factory=list)

    def put(self, *mails: bytes, folder: str = "INBOX") -> None:
        with self.server.mailbox(self.user) as client:
            if folder != "INBOX":
                client.create(f'"{folder}"')
            for each in mails:
                done, said = client.append(f'"{folder}"', "", "", each)
                assert done == "OK", said

    def remove(self, name: str, folder: str = "INBOX") -> None:
        with self.server.mailbox(self.user) as client:
            client.select(f'"{folder}"')
            _, found = client.uid("SEARCH", "HEADER", "Message-ID", f"{name}@example.com")
            client.uid("STORE", found[0].decode().split()[0], "+FLAGS", "(\\Deleted)")
            client.expunge()

    def connector(
        self, *, limit: int = 1_000_000, access: AccessList = frozenset({EVERYONE}), **settings: object
    ) -> ImapConnector:
        given = {
            "host": self.server.host,
            "port": self.server.port,
            "tls": "none",
            "username": self.user,
            "password": PASSWORD,
            **settings,
        }
        calls = RemoteCalls(tries=3, sleep=lambda _: None)
        context = ReadContext(access, limit, scratch=self.scratch, calls=calls)
        self.made.append(ImapConnector(ImapSettings.model_validate(given), context))
        return self.made[-1]

    def pull(self, **settings: object) -> list[Change]:
        """A pass that knows what earlier ones read, and is remembered by later ones."""
        changes = list(self.connector(**settings).pull(self.state, self.known.get))  # type: ignore[arg-type]
        self.state = end_of(changes)
        for change in changes:
            if isinstance(change, Upsert):
                self.known[change.document.external_id] = change.document.revision
        return changes

    def afresh(self, **settings: object) -> list[Change]:
        """A first pass, as if nothing was ever read."""
        return list(self.connector(**settings).pull("", nothing_known))  # type: ignore[arg-type]
