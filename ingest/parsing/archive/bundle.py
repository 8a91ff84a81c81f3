"""A zip of documents as one document: each member a section under its path."""

import io
import zipfile
from pathlib import PurePosixPath

from ingest.parsing.archive.limits import broken_file, check_archive
from ingest.parsing.document import ParsedDocument, ParseError, TextBuilder, one_line

_MAX_DEPTH = 2
_MAX_MEMBERS = 2_000
_MAX_TOTAL_BYTES = 200_000_000
_MAX_NOTES = 20
ZIP = "application/zip"


class _Budget:
    """What all archives in each other may still unpack."""

    def __init__(self) -> None:
        self.members = _MAX_MEMBERS
        self.bytes = _MAX_TOTAL_BYTES

    def take(self, size: int) -> None:
        self.members -= 1
        self.bytes -= size
        if self.members < 0 or self.bytes < 0:
            raise ParseError(
                "archive_bomb",
                f"It holds more than {_MAX_MEMBERS:,} files or {_MAX_TOTAL_BYTES:,} bytes; unpack it, and "
                "let Rung read the folder.",
            )


def parse_zip(content: bytes) -> ParsedDocument:
    """The members that Rung reads, in their order; one that fails is a note. Archives in it two deep at most.

    Raises:
        ParseError: `archive_bomb`, `encrypted`, `damaged`, or `no_text` when no member could be read.
    """
    return _parse(content, 0, _Budget())


def _parse(content: bytes, depth: int, budget: _Budget) -> ParsedDocument:
    entries = check_archive(content, "archive")
    builder = TextBuilder()
    failed: list[str] = []
    with broken_file("archive"), zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in entries:
            if entry.is_dir() or _is_clutter(entry.filename):
                continue
            budget.take(entry.file_size)
            try:
                part = _member(archive, entry, depth, budget)
            except ParseError as error:
                if error.code == "archive_bomb":
                    raise
                failed.append(f"{one_line(entry.filename)} ({error.code})")
                continue
            name = one_line(entry.filename) or "unnamed"
            builder.heading(1, name)
            builder.include(part, below=1, called=name)
    if failed:
        builder.note("members_failed", _not_read(failed))
    if not builder.length:
        raise ParseError(
            "no_text", f"No file in it could be read. {_not_read(failed) if failed else ''}".strip()
        )
    return builder.build(ZIP)


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, depth: int, budget: _Budget) -> ParsedDocument:
    from ingest.parsing.formats import format_of, parse_bytes

    if format_of(entry.filename) is None:
        raise ParseError("unsupported_format", "Rung does not read this kind of file.")
    with broken_file("member of an archive"):
        content = archive.read(entry)
    if zipfile.is_zipfile(io.BytesIO(content)) and PurePosixPath(entry.filename).suffix.lower() == ".zip":
        if depth + 1 > _MAX_DEPTH:
            raise ParseError("too_large", f"Archives are nested more than {_MAX_DEPTH} deep.")
        return _parse(content, depth + 1, budget)
    return parse_bytes(entry.filename, None, content)


def _is_clutter(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") and part != ".." for part in parts)
    return hidden or "__MACOSX" in parts or not parts


def _not_read(failed: list[str]) -> str:
    more = f" and {len(failed) - _MAX_NOTES} more" if len(failed) > _MAX_NOTES else ""
    return f"Not read: {', '.join(failed[:_MAX_NOTES])}{more}."
