"""What is kept of each format: text, tables, pages, headings and notes."""

import mailbox
from datetime import UTC, datetime
from pathlib import Path

import docx
import pytest
from docx.oxml import OxmlElement
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing import ParsedDocument, ParseError, ParserProcess, page_at
from ingest.parsing.document import TextBuilder
from ingest.parsing.formats import _PARSERS, parse_bytes
from tests.ingest import make_files
from tests.ingest.formats import made


def _headings(parsed: ParsedDocument) -> list[tuple[int, str]]:
    for heading in parsed.headings:
        assert parsed.text[heading.start :].startswith(heading.text)
    return [(h.level, h.text) for h in parsed.headings]


@pytest.mark.parametrize("by_rows", [False, True])
def test_two_columns_of_a_pdf_are_read_one_after_the_other(parser: ParserProcess, by_rows: bool) -> None:
    parsed = parser.parse("a.pdf", None, made.two_columns(by_rows=by_rows))
    flat = " ".join(parsed.text.split())
    assert flat.count(made.LEFT.strip()) == 6
    assert flat.count(made.RIGHT.strip()) == 6
    assert flat.index("Care of the probe") < flat.rindex("membrane") < flat.index("Batteries")


def test_headings_of_a_pdf_by_size_and_number_its_tables_and_pages(parser: ParserProcess) -> None:
    parsed = parser.parse("a.pdf", None, made.manual())
    assert _headings(parsed) == [
        (level, text) for n in (1, 2, 3) for level, text in ((1, f"{n} Chapter"), (3, f"{n}.1 Travel"))
    ]
    assert "City | Limit | Currency\nPorto | 140 | EUR\nLeeds | 120 | GBP" in parsed.text
    assert "Quillmark internal" not in parsed.text
    assert len(parsed.pages) == 3
    for number in (1, 2, 3):
        assert page_at(parsed.pages, parsed.text.index(f"What page {number} says")) == number


def test_a_pdf_of_scans_is_named_so_and_scanned_pages_are_a_note(parser: ParserProcess) -> None:
    with pytest.raises(ParseError) as caught:
        parser.parse("a.pdf", None, made.scans("", ""))
    assert caught.value.code == "scanned"
    parsed = parser.parse("a.pdf", None, made.scans("Read me first, please.", "", "Then this one.", "", ""))
    assert [note.code for note in parsed.notes] == ["scanned_pages"]
    assert parsed.notes[0].text.startswith("Pages 2, 4 to 5 of 5 hold only images")
    assert page_at(parsed.pages, parsed.text.index("Then this")) == 3


