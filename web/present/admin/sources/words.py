"""Sources in words: kinds of failures with what to do, how runs stand, who may see, how often."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from app.core.identity import AccessList, Principal
from ingest.sources import Run, Source
from web.present.views import Tone

if TYPE_CHECKING:
    from web.deps import Services

FAILURES: Mapping[str, tuple[str, str]] = {
    "encrypted": ("Protected by a password", "Save a copy without a password where Rung can read it."),
    "damaged": ("Damaged or cut off", "Open the file in the program that made it and save it again."),
    "empty": ("Empty", "Nothing is lost: there is no text to find."),
    "too_large": ("Too large", "Split the file, or raise RUNG_MAX_FILE_BYTES."),
    "invalid_encoding": ("Not valid text", "Save the file as UTF-8."),
    "archive_bomb": ("Unpacks to far more than it should", "Do not open it; find out where it came from."),
    "unsupported_format": ("Formats that Rung does not read", "Nothing to do, unless people need its text."),
    "no_text": ("No text in it", "It may be a scan: run text recognition on it first."),
    "scanned": ("Scanned pages without text", "Run text recognition on it and save it again."),
    "too_slow": ("Took too long to read", "Split the file, or raise RUNG_PARSE_TIMEOUT_SECONDS."),
    "too_much_memory": ("Needed too much memory", "Split the file, or raise RUNG_PARSE_MEMORY_BYTES."),
    "parser_crashed": ("The reader broke on it", "Save the file again; if that does not help, report it."),
    "vanished": ("Gone while it was read", "The next run settles it."),
    "permission_denied": ("Rung may not open it", "Let the account that runs Rung read the file."),
    "symlink_loop": ("A link that leads to itself", "Remove the link."),
    "broken_link": ("A link that leads to nothing", "Mend the link or remove it."),
    "outside_source": ("A link that leaves the source", "Add the place it leads to as a source of its own."),
    "unreadable": ("Could not be read", "Check that the file opens where it lies."),
    "not_a_file": ("Neither file nor folder", "Nothing to do: pipes and devices hold no text."),
    "needs_javascript": (
        "Pages that only a browser can draw",
        "Add the system behind them as a source of its own, or leave them out by a pattern.",
    ),
    "crawl_trap": ("Addresses without an end", "Leave them out by a pattern."),
    "locked": ("Locked by somebody", "The next run tries again; or ask who has it open."),
    "access_file_invalid": (
        "Access file that cannot be read",
        "Until it is mended nobody sees what lies in its folder. Correct the .access.toml.",
    ),
}

STATES: Mapping[str, str] = {
    "queued": "about to start",
    "running": "syncing",
    "waiting": "waiting",
    "paused": "paused",
    "complete": "complete",
    "incomplete": "incomplete",
    "failed": "failed",
    "cancelled": "stopped",
}

REMEDIES: Mapping[str, str] = {
    "sign_in_failed": "The source refused the sign-in. Change the password or key in the settings.",
    "credential_key_missing": "Bring the key back, or set the password again in the settings.",
    "credential_damaged": "Set the password again in the settings.",
    "permission_missing": "Grant the missing right at the source, then sync again.",
    "tls_failed": "Renew the certificate there, or name its authority in the settings.",
    "source_unreachable": "Check the address and the network. What is indexed stays.",
    "source_timeout": "The source is slow or overloaded. What is indexed stays.",
    "rate_limited": "The source asked for a pause; the sync goes on by itself.",
    "invalid_source_settings": "Correct the settings.",
    "disk_full": "Make room on the disk. Nothing that was indexed is lost.",
    "endless_paging": "The source repeats itself; what it named is kept. Report it to whoever runs it.",
    "listing_incomplete": "Grant the missing right at the source, so that it can list everything.",
    "database_unavailable": "Check that the database runs and has room.",
    "index_unavailable": "Check that the index runs and has room.",
    "token_expired": "Enter a new token in the settings.",
    "clock_skew": "Set the clock of this machine, or of the source; best by NTP. Then sync again.",
    "items_missing": "They came while it was read, or were passed by: sync again.",
    "never_listed": "Sync it once.",
    "internal_error": "Look into the log, then sync again. What is indexed stays.",
    "key_file_open": "Close the key file to others, then sync again.",
    "invalid_credential_key": "Correct RUNG_CREDENTIAL_KEY, or bring the key file back.",
    "branch_missing": "Name a branch that exists in the settings.",
    "repository_missing": "Check the address, and what the token may read.",
    "not_a_repository": "Check the address: it is the one that `git clone` takes.",
    "proxy_refused": "Let this machine past the proxy.",
    "bucket_missing": "Check the bucket's name and the store's address in the settings.",
    "wrong_region": "Enter the bucket's region in the settings.",
    "not_s3": "Check the store's address in the settings.",
    "paging_repeats": "The store repeats itself; report it to whoever runs it. What is indexed stays.",
    "database_missing": "Check the address in the settings.",
    "database_damaged": "Check the file: it is no database, or a damaged one.",
    "table_missing": "Check the table's name in the settings.",
    "column_missing": "Check the columns' names in the settings.",
    "id_not_text": "Choose other id columns in the settings.",
    "id_not_unique": "Choose id columns that name each row once in the settings.",
    "query_refused": "Correct the query in the settings.",
    "query_writes": "Take what writes out of the query in the settings.",
    "query_too_slow": "Add an index there, or allow more seconds in the settings.",
    "source_failed": "Ask whoever runs the source. What is indexed stays.",
    "source_changed": "Sync again: the source was changed while it was read.",
    "server_error": "The source has an error of its own; ask whoever runs it. What is indexed stays.",
    "unreadable_answer": "Check the address; what answers there does not speak as it should.",
    "unreadable": "Look at the source's own disk or server. What is indexed stays.",
    "not_webdav": "Give the WebDAV address in the settings.",
    "not_a_folder": "Give the address of a folder in the settings.",
    "not_mounted": "Mount the share again, then sync. What is indexed stays.",
    "ca_file_invalid": "Give a PEM file that this machine can read in the settings.",
    "address_refused": "Name the host among the allowed ones in the settings, if it may be called.",
    "too_many_redirects": "Give the address where it ends in the settings.",
    "redirects_elsewhere": "Give the address where it ends in the settings.",
    "sitemap_missing": "Check the sitemap's address in the settings.",
    "sitemap_invalid": "Mend the sitemap there, or read the site by its links.",
}

SETTINGS_CODES = frozenset(
    {
        "sign_in_failed",
        "token_expired",
        *(code for code, words in REMEDIES.items() if "settings" in words or "the address" in words),
        "credential_key_missing",
        "credential_damaged",
        "tls_failed",
        "source_unreachable",
        "invalid_source_settings",
        "address_refused",
        "permission_missing",
    }
)
"""Reasons that the settings may have to do with."""

PASSWORD_CODES = frozenset(
    {"sign_in_failed", "token_expired", "credential_key_missing", "credential_damaged"}
)

EVERY: tuple[tuple[str, str], ...] = (
    ("15", "Every 15 minutes"),
    ("60", "Every hour"),
    ("1440", "Every day"),
    ("10080", "Every week"),
    ("hand", "Only by hand"),
)
WATCH = ("watch", "As changes happen, and every hour to be sure")

_KIND_LABELS: Mapping[str, str] = {
    "folder": "Folder",
    "web": "Web site",
    "git": "Git",
    "s3": "S3",
    "webdav": "WebDAV",
    "imap": "Mail (IMAP)",
    "sql": "SQL database",
}


def kind_label(kind: str) -> str:
    """A kind in one or two words."""
    return _KIND_LABELS.get(kind, kind)


def source_names(services: "Services") -> tuple[str, ...]:
    """The sources that may hold something, for filters."""
    return tuple(source.name for source in services.sources.list() if not source.is_draft)


def source_href(name: str) -> str:
    return f"/sources/{quote(name, safe='')}"


def location_of(source: Source) -> str:
    """Where a source lies, as far as its settings say."""
    for name in ("path", "url", "start_urls", "urls", "repository", "endpoint", "host", "bucket", "server"):
        value = source.settings.get(name)
        if isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        if value:
            return str(value)
    return ""


def run_words(run: Run) -> str:
    """How a run ended, in a few words, such as `complete with 3 failures`."""
    failed = run.counts.failed
    if run.state in ("complete", "incomplete") and failed:
        return f"{run.state} with {failed} {'failure' if failed == 1 else 'failures'}"
    return run.state


def run_tone(run: Run | None) -> Tone:
    if run is None or run.state in ("queued", "running", "cancelled", "paused"):
        return "quiet"
    if run.state == "complete":
        return "warn" if run.counts.failed else "good"
    return "bad" if run.state == "failed" else "warn"


def run_details(run: Run) -> str:
    """The run's own words without the beginning that `run_words` says already."""
    if run.state in ("complete", "incomplete"):
        return run.message.partition(": ")[2] or run.message
    return run.message


