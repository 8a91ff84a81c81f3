"""`source …`: sources are added, looked at, synced and removed."""

from app.cli.sources import adding, looking, syncing
from app.cli.sources.group import app
from app.cli.sources.syncing import EXIT_INCOMPLETE, EXIT_WITH_FAILURES, print_summary, with_progress

__all__ = [
    "EXIT_INCOMPLETE",
    "EXIT_WITH_FAILURES",
    "adding",
    "app",
    "looking",
    "print_summary",
    "syncing",
    "with_progress",
]
