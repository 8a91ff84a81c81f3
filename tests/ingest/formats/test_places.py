"""From a real small file through a sync to the place that a citation names: page and section."""

import io
from collections.abc import Callable
from pathlib import Path

import docx
import numpy as np
import pptx
import pytest
from docx.oxml import OxmlElement
from fpdf import FPDF

from app.core.config import Settings
from app.core.db import Database
from ingest.parsing import ParserProcess
from retrieval.index import AccessFilter, IndexQuery
from tests.fakes.embedder import HashEmbedder
from tests.ingest import make_files
from tests.ingest.formats import made
from tests.ingest.sync.world import World

FILLER = "Other things are told on this page, at some length and in plain words."
ANSWER = "A night in Valencia may cost 131 euros."


def _pdf() -> bytes:
    """Seven pages; the sections stand on the pages as larger, numbered lines, as in most manuals."""
    file = FPDF()
    for number in range(1, 8):
        file.add_page()
        file.set_font("Helvetica", style="B", size=16)
        file.cell(0, 12, f"{number} Chapter", new_x="LMARGIN", new_y="NEXT")
        if number == 7:
            file.set_font("Helvetica", style="B", size=12)
            file.cell(0, 8, "3.2 Travel", new_x="LMARGIN", new_y="NEXT")
        file.set_font("Helvetica", size=10)
        file.multi_cell(0, 5, f"{ANSWER if number == 7 else ''} {FILLER}", new_x="LMARGIN", new_y="NEXT")
    return bytes(file.output())


def _word(mark: str) -> bytes:
    """Page breaks where Word last turned the page, or only where a person asked for one."""
    file = docx.Document()
    for number in range(1, 8):
        file.add_heading(f"{number} Chapter", level=1)
        if number == 7:
            file.add_heading("3.2 Travel", level=2)
            file.add_paragraph(ANSWER)
        last = file.add_paragraph(FILLER)
        if number < 7:
            element = OxmlElement("w:br" if mark == "hard" else "w:lastRenderedPageBreak")
            if mark == "hard":
                element.set("{http://schemas.openxmlformats.org/wordprocessingml/2006/main}type", "page")
            last.add_run()._r.append(element)
    return _saved(file.save)


def _slides() -> bytes:
    file = pptx.Presentation()
    for number in range(1, 8):
        slide = file.slides.add_slide(file.slide_layouts[1])
        slide.shapes.title.text = "3.2 Travel" if number == 7 else f"Slide {number}"
        slide.placeholders[1].text = ANSWER if number == 7 else FILLER
    return _saved(file.save)


def _sheets() -> bytes:
    other = [["City", "Note"], ["Porto", FILLER]]
    return make_files.sheets({"Stock": other, "3.2 Travel": [["City", "Rule"], ["Valencia", ANSWER]]})


def _book() -> bytes:
    text = f"<html><body><h1>3 Rules</h1><h2>3.2 Travel</h2><p>{ANSWER}</p></body></html>"
    first = f"<html><body><h1>1 Start</h1><p>{FILLER}</p></body></html>"
    return made.epub({"b.xhtml": text, "a.xhtml": first})


STYLES = (
    '<office:automatic-styles><style:style style:name="P1" style:family="paragraph">'
    '<style:paragraph-properties fo:break-before="page"/></style:style>'
    '<style:style style:name="P2" style:family="paragraph" style:parent-style-name="P1"/>'
    "</office:automatic-styles>"
)


def _odt(style: str = "P1") -> bytes:
    """Six page turns: three that the writer left where the text ran over, three asked for by a style."""
    parts = []
    for number in range(1, 7):
        turn = "" if number % 2 else "<text:soft-page-break/>"
        wanted = f' text:style-name="{style}"' if number % 2 else ""
        parts.append(f'<text:h text:outline-level="1"{wanted}>{number} Chapter</text:h>{turn}')
        parts.append(f"<text:p>{FILLER}</text:p>")
    rest = f'<text:h text:outline-level="2">3.2 Travel</text:h><text:p>{ANSWER}</text:p>'
    inner = f"<text:p>{FILLER}</text:p>{''.join(parts)}{rest}"
    body = f'<office:text text:use-soft-page-breaks="true">{inner}</office:text>'
    return made.opendocument(body, styles=STYLES)