def test_pages_of_a_word_file_are_those_that_word_saw(parser: ParserProcess, tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("First page.")
    second = document.add_paragraph()
    second.add_run()._r.append(OxmlElement("w:lastRenderedPageBreak"))
    second.add_run("Second page.")
    table = document.add_table(rows=3, cols=2)
    for cell, text in zip(table._cells, ("Team", "Room", "Lab", "1", "", "2"), strict=True):
        cell.text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    document.save(str(tmp_path / "a.docx"))
    parsed = parser.parse("a.docx", None, (tmp_path / "a.docx").read_bytes())
    assert page_at(parsed.pages, parsed.text.index("First")) == 1
    assert page_at(parsed.pages, parsed.text.index("Second")) == 2
    assert "Team | Room\nLab | 1\nLab | 2" in parsed.text


def test_slides_are_pages_and_a_word_file_without_words_breaks_has_none(parser: ParserProcess) -> None:
    parsed = parser.parse("a.pptx", None, make_files.slides())
    assert [page_at(parsed.pages, parsed.text.index(t)) for t in ("Ship the probe", "Supplier")] == [1, 2]
    assert parser.parse("a.docx", None, make_files.word()).pages == ()


def test_sheets_hidden_merged_dated_and_computed(parser: ParserProcess, tmp_path: Path) -> None:
    import xlsxwriter

    book = xlsxwriter.Workbook(str(tmp_path / "a.xlsx"))
    sheet = book.add_worksheet("Stock")
    sheet.write_row(0, 0, ["Room", "Part", "Since", "Sum"])
    sheet.merge_range(1, 0, 2, 0, "Lab")
    for row, part in ((1, "QM-1"), (2, "QM-2")):
        sheet.write(row, 1, part)
        sheet.write_datetime(row, 2, datetime(2026, 3, 4), book.add_format({"num_format": "yyyy-mm-dd"}))
        sheet.write_formula(row, 3, "=1+1", value=2)
    book.add_worksheet("Secret").hide()
    book.close()
    parsed = parser.parse("a.xlsx", None, (tmp_path / "a.xlsx").read_bytes())
    assert "Room: Lab; Part: QM-1; Since: 2026-03-04; Sum: 2" in parsed.text
    assert "Room: Lab; Part: QM-2; Since: 2026-03-04; Sum: 2" in parsed.text
    assert [note.text for note in parsed.notes] == ["Hidden sheets were left out: Secret."]


def test_html_without_menus_banners_and_bread_crumbs(parser: ParserProcess) -> None:
    menu = "".join(f"<li><a href=/{n}>Entry {n}</a></li>" for n in range(6))
    source = (
        f"<body><ul>{menu}</ul><div class='cookie-banner'>We use cookies. <button>Accept</button></div>"
        "<div class=Breadcrumbs>Home / Help</div><div role=dialog>Subscribe!</div>"
        f"<h1>Refunds</h1><p>{'Money comes back within thirty days. ' * 8}</p>"
        "<p class=cookie-text>Cookies in the canteen are free.</p></body>"
    )
    parsed = parser.parse("a.html", None, source.encode())
    assert parsed.text.startswith("Refunds\n\nMoney")
    assert not any(word in parsed.text for word in ("Entry", "We use", "Home", "Subscribe"))


def test_restructured_text_gives_sections_tables_lists_and_unknown_directives(parser: ParserProcess) -> None:
    source = (
        "Travel\n======\n\n:Author: Ana\n:Date: 2026-03-04\n\nBook :ref:`early <x>`.\n\nHotels\n------\n\n"
        "- Porto\n- Leeds\n\n=====  =====\nCity   Limit\n=====  =====\nPorto  140\n=====  =====\n\n"
        ".. versionadded:: 2\n   Also trains.\n\n.. include:: /etc/passwd\n\n.. raw:: html\n\n   <b>no</b>\n"
    )
    parsed = parser.parse("a.rst", None, source.encode())
    assert (parsed.title, parsed.author, parsed.updated_at) == ("Travel", "Ana", make_files.MOMENT)
    assert _headings(parsed) == [(1, "Travel"), (2, "Hotels")]
    assert "Book early." in parsed.text
    assert "- Porto\n- Leeds" in parsed.text
    assert "City | Limit\nPorto | 140" in parsed.text
    assert "Also trains." in parsed.text
    assert "root:" not in parsed.text
    assert "<b>" not in parsed.text


def test_json_keys_are_headings_and_records_are_rows(parser: ParserProcess) -> None:
    source = (
        '{"name": "Probe", "tags": ["a", "b"], "limits": {"city": {"Porto": 140}}, '
        '"parts": [{"id": 1, "ok": true}, {"id": 2}]}'
    )
    parsed = parser.parse("a.json", None, source.encode())
    assert _headings(parsed) == [(1, "limits"), (2, "city"), (1, "parts")]
    assert parsed.text == (
        "name: Probe\ntags: a, b\n\nlimits\n\ncity\n\nPorto: 140\n\nparts\nid: 1; ok: yes\nid: 2"
    )
    assert parser.parse("a.jsonl", None, b'{"a": 1}\n{"a": 2}\n').text == "a: 1\na: 2"


def test_a_book_is_read_in_the_order_of_its_spine(parser: ParserProcess) -> None:
    content = made.epub(
        {
            "b.xhtml": "<html><body><h1>Second</h1><h2>Part</h2><p>Then this.</p></body></html>",
            "a.xhtml": "<html><head><title>First</title></head><body><p>Begin here.</p></body></html>",
        }
    )
    parsed = parser.parse("a.epub", None, content)
    assert (parsed.title, parsed.author, parsed.updated_at) == ("The probe", "Mei", make_files.MOMENT)
    assert _headings(parsed) == [(1, "First"), (1, "Second"), (2, "Part")]
    assert parsed.text == "First\n\nBegin here.\n\nSecond\n\nPart\n\nThen this."


def test_open_documents(parser: ParserProcess) -> None:
    row = "<table:table-row>{}</table:table-row>"
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    cells = [row.format("".join(cell.format(c) for c in r)) for r in (("City", "Limit"), ("Porto", "140"))]
    table = f'<table:table table:name="Hotels">{"".join(cells)}</table:table>'
    text = (
        '<office:text><text:h text:outline-level="2">Hotels</text:h><text:p>At<text:s/>most <text:span>140'
        f"</text:span>.</text:p><text:list><text:list-item><text:p>Porto</text:p></text:list-item></text:list>"
        f"{table}</office:text>"
    )
    parsed = parser.parse("a.odt", None, made.opendocument(text))
    assert (parsed.title, parsed.author, parsed.updated_at) == ("Travel policy", "Ana", make_files.MOMENT)
    assert _headings(parsed) == [(2, "Hotels")]
    assert parsed.text == "Hotels\n\nAt most 140.\n- Porto\n\nCity | Limit\nPorto | 140"
    sheets = parser.parse("a.ods", None, made.opendocument(table, "spreadsheet"))
    assert sheets.text == "Hotels\n\nCity | Limit\nCity: Porto; Limit: 140"
    shown = "".join(f'<draw:page draw:name="P{n}"><text:p>Slide {n}</text:p></draw:page>' for n in (1, 2))
    slides = parser.parse("a.odp", None, made.opendocument(shown, "presentation"))
    assert page_at(slides.pages, slides.text.index("Slide 2")) == 2


def test_an_outlook_message(parser: ParserProcess) -> None:
    values = {
        0x001A: "IPM.Note",
        0x0037: "Caf\u00e9",
        0x0C1A: "Ana",
        0x0C1F: "ana@quillmark.example",
        0x1000: "See you there.",
    }
    parsed = parser.parse("a.msg", None, made.outlook(values))
    assert parsed.title == "Caf\u00e9"
    assert "See you there." in parsed.text
    assert "ana@quillmark.example" in parsed.text


def test_a_mailbox_has_a_section_for_each_message(parser: ParserProcess, tmp_path: Path) -> None:
    box = mailbox.mbox(str(tmp_path / "a.mbox"))
    for n in (1, 2):
        box.add(f"From: a@x.example\nSubject: Mail {n}\n\nText {n}\nFrom here on.\n".encode())
    box.add(b"Subject: Broken\nContent-Type: text/plain; charset=utf-8\n\n\xff\xfe")
    box.close()
    parsed = parser.parse("a.mbox", None, (tmp_path / "a.mbox").read_bytes())
    assert _headings(parsed) == [(1, "Mail 1"), (1, "Mail 2")]
    assert "Text 2\nFrom here on." in parsed.text
    assert parsed.title is None
    assert [note.text for note in parsed.notes] == ["Messages not read: 3 (invalid_encoding)."]


def test_a_calendar_tells_times_zones_and_repetition_in_words(parser: ParserProcess) -> None:
    source = (
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:1\nSUMMARY:Planning\n"
        "DTSTART;TZID=Europe/Lisbon:20260304T100000\nDTEND;TZID=Europe/Lisbon:20260304T113000\n"
        "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;UNTIL=20260501T000000Z\nLOCATION:Room 4\n"
        "ATTENDEE;CN=Ana Ferreira:mailto:ana@quillmark.example\nDESCRIPTION:Bring the plan.\nEND:VEVENT\n"
        "BEGIN:VEVENT\nUID:2\nSUMMARY:Holiday\nDTSTART;VALUE=DATE:20260401\nDTEND;VALUE=DATE:20260404\n"
        "RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=3\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    parsed = parser.parse("a.ics", None, source.replace("\n", "\r\n").encode())
    assert _headings(parsed) == [(1, "Planning"), (1, "Holiday")]
    assert "When: Wednesday 4 March 2026, 10:00 to 11:30 (Europe/Lisbon)" in parsed.text
    assert "Repeats: every 2 weeks on Monday and Wednesday, until 1 May 2026" in parsed.text
    assert "With: Ana Ferreira <ana@quillmark.example>" in parsed.text
    assert "When: Wednesday 1 April 2026 to Friday 3 April 2026" in parsed.text
    assert "Repeats: every month on the last Friday, 3 times" in parsed.text


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("a.py", "import os\n\nclass Probe:\n    def read(self) -> int:\n        return 1\n",
         [(1, "class Probe:"), (2, "def read(self) -> int:")]),
        ("a.go", "package a\n\nfunc (p *Probe) Read() int {\n\tif x(1) {\n\t}\n}\n",
         [(1, "func (p *Probe) Read() int {")]),
        ("a.java", "public class A {\n  public static int read(int a) {\n    return call(a);\n  }\n}\n",
         [(1, "public class A {"), (2, "public static int read(int a) {")]),
        ("a.ts", "export const read = async (x) => {\n  for (;;) {}\n}\n",
         [(1, "export const read = async (x) => {")]),
        ("a.toml", "[tool.ruff]\nline-length = 110\n", [(1, "[tool.ruff]")]),
    ],
)  # fmt: skip
def test_source_code_keeps_its_lines_and_names_its_parts(
    parser: ParserProcess, name: str, source: str, expected: list[tuple[int, str]]
) -> None:
    parsed = parser.parse(name, None, source.encode())
    assert parsed.text == source.strip("\n")
    assert _headings(parsed)[: len(expected)] == expected
    assert len(parsed.headings) == len(expected)