def failure_words(code: str) -> tuple[str, str]:
    """What a kind of failure is called, and what to do."""
    return FAILURES.get(code, (code.replace("_", " ").capitalize(), ""))


def access_words(access: AccessList) -> str:
    """An access list in words; nobody where it is empty."""
    return ", ".join(_who(who) for who in sorted(access)) or "nobody"


def _who(who: Principal) -> str:
    if who.kind == "everyone":
        return "everyone"
    if who.kind == "public":
        return "the public"
    return f"the group {who.name}" if who.kind == "group" else who.name


def source_access_words(source: Source) -> str:
    if source.access_mode == "fixed":
        return f"{_capital(access_words(source.default_access))}, whatever the source says"
    return f"As the source says; where it says nothing, {access_words(source.default_access)}"


def schedule_words(source: Source) -> str:
    if source.watches:
        return "As changes happen"
    return every_words(source.every_minutes)


def every_words(minutes: int | None) -> str:
    if minutes is None:
        return "Only by hand"
    known = dict(EVERY).get(str(minutes))
    return known or f"Every {duration_words(minutes * 60)}"


def soon_words(moment: datetime | None, now: datetime) -> str:
    """A moment to come: `in 12 minutes`, `now`."""
    if moment is None:
        return ""
    seconds = (moment - now).total_seconds()
    return "now" if seconds < 30 else f"in {duration_words(seconds)}"


def duration_words(seconds: float) -> str:
    """A stretch of time in its largest units: `under a minute`, `2 h 5 min`."""
    minutes = round(seconds / 60)
    if seconds < 45:
        return f"{max(1, round(seconds))} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{timedelta(hours=hours).days} days"


def size_words(size_bytes: float) -> str:
    """A size in the unit that suits it."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def count_words(number: int, word: str) -> str:
    return f"{number:,} {word if number == 1 else word + 's'}".replace(",", "\u202f")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