def _shown() -> bytes:
    names = [f"Slide {n}" for n in range(1, 7)] + ["3.2 Travel"]
    pages = "".join(
        f'<draw:page draw:name="{name}"><text:p>{ANSWER if name[0] == "3" else FILLER}</text:p></draw:page>'
        for name in names
    )
    return made.opendocument(f"<office:presentation>{pages}</office:presentation>", "presentation")


def _html() -> bytes:
    body = f"<h1>Rules</h1><p>{FILLER}</p><h2>3.2 Travel</h2><p>{ANSWER}</p>"
    return f"<html><head><title>Rules</title></head><body><main>{body}</main></body></html>".encode()


def _markdown() -> bytes:
    return f"# Rules\n\n{FILLER}\n\n## 3.2 Travel\n\n{ANSWER}\n".encode()


def _rst() -> bytes:
    return f"Rules\n=====\n\n{FILLER}\n\n3.2 Travel\n----------\n\n{ANSWER}\n".encode()


def _mail() -> bytes:
    return f"From: a@x.example\nSubject: Rules\n\n{ANSWER}\n".encode()


def _json() -> bytes:
    return f'{{"rules": {{"3.2 Travel": {{"limit": "{ANSWER}"}}}}}}'.encode()


def _archive() -> bytes:
    return made.zipped({"rules/a.md": _markdown().decode(), "b.txt": FILLER})


def _saved(save: Callable[[io.BytesIO], None]) -> bytes:
    target = io.BytesIO()
    save(target)
    return target.getvalue()


PLACES: dict[str, tuple[Callable[[], bytes], str]] = {
    "manual.pdf": (_pdf, "page 7, section 3.2 Travel"),
    "rendered.docx": (lambda: _word("rendered"), "page 7, section 3.2 Travel"),
    # Nobody laid it out yet: how many pages there are is not known.
    "plain.docx": (lambda: _word("hard"), "section 3.2 Travel"),
    "slides.pptx": (_slides, "page 7, section 3.2 Travel"),
    "sheets.xlsx": (_sheets, "section 3.2 Travel"),
    "book.epub": (_book, "section 3.2 Travel"),
    "text.odt": (_odt, "page 7, section 3.2 Travel"),
    "inherited.odt": (lambda: _odt("P2"), "page 7, section 3.2 Travel"),
    "shown.odp": (_shown, "page 7, section 3.2 Travel"),
    "page.html": (_html, "section 3.2 Travel"),
    "page.md": (_markdown, "section 3.2 Travel"),
    "page.rst": (_rst, "section 3.2 Travel"),
    "mail.eml": (_mail, ""),
    "data.json": (_json, "section 3.2 Travel"),
    "all.zip": (_archive, "section 3.2 Travel"),
}


@pytest.mark.parametrize("name", sorted(PLACES))
def test_a_citation_names_the_page_and_the_section(
    tmp_path: Path, sqlite_database: Database, settings: Settings, parser: ParserProcess, name: str
) -> None:
    make, place = PLACES[name]
    root = tmp_path / "source"
    root.mkdir()
    (root / name).write_bytes(make())
    world = World(sqlite_database, settings, parser)
    world.add("folder", {"path": str(root)})
    done = world.sync()
    assert done.counts.held == 1, done.failures
    question = HashEmbedder().embed([ANSWER])[0].astype(np.float32)
    reads = AccessFilter("default", ("everyone",))
    found = world.index.search(IndexQuery(ANSWER, question, reads, limit=20))
    [passage] = [p for p in found if "131 euros" in p.text]
    stored = world.rows()[name].text
    offset = stored.index("131 euros")
    assert stored[passage.start : passage.end] == passage.text
    assert passage.place_at(offset) == place


def test_small_sections_of_one_chunk_are_told_apart(
    tmp_path: Path, sqlite_database: Database, settings: Settings, parser: ParserProcess
) -> None:
    root = tmp_path / "source"
    root.mkdir()
    text = "# Rules\n\nFirst.\n\n## 3.1 Meals\n\nTen euros.\n\n## 3.2 Travel\n\n131 euros a night.\n"
    (root / "a.md").write_text(text)
    world = World(sqlite_database, settings, parser)
    world.add("folder", {"path": str(root)})
    world.sync()
    question = HashEmbedder().embed(["131 euros"])[0]
    reads = AccessFilter("default", ("everyone",))
    [passage] = world.index.search(IndexQuery("131 euros", question, reads, limit=5))
    stored = world.rows()["a.md"].text
    places = [passage.place_at(stored.index(words)) for words in ("First", "Ten", "131")]
    assert places == ["", "section 3.1 Meals", "section 3.2 Travel"]
