"""OpenDocument: texts, spreadsheets and presentations, by their `content.xml`."""

import io
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest.parsing.archive.limits import broken_file, check_archive
from ingest.parsing.document import ParsedDocument, ParseError, TextBuilder, one_line, parse_moment
from ingest.parsing.office.turning import PageTurns, is_soft_turn
from ingest.parsing.plain.delimited import write_rows

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NAMES = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}%s"
_TEXT, _TABLE, _OFFICE, _DRAW = ("text", "table", "office", "drawing")
_HEADING, _PARAGRAPH, _ITEM = (_NAMES % (_TEXT, name) for name in ("h", "p", "list-item"))
_PAGE = _NAMES % (_DRAW, "page")
_SHEET, _ROW, _CELL, _COVERED = (
    _NAMES % (_TABLE, name) for name in ("table", "table-row", "table-cell", "covered-table-cell")
)
_LEFT_OUT = frozenset(
    [
        _NAMES % (_OFFICE, "annotation"),
        _NAMES % (_TEXT, "tracked-changes"),
        _NAMES % (_TEXT, "table-of-content"),
    ]
)
_SPACES = {_NAMES % (_TEXT, "s"): " ", _NAMES % (_TEXT, "tab"): " ", _NAMES % (_TEXT, "line-break"): "\n"}
_MAX_DEPTH = 300
_MAX_REPEATED = 200


def parse_opendocument(content: bytes) -> ParsedDocument:
    """Headings, paragraphs, lists and tables; a heading a sheet of a spreadsheet, a page a slide.

    Raises:
        ParseError: `encrypted`, `archive_bomb`, or `damaged`, also for XML that declares entities.
    """
    check_archive(content, "OpenDocument file")
    with broken_file("OpenDocument file"), zipfile.ZipFile(io.BytesIO(content)) as archive:
        if b"encryption-data" in archive.read("META-INF/manifest.xml"):
            raise ParseError("encrypted", "It needs a password; save a copy without one.")
        root = _xml(archive.read("content.xml"))
        styles = _xml(archive.read("styles.xml")) if "styles.xml" in archive.namelist() else None
        about = dict(_about(archive))
        media_type = archive.read("mimetype").decode("ascii").strip()
        builder = TextBuilder()
        turns = PageTurns(root, styles)
        if turns.counted:
            builder.page()
        _Writer(builder, media_type.endswith("spreadsheet"), turns).write(root, 0)
    return builder.build(
        media_type,
        title=about.get("title"),
        author=about.get("creator") or about.get("initial-creator"),
        updated_at=parse_moment(about.get("date") or about.get("creation-date")),
    )


def _xml(content: bytes) -> "Element":
    from defusedxml.ElementTree import fromstring

    root: Element = fromstring(content, forbid_dtd=True)
    return root


def _about(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    if "meta.xml" in archive.namelist():
        for element in _xml(archive.read("meta.xml")).iter():
            if element.text and element.text.strip():
                yield element.tag.rpartition("}")[2], element.text.strip()


class _Writer:
    def __init__(self, builder: TextBuilder, is_spreadsheet: bool, turns: PageTurns) -> None:
        self._builder = builder
        self._is_spreadsheet = is_spreadsheet
        self._turns = turns

    def write(self, element: "Element", depth: int, *, item: bool = False) -> None:
        if depth > _MAX_DEPTH:
            raise ParseError("damaged", f"Its elements are nested more than {_MAX_DEPTH} deep.")
        tag = element.tag
        if tag in _LEFT_OUT:
            return
        is_block = tag in (_HEADING, _PARAGRAPH, _SHEET)
        if is_block and self._builder.length:
            self._turn(self._turns.before(element))
        self._block(element, depth, item)
        if is_block:
            self._turn(self._turns.after(element))

    def _turn(self, times: int) -> None:
        for _ in range(times):
            self._builder.page()

    def _block(self, element: "Element", depth: int, item: bool) -> None:
        tag = element.tag
        if tag == _HEADING:
            level = element.get(_NAMES % (_TEXT, "outline-level"), "1")
            self._builder.heading(min(9, int(level)) if level.isdigit() else 1, _inner(element, depth))
        elif tag == _PARAGRAPH:
            text = _inner(element, depth).strip()
            if item and text:
                self._builder.line(f"- {text}")
            else:
                self._builder.block(text)
        elif tag == _SHEET:
            self._table(element, depth)
        else:
            self._container(element, depth, item)

    def _container(self, element: "Element", depth: int, item: bool) -> None:
        if self._turns.counted and is_soft_turn(element):
            self._builder.page()
        if element.tag == _PAGE:
            self._builder.page()
            self._builder.heading(1, element.get(_NAMES % (_DRAW, "name"), ""))
        for child in element:
            self.write(child, depth + 1, item=item or element.tag == _ITEM)

    def _table(self, table: "Element", depth: int) -> None:
        rows = [row for element in table.iter(_ROW) for row in _row(element, depth)]
        if not any(any(row) for row in rows):
            return
        if self._is_spreadsheet:
            self._builder.heading(1, table.get(_NAMES % (_TABLE, "name"), "Sheet"))
            write_rows(self._builder, rows)
        else:
            lines = (" | ".join(row).strip(" |") for row in rows)
            self._builder.block("\n".join(line for line in lines if line))


def _row(element: "Element", depth: int) -> Iterator[list[str]]:
    cells: list[str] = []
    for cell in element:
        if cell.tag not in (_CELL, _COVERED):
            continue
        text = one_line(" ".join(_inner(p, depth) for p in cell.iter(_PARAGRAPH)))
        # Empty cells up to the last column are stored as one that is repeated a thousand times.
        cells.extend([text] * _repeated(cell, "number-columns-repeated"))
    while cells and not cells[-1]:
        cells.pop()
    if cells:
        yield from [cells] * _repeated(element, "number-rows-repeated")


def _repeated(element: "Element", name: str) -> int:
    value = element.get(_NAMES % (_TABLE, name), "1")
    return min(_MAX_REPEATED, int(value)) if value.isdigit() else 1


def _inner(element: "Element", depth: int) -> str:
    """The text of an element and of all in it, comments left out."""
    if depth > _MAX_DEPTH:
        raise ParseError("damaged", f"Its elements are nested more than {_MAX_DEPTH} deep.")
    parts = [element.text or ""]
    for child in element:
        if child.tag not in _LEFT_OUT:
            parts.append(_SPACES.get(child.tag) or _inner(child, depth + 1))
        parts.append(child.tail or "")
    return "".join(parts)
