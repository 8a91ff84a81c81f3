"""What the log says of a source, in words that a person reads."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from app.core.audit import AuditEntry, Detail
from web.present.admin.sources.status import audit_view

_NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("action", "details", "words"),
    [
        (
            "source.schedule",
            {"every_minutes": 1440, "watch": False, "prune_share_max": 0.3},
            "changed how often it is read (every day, asks before it removes more than 30%)",
        ),
        (
            "source.schedule",
            {"every_minutes": None, "watch": True, "prune_share_max": 0.05},
            "changed how often it is read (as changes happen, asks before it removes more than 5%)",
        ),
        (
            "source.access",
            {"mode": "fixed", "default": "everyone"},
            "changed who may see it (the same for all documents, everyone)",
        ),
        (
            "source.access",
            {"mode": "source", "default": "nobody"},
            "changed who may see it (as the source says, otherwise nobody)",
        ),
    ],
)
def test_an_act_is_told_in_words(action: str, details: Mapping[str, Detail], words: str) -> None:
    entry = AuditEntry("1", _NOW, "tom@quillmark.example", action, "source", "rules", details)
    assert audit_view(entry, _NOW).words == words
