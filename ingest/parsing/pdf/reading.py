"""PDF by pdfium (Apache-2.0 and BSD). Nothing is drawn, so no image of it is ever decoded."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ingest.parsing.document import ParsedDocument, ParseError, TextBuilder, one_line
from ingest.parsing.pdf.headings import PageLines, bookmarks_of, heading_levels, without_furniture
from ingest.parsing.pdf.layout import HYPHEN_AT_LINE_END, Line, lines_of, usual_pitch

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

_DATE = re.compile(r"D:(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:(Z)|([+-])(\d{2})'?(\d{2})?)?")
_ITEM = re.compile(r"(?:[-•*–]|\d+[.)]|[A-Za-z][.)])\s")
_FEW_LETTERS = 25
_MOST_OF_A_PAGE = 0.5
_PARAGRAPH_GAP = 1.4


def parse_pdf(content: bytes) -> ParsedDocument:
    """The text page by page, two columns one after the other, with headings and the pages' beginnings.

    Headings are the bookmarks whose words make up a line of their page; without any, lines set larger.
    Lines that repeat at the edges of most pages are left out.

    Raises:
        ParseError: `encrypted`, `damaged`, `scanned` when it holds only images, or `no_text`.
    """
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        pdf = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == pdfium.FPDF_ERR_PASSWORD or "assword" in str(error):
            raise ParseError("encrypted", "It needs a password; save a copy without one.") from error
        raise ParseError(
            "damaged", f"Not a readable PDF, perhaps cut off; put a whole copy in its place. {error}"
        ) from error
    try:
        return _read(pdf)
    except pypdfium2.PdfiumError as error:
        raise ParseError("damaged", f"The PDF broke off while it was read ({error}).") from error
    finally:
        pdf.close()


def _read(pdf: "PdfDocument") -> ParsedDocument:
    count = len(pdf)
    if count == 0:
        raise ParseError("damaged", "The PDF has no pages; it may be cut off.")
    pages: list[PageLines] = []
    scanned: list[int] = []
    for number in range(count):
        page = pdf[number]
        found = _lines(page)
        if _is_scanned(page, found):
            scanned.append(number + 1)
        pages.append(found)
        page.close()
    if not any(page.lines for page in pages):
        if scanned:
            raise ParseError("scanned", "Its pages hold only images; run text recognition on it first.")
        raise ParseError("no_text", "Its pages hold no text.")
    return _built(pdf, without_furniture(pages), scanned)


def _built(pdf: "PdfDocument", pages: Sequence[PageLines], scanned: Sequence[int]) -> ParsedDocument:
    builder = TextBuilder()
    for page, levels in zip(pages, heading_levels(pages, bookmarks_of(pdf)), strict=True):
        builder.page()
        _write_page(builder, page, levels)
    if scanned:
        builder.note(
            "scanned_pages",
            f"{_page_names(scanned)} of {len(pages)} hold only images and cannot be found; run text "
            "recognition on the file.",
        )
    about = pdf.get_metadata_dict(skip_empty=True)
    return builder.build(
        "application/pdf",
        title=about.get("Title"),
        author=about.get("Author"),
        updated_at=_moment(about.get("ModDate") or about.get("CreationDate")),
    )


def _lines(page: "PdfPage") -> PageLines:
    text_page = page.get_textpage()
    try:
        lines, in_columns = lines_of(text_page)
    finally:
        text_page.close()
    return PageLines(lines, in_columns, page.get_height())


def _is_scanned(page: "PdfPage", found: PageLines) -> bool:
    """Whether the page is an image without text, or with no more of it than a number or a stamp."""
    import pypdfium2.raw as pdfium

    letters = sum(len(line.text) for line in found.lines)
    if letters >= _FEW_LETTERS:
        return False
    images = list(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3))
    if letters == 0:
        return bool(images)
    width, height = page.get_size()
    covered = 0.0
    for image in images:
        left, bottom, right, top = image.get_bounds()
        covered = max(covered, (right - left) * (top - bottom))
    return bool(covered >= _MOST_OF_A_PAGE * width * height)


def _page_names(numbers: Sequence[int]) -> str:
    """`Page 3`, or `Pages 3, 5 to 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    names = ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    return f"{'Pages' if len(numbers) > 1 else 'Page'} {names}"


def _write_page(builder: TextBuilder, page: PageLines, levels: dict[int, int]) -> None:
    lines = page.lines
    pitch = usual_pitch(lines)
    width = _width(page)
    paragraph: list[str] = []
    title: list[str] = []
    before: Line | None = None
    level = 0
    for number, line in enumerate(lines):
        this_level = levels.get(number, 0)
        if title and (this_level != level or not before or _far(before, line, 2 * before.height)):
            builder.heading(level, _without_hyphens(" ".join(title)))
            title.clear()
        if this_level or (before is not None and _far(before, line, _PARAGRAPH_GAP * pitch)):
            builder.block(_unwrap(paragraph, width))
            paragraph.clear()
        (title if this_level else paragraph).append(line.text)
        before, level = line, this_level
    builder.heading(max(1, level), _without_hyphens(" ".join(title)))
    builder.block(_unwrap(paragraph, width))


def _far(before: Line, line: Line, most: float) -> bool:
    return 0 < most < before.base - line.base


def _width(page: PageLines) -> int:
    lengths = sorted(len(line.text) for line in page.lines) or [0]
    return lengths[(len(lengths) * 4) // 5] if page.in_columns else lengths[-1]


def _unwrap(lines: list[str], width: int) -> str:
    """Joins lines that were broken only because the page ended there; rows of a table and lists stay apart.

    Args:
        width: the longest line of the page, in characters.
    """
    joined: list[str] = []
    last = ""
    for line in lines:
        if last.endswith(HYPHEN_AT_LINE_END):
            joined[-1] += line
        elif _goes_on(last, line, width):
            joined[-1] += f" {line}"
        else:
            joined.append(line)
        last = line
    return _without_hyphens("\n".join(joined))


def _goes_on(last: str, line: str, width: int) -> bool:
    if not last or last.endswith((".", ":", "!", "?", ";")) or _ITEM.match(line):
        return False
    if " | " in last or " | " in line:
        return False
    return (line[:1].islower() and len(last) >= 0.5 * width) or len(last) >= 0.88 * width


def _without_hyphens(text: str) -> str:
    return text.replace(HYPHEN_AT_LINE_END, "")


def _moment(text: str | None) -> datetime | None:
    found = _DATE.match(one_line(text or ""))
    if not found:
        return None
    year, month, day, hour, minute, second = (
        int(found[n] or d) for n, d in zip(range(1, 7), "011000", strict=True)
    )
    offset = timedelta(hours=int(found[9] or 0), minutes=int(found[10] or 0))
    try:
        zone = UTC if not found[8] else timezone(-offset if found[8] == "-" else offset)
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
