"""What an admin is told before the first run: can we reach it, sign in, and read what."""

from app.core.errors import InputError, RungError
from ingest.connector import Check, Finding
from ingest.connectors.imap.connection import MailConnection, RefusedError
from ingest.connectors.imap.folders import Folder, Folders
from ingest.connectors.imap.settings import ImapSettings

_NAMED = 5


def check_mailbox(settings: ImapSettings, connection: MailConnection, folders: Folders) -> Check:
    """Tries in order: reaching the server, signing in, listing folders, opening each, their access lists."""
    how = {"tls": "over TLS", "starttls": "with STARTTLS", "none": "unencrypted"}[settings.tls]
    reached = Finding(True, f"{settings.host} answers on port {settings.port} {how}.")
    try:
        connection.run(lambda client: client.noop())
    except InputError as error:
        refused = Finding(False, f"{settings.username} cannot sign in.", error.message)
        return Check(False, error.message, (reached, refused))
    except RungError as error:
        unreached = Finding(
            False, f"{settings.host}, port {settings.port}, cannot be reached {how}.", error.message
        )
        return Check(False, error.message, (unreached,))
    signed_in = Finding(True, f"{settings.username} is signed in.")
    try:
        found = folders.all()
        opened = [_opens(connection, folder) for folder in found]
    except RungError as error:
        listed = Finding(False, "The folders cannot be listed.", error.message)
        return Check(False, error.message, (reached, signed_in, listed))
    findings = [reached, signed_in, _reading(found, opened), *_access(settings, found)]
    if not any(count is not None for count in opened):
        return Check(
            False, "No folder can be read; see the patterns and the account's rights.", tuple(findings)
        )
    count = sum(number or 0 for number in opened)
    return Check(True, f"{count:,} mails in {len(found)} folders can be read.", tuple(findings))


def _opens(connection: MailConnection, folder: Folder) -> int | None:
    try:
        return connection.examine(folder.name)[0]
    except RefusedError:
        return None


def _reading(found: list[Folder], opened: list[int | None]) -> Finding:
    closed = [folder.name for folder, count in zip(found, opened, strict=True) if count is None]
    if not found:
        return Finding(False, "No folder is chosen.", "Give patterns that name folders, or none for all.")
    if closed:
        return Finding(
            False,
            f"{len(closed)} of {len(found)} folders cannot be opened: {_names(closed)}.",
            "Give the account the right to read them (r), or leave them out.",
        )
    return Finding(True, f"{len(found)} folders can be opened.")


def _access(settings: ImapSettings, found: list[Folder]) -> list[Finding]:
    findings = []
    if any(not folder.shared for folder in found):
        owner = settings.owner
        findings.append(
            Finding(True, f"Private folders are for {owner}, and whom their rights name.")
            if owner
            else Finding(
                False, "Nobody may read the private folders.", "Give the mailbox's owner as an e-mail."
            )
        )
    refused = [folder.name for folder in found if folder.acl_refused]
    if refused:
        findings.append(
            Finding(
                False,
                f"Who may read {_names(refused)} cannot be asked; nobody may.",
                "Give the account the right to administer these folders (a), or leave them out.",
            )
        )
    return findings


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
