"""A row as a document: its texts by template, its access list, its revision."""

import hashlib
import json
import re
from collections.abc import Mapping

from app.core.errors import InputError
from app.core.identity import NOBODY, AccessList, parse_access
from ingest.connector import Failure, ReadContext, Upsert
from ingest.connectors.sql.moments import moment
from ingest.connectors.sql.rows import Found
from ingest.connectors.sql.settings import SqlSettings
from ingest.connectors.sql.template import NotTextError, as_text, fill
from ingest.document import SourceDocument

_FORMATS = {"text": ("txt", "text/plain"), "markdown": ("md", "text/markdown"), "html": ("html", "text/html")}
_NOT_DELETED = frozenset({"", "0", "f", "false", "n", "no", "none"})


class Documents:
    """Makes documents of rows."""

    def __init__(self, settings: SqlSettings, context: ReadContext) -> None:
        self._settings = settings
        self._context = context

    def is_deleted(self, found: Found) -> bool:
        """Whether the row is marked as deleted."""
        if not self._settings.deleted_column:
            return False
        value = found.row[self._settings.deleted_column]
        if value is None:
            return False
        if self._settings.deleted_value:
            return str(value).lower() == self._settings.deleted_value.lower()
        return str(value).strip().lower() not in _NOT_DELETED

    def access(self, found: Found) -> AccessList:
        """Who may read it. What cannot be understood means nobody."""
        if not self._settings.access_column:
            return self._context.default_access
        return read_access(found.row[self._settings.access_column])

    def revision(self, found: Found) -> str:
        """Changes with any value that the document is made of, and with the templates."""
        settings = self._settings
        used = settings.named_columns if settings.body_template else sorted(found.row)
        values = [(n, _plain(found.row[n])) for n in used if n != settings.access_column]
        made_of = json.dumps([settings.choice, values], default=str, ensure_ascii=True)
        return hashlib.sha256(made_of.encode()).hexdigest()[:32]

    def document(self, found: Found) -> Upsert | Failure:
        settings, access = self._settings, self.access(found)
        suffix, media_type = _FORMATS[settings.body_format]
        try:
            content = self._body(found).encode("utf-8", "replace")
            title = " ".join(fill(settings.title_template, found.row).split())
            link = fill(settings.link, found.row, in_address=True)
            author = as_text(settings.author_column, found.row.get(settings.author_column))
        except NotTextError as error:
            reason = f"The column {error.column} holds bytes that are no text; leave it out of the template."
            return Failure(found.external_id, "not_text", reason, access)
        limit = self._context.max_file_bytes
        if len(content) > limit:
            reason = f"{len(content):,} bytes are more than the {limit:,} allowed (RUNG_MAX_FILE_BYTES)."
            return Failure(found.external_id, "too_large", reason, access)
        return Upsert(
            SourceDocument(
                external_id=found.external_id,
                file_name=f"{found.external_id.rpartition('/')[2]}.{suffix}",
                content=content,
                revision=self.revision(found),
                access=access,
                url=link or None,
                title=title or found.external_id,
                author=author or None,
                updated_at=moment(found.updated),
                media_type=media_type,
            )
        )

    def _body(self, found: Found) -> str:
        if self._settings.body_template:
            return fill(self._settings.body_template, found.row)
        texts = {
            name: as_text(name, value)
            for name, value in found.row.items()
            if name != self._settings.access_column
        }
        return "\n".join(f"{name}: {text}" for name, text in texts.items() if text)


def read_access(value: object) -> AccessList:
    """An access list from an array, a JSON list, or a text with commas, semicolons or lines."""
    entries: object = value
    if isinstance(value, str):
        text = value.strip()
        try:
            entries = (
                json.loads(text)
                if text.startswith("[")
                else [p for p in re.split(r"[,;\n]", text) if p.strip()]
            )
        except ValueError:
            return NOBODY
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        return NOBODY
    try:
        return parse_access(entries)
    except InputError:
        return NOBODY


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True, default=str)
    if isinstance(value, bytes | bytearray | memoryview):
        return hashlib.sha256(bytes(value)).hexdigest()
    return value
