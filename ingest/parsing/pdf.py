"""PDF by pdfium."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ingest.parsing.document import ParsedDocument, ParseError, TextBuilder, one_line, squeeze

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

_DATE = re.compile(r"D:(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:(Z)|([+-])(\d{2})'?(\d{2})?)?")
_HYPHEN_AT_LINE_END = "\ufffe"
_ITEM = re.compile(r"(?:[-•*–]|\d+[.)]|[A-Za-z][.)])\s")


def parse_pdf(content: bytes) -> ParsedDocument:
    """The text page by page; the bookmarks give the headings where their words are found on their page.

    Raises:
        ParseError: `encrypted`, `damaged`, or `no_text` when it holds only images.
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
    marks = _bookmarks(pdf)
    builder = TextBuilder()
    pages = len(pdf)
    if pages == 0:
        raise ParseError("damaged", "The PDF has no pages; it may be cut off.")
    found_text = False
    for number in range(pages):
        page = pdf[number]
        text_page = page.get_textpage()
        text = squeeze(_join_hyphens(text_page.get_text_bounded()))
        text_page.close()
        page.close()
        found_text = found_text or bool(text)
        _write_page(builder, text, marks.get(number, []))
    if not found_text:
        raise ParseError("no_text", "Its pages hold only images; run text recognition on it first.")
    about = pdf.get_metadata_dict(skip_empty=True)
    return builder.build(
        "application/pdf",
        title=about.get("Title"),
        author=about.get("Author"),
        updated_at=_moment(about.get("ModDate") or about.get("CreationDate")),
    )


def _join_hyphens(text: str) -> str:
    # pdfium marks a hyphen at a line's end, where the word goes on below, by U+FFFE.
    return re.sub(f"{_HYPHEN_AT_LINE_END}(?:\r?\n)?", "", text)


def _bookmarks(pdf: "PdfDocument") -> dict[int, list[tuple[int, str]]]:
    found: dict[int, list[tuple[int, str]]] = {}
    for mark in pdf.get_toc(max_depth=6):
        target = mark.get_dest()
        title = one_line(mark.get_title())
        page = target.get_index() if target is not None else None
        if page is not None and title:
            found.setdefault(page, []).append((mark.level + 1, title))
    return found


def _write_page(builder: TextBuilder, text: str, marks: list[tuple[int, str]]) -> None:
    """Writes a page, with each bookmark whose words make up a line of it as a heading."""
    waiting = list(marks)
    paragraph: list[str] = []
    width = max(map(len, text.split("\n")))
    for line in text.split("\n"):
        position = next((n for n, (_, title) in enumerate(waiting) if one_line(line) == title), None)
        if position is None:
            paragraph.append(line)
            continue
        builder.block(_unwrap(paragraph, width))
        paragraph.clear()
        builder.heading(*waiting.pop(position))
    builder.block(_unwrap(paragraph, width))


def _unwrap(lines: list[str], width: int) -> str:
    """Joins lines that were broken only because the page ended there; rows of a table and lists stay apart.

    Args:
        width: the longest line of the page, in characters.
    """
    joined: list[str] = []
    last = ""
    for line in lines:
        goes_on = bool(last) and not last.endswith((".", ":", "!", "?", ";")) and not _ITEM.match(line)
        if goes_on and ((line[:1].islower() and len(last) >= 0.5 * width) or len(last) >= 0.88 * width):
            joined[-1] += f" {line}"
        else:
            joined.append(line)
        last = line
    return "\n".join(joined)


def _moment(text: str | None) -> datetime | None:
    found = _DATE.match(text or "")
    if not found:
        return None
    year, month, day, hour, minute, second = (
        int(found[n] or d) for n, d in zip(range(1, 7), "011000", strict=True)
    )
    offset = timedelta(hours=int(found[9] or 0), minutes=int(found[10] or 0))
    zone = UTC if not found[8] else timezone(-offset if found[8] == "-" else offset)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except ValueError:
        return None
