"""EPUB: the chapters in the order of the spine."""

import io
import posixpath
import zipfile
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ingest.parsing.archive.limits import broken_file, check_archive
from ingest.parsing.document import ParsedDocument, ParseError, TextBuilder, parse_moment
from ingest.parsing.web.html import parse_html

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

EPUB = "application/epub+zip"
_DC = "{http://purl.org/dc/elements/1.1/}"
_MODIFIED = "dcterms:modified"


def parse_epub(content: bytes) -> ParsedDocument:
    """Title, author and date of the book; each chapter is a heading, its own headings are below it.

    Raises:
        ParseError: `encrypted` for a book with copy protection, `archive_bomb`, `damaged`.
    """
    check_archive(content, "EPUB")
    with broken_file("EPUB"), zipfile.ZipFile(io.BytesIO(content)) as archive:
        if "META-INF/rights.xml" in archive.namelist():
            raise ParseError("encrypted", "The book is under copy protection; use a copy without it.")
        path = _package_path(archive)
        package = _xml(archive.read(path))
        builder = TextBuilder()
        for number, name in enumerate(_spine(package, path), start=1):
            _write_chapter(builder, archive, name, number)
        return builder.build(
            EPUB,
            title=_said(package, "title"),
            author=_said(package, "creator"),
            updated_at=parse_moment(_modified(package) or _said(package, "date")),
        )


def _xml(content: bytes) -> "Element":
    from defusedxml.ElementTree import fromstring

    root: Element = fromstring(content)
    return root


def _package_path(archive: zipfile.ZipFile) -> str:
    container = _xml(archive.read("META-INF/container.xml"))
    for element in container.iter():
        if element.tag.endswith("}rootfile") and element.get("full-path"):
            return element.get("full-path", "")
    raise ParseError("damaged", "The book does not say where its contents are.")


def _spine(package: "Element", path: str) -> list[str]:
    folder = posixpath.dirname(path)
    items = {e.get("id"): e for e in package.iter() if e.tag.endswith("}item")}
    names = []
    for reference in package.iter():
        item = items.get(reference.get("idref")) if reference.tag.endswith("}itemref") else None
        if item is not None and "html" in item.get("media-type", "") and item.get("properties") != "nav":
            names.append(posixpath.normpath(posixpath.join(folder, unquote(item.get("href", "")))))
    return names


def _write_chapter(builder: TextBuilder, archive: zipfile.ZipFile, name: str, number: int) -> None:
    if name not in archive.namelist():
        builder.note("chapters_missing", f"Chapter {number} is named but not in the file.")
        return
    chapter = parse_html(archive.read(name))
    has_top = any(heading.level == 1 for heading in chapter.headings)
    if not has_top and chapter.text.strip() and not chapter.text.startswith(chapter.title or "\0"):
        builder.heading(1, chapter.title or f"Chapter {number}")
    builder.include(chapter, below=0)


def _said(package: "Element", name: str) -> str | None:
    found = next(package.iter(f"{_DC}{name}"), None)
    return found.text if found is not None else None


def _modified(package: "Element") -> str | None:
    return next((e.text for e in package.iter() if e.get("property") == _MODIFIED), None)