def test_an_archive_is_a_document_of_its_members(parser: ParserProcess) -> None:
    inner = made.zipped({"deep.txt": "Deep text."})
    content = made.zipped(
        {
            "a/notes.md": "# Notes\n\nShort.",
            "b\x07.txt": b"caf\xe9",
            "pic.png": b"\x89PNG",
            "in.zip": inner,
            "__MACOSX/x.txt": "no",
        }
    )
    parsed = parser.parse("all.zip", None, content)
    assert _headings(parsed) == [(1, "a/notes.md"), (2, "Notes"), (1, "in.zip"), (2, "deep.txt")]
    assert "Deep text." in parsed.text
    assert [n.text for n in parsed.notes] == [
        "Not read: b.txt (invalid_encoding), pic.png (unsupported_format)."
    ]


def test_the_first_bytes_say_more_than_a_wrong_suffix(parser: ParserProcess) -> None:
    pdf = make_files.pdf("Press the key.")
    assert parser.parse("a.txt", None, pdf).media_type == "application/pdf"
    assert parser.parse("a.txt", "text/plain", pdf).media_type == "application/pdf"
    assert parser.parse("a.pptx", None, make_files.word()).media_type.endswith("document")
    assert parser.parse("a.zip", None, made.epub({"a.xhtml": "<p>Text"})).media_type == "application/epub+zip"
    assert parser.parse("notes.md", "text/plain", b"# Head\n\ntext").media_type == "text/markdown"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Bitte buchen Sie Ihre Reisen fr\u00fchzeitig und immer \u00fcber das Portal der Firma.", "de"),
        ("Please book your journeys early, and always through the portal of the company.", "en"),
        ("Os colaboradores devem marcar as viagens com anteced\u00eancia, sempre pelo portal.", "pt"),
        ("Too short.", ""),
        ("1203 4410 2231 QM-1 QM-2 99.1 120.5 44.1 33.0 a 1203 4410 2231 99.1 120.5 44 33.0", ""),
    ],
)
def test_the_language_is_told_where_it_is_clear(parser: ParserProcess, text: str, language: str) -> None:
    assert parser.parse("a.txt", None, text.encode()).language == language


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=30)), max_size=20))
def test_pages_begin_within_the_text_and_in_order(steps: list[tuple[int, str]]) -> None:
    builder = TextBuilder()
    for turns, text in steps:
        for _ in range(turns):
            builder.page()
        builder.block(text)
    built = builder.build("text/plain")
    assert len(built.pages) == sum(turns for turns, _ in steps)
    assert list(built.pages) == sorted(built.pages)
    assert all(0 <= start <= len(built.text) for start in built.pages)


@given(made.any_bytes, st.sampled_from(sorted(_PARSERS)))
def test_any_bytes_under_any_suffix_give_text_or_a_named_failure(content: bytes, suffix: str) -> None:
    try:
        parsed = parse_bytes("a" + suffix, None, content)
    except ParseError as error:
        assert error.code
        assert error.reason
        return
    assert parsed.text.strip()
    for heading in parsed.headings:
        assert 0 <= heading.start < len(parsed.text)
        assert parsed.text.startswith(heading.text, heading.start)
    assert all(0 <= page <= len(parsed.text) for page in parsed.pages)
    assert parsed.updated_at is None or parsed.updated_at.tzinfo == UTC
