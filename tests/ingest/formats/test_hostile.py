"""Hostile and broken files: each costs one named failure, and the document after it is read."""

import io
import json
import zipfile
import zlib
from collections.abc import Callable

import docx
import pytest
from docx.opc.constants import RELATIONSHIP_TYPE

from ingest.parsing import ParseError, ParserProcess
from tests.ingest import make_files
from tests.ingest.formats import made

SECRET = "file:///etc/passwd"
LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
OUTSIDE = f'<!DOCTYPE r [<!ENTITY i SYSTEM "{SECRET}">]>'


def _pdf_with(stream: bytes) -> bytes:
    """A page whose content is this stream, deflated."""
    packed = zlib.compress(stream, 9)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%b\nendstream" % (len(packed), packed),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    body = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj%b endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return b"%bxref\n0 6\n0000000000 65535 f \n%btrailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (
        body,
        table,
        len(body),
    )


def _container(depth: int) -> bytes:
    content = made.zipped({"a.txt": "in the middle"})
    for _ in range(depth):
        content = made.zipped({"inner.zip": content})
    return content


def _many_members() -> bytes:
    return made.zipped({f"{n}.txt": "x" for n in range(2_500)})


def _bomb(name: str) -> bytes:
    return made.zipped({name: b" " * 60_000_000})


def _large_member() -> bytes:
    target = io.BytesIO()
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.txt", "w", force_zip64=True) as part,
    ):
        for _ in range(300):
            part.write(b"a" * 1_000_000)
    return target.getvalue()


def _wide_sheet() -> bytes:
    return _with_part(make_files.sheets({"S": [["a"]]}), "xl/worksheets/sheet1.xml", _CORNERS)


_CORNERS = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    "</sheetData></worksheet>"
)


def _with_part(content: bytes, name: str, part: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    assert name in members
    return made.zipped({**members, name: part})


def _word_with(start: str, text: str) -> bytes:
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    return _with_part(
        make_files.word(),
        "word/document.xml",
        f'{start}<w:document xmlns:w="{namespace}"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body>'
        "</w:document>",
    )


def _nested_mail(depth: int) -> bytes:
    lines = ["From: a@x.example", "Subject: deep"]
    for n in range(depth):
        lines += [f"Content-Type: multipart/mixed; boundary=b{n}", "", f"--b{n}"]
    return "\n".join([*lines, "Content-Type: text/plain", "", "end"]).encode()


CASES: dict[str, tuple[str, Callable[[], bytes], set[str]]] = {
    "a bomb in a Word file": ("a.docx", make_files.bomb, {"archive_bomb"}),
    "a bomb in a presentation": ("a.pptx", lambda: _bomb("ppt/presentation.xml"), {"archive_bomb"}),
    "a bomb in a spreadsheet": ("a.xlsx", lambda: _bomb("xl/workbook.xml"), {"archive_bomb"}),
    "a bomb in a book": ("a.epub", lambda: _bomb("META-INF/container.xml"), {"archive_bomb"}),
    "a bomb in an OpenDocument file": ("a.odt", lambda: _bomb("content.xml"), {"archive_bomb"}),
    "a bomb in an archive": ("a.zip", _large_member, {"archive_bomb"}),
    "an archive of too many files": ("a.zip", _many_members, {"archive_bomb"}),
    "archives in archives without end": ("a.zip", lambda: _container(6), {"no_text"}),
    "an archive that is cut off": ("a.zip", lambda: made.zipped({"a.txt": "x" * 99})[:-30], {"damaged"}),
    "billion laughs in a book": (
        "a.epub",
        lambda: made.epub({}, **{"META-INF/container.xml": f"{LAUGHS}]><r>&i;</r>"}),
        {"damaged"},
    ),
    "billion laughs in an OpenDocument file": (
        "a.odt",
        lambda: made.opendocument("<office:text/>", before=f"{LAUGHS}]>"),
        {"damaged"},
    ),
    "an outside entity in an OpenDocument file": (
        "a.odt",
        lambda: made.opendocument("<text:p>&i;</text:p>", before=OUTSIDE),
        {"damaged"},
    ),
    "billion laughs in a Word file": (
        "a.docx",
        lambda: _word_with(f"{LAUGHS}]>", "&i;"),
        {"damaged", "no_text"},
    ),
    "HTML nested without end": ("a.html", lambda: b"<div>" * 20_000 + b"x", {"damaged", "too_slow"}),
    "JSON nested without end": ("a.json", lambda: b"[" * 500_000 + b"]" * 500_000, {"damaged"}),
    "JSON nested deeper than any data": (
        "a.json",
        lambda: b'{"a":' * 300 + b"1" + b"}" * 300,
        {"damaged"},
    ),
    "XML nested without end": (
        "a.odt",
        lambda: made.opendocument(
            "<text:section>" * 50_000 + "<text:p>x</text:p>" + "</text:section>" * 50_000
        ),
        {"damaged"},
    ),
    "a number of endless digits": ("a.json", lambda: b"9" * 1_000_000, {"damaged"}),
    "a table of a million columns": ("a.csv", lambda: b"a," * 1_000_000, {"too_large"}),
    "a sheet of two far corners": ("a.xlsx", _wide_sheet, {"too_much_memory", "damaged", "parser_crashed"}),
    "a mailbox that is none": ("a.mbox", lambda: b"Hello\n\nFrom me\n", {"damaged"}),
    "a calendar that is none": ("a.ics", lambda: b"Hello\nthere", {"damaged", "no_text"}),
    "an Outlook message that is cut off": (
        "a.msg",
        lambda: made.outlook({0x0037: "S", 0x1000: "B"})[:2000],
        {"damaged", "encrypted"},
    ),
    "a book under copy protection": (
        "a.epub",
        lambda: made.epub({"a.xhtml": "<p>x"}, **{"META-INF/rights.xml": "<rights/>"}),
        {"encrypted"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_file_costs_one_failure(parser: ParserProcess, case: str) -> None:
    name, make, codes = CASES[case]
    with pytest.raises(ParseError) as caught:
        parser.parse(name, None, make())
    assert caught.value.code in codes, caught.value.reason
    assert caught.value.reason
    assert parser.parse("next.txt", None, b"The next one is read.").text == "The next one is read."


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.docx", lambda: _word_with(OUTSIDE, "Before &i; after")),
        ("a.html", lambda: f"{OUTSIDE}<p>Before &i; after <iframe src='{SECRET}'></iframe>".encode()),
        ("a.rst", lambda: b"Before\n\n.. include:: /etc/passwd\n\n.. csv-table::\n   :file: /etc/passwd\n"),
        ("a.rst", lambda: f"Before\n\n.. raw:: html\n   :url: {SECRET}\n\n.. image:: {SECRET}\n".encode()),
    ],
)
def test_nothing_outside_the_file_is_read(
    parser: ParserProcess, name: str, make: Callable[[], bytes]
) -> None:
    try:
        parsed = parser.parse(name, None, make())
    except ParseError as error:
        assert error.code == "damaged"
    else:
        assert "Before" in parsed.text
        assert "root:" not in parsed.text


def test_links_to_outside_in_a_word_file_are_not_followed(parser: ParserProcess) -> None:
    document = docx.Document()
    document.add_paragraph("See the template.")
    document.part.relate_to("http://127.0.0.1:9/t.dotm", RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
    target = io.BytesIO()
    document.save(target)
    assert parser.parse("a.docx", None, target.getvalue()).text == "See the template."


def test_a_mail_nested_without_end_is_read_or_fails_by_name(parser: ParserProcess) -> None:
    with pytest.raises(ParseError) as caught:
        parser.parse("a.eml", None, _nested_mail(5_000))
    assert caught.value.code in {"damaged", "no_text", "too_slow"}, caught.value.reason


def test_a_huge_image_is_never_decoded(parser: ParserProcess) -> None:
    """50,000 by 50,000 points would take 2.5 GB; the process may take 1 GB."""
    from fpdf import FPDF

    made_pdf = FPDF()
    made_pdf.add_page()
    made_pdf.image(made.image(), x=0, y=0, w=100)
    content = bytes(made_pdf.output())
    assert b"/Width 8" in content
    content = content.replace(b"/Width 8", b"/Width 50000").replace(b"/Height 8", b"/Height 50000")
    with pytest.raises(ParseError) as caught:
        parser.parse("a.pdf", None, content)
    assert caught.value.code in {"scanned", "damaged"}


def test_a_large_mailbox_meets_the_memory_limit() -> None:
    message = b"From x\nFrom: a@x.example\nSubject: S\n\n" + b"word " * 400_000 + b"\n\n"
    with ParserProcess(timeout_seconds=60, memory_bytes=250_000_000) as process:
        with pytest.raises(ParseError) as caught:
            process.parse("a.mbox", None, message * 40)
        assert caught.value.code in {"too_much_memory", "too_slow"}
        assert process.parse("b.txt", None, b"fine").text == "fine"


def test_a_page_of_a_pdf_that_unpacks_without_end_meets_the_limits() -> None:
    bomb = _pdf_with(b"BT /F 9 Tf " + b"(word) Tj " * 4_000_000 + b"ET")
    assert len(bomb) < 200_000
    with ParserProcess(timeout_seconds=60, memory_bytes=300_000_000) as process:
        with pytest.raises(ParseError) as caught:
            process.parse("a.pdf", None, bomb)
        assert caught.value.code in {"too_much_memory", "too_slow", "parser_crashed"}
        assert process.parse("b.txt", None, b"fine").text == "fine"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.md", b"[" * 50_000),
        ("a.md", b"**a" * 50_000),
        ("a.md", b"<a" * 50_000),
        ("a.py", b"public " * 30_000 + b"\n" + b"a " * 900 + b"("),
        ("a.c", b"\n".join([b"a b" * 300 + b"(" + b"," * 290] * 200)),
        ("a.rst", b":a:`" * 30_000),
        ("a.mbox", b"From x\n\n" * 20_000),
        ("a.json", json.dumps({"a" * 100_000: " " * 100_000 + "b"}).encode()),
    ],
)
def test_no_pattern_takes_for_ever(parser: ParserProcess, name: str, content: bytes) -> None:
    try:
        assert parser.parse(name, None, content).text
    except ParseError as error:
        assert error.code in {"damaged", "no_text"}, error.reason


def test_names_with_control_characters_do_no_harm(parser: ParserProcess) -> None:
    assert parser.parse("a\x00\n\x1b[31m.txt", None, b"Text").text == "Text"
    parsed = parser.parse("a.zip", None, made.zipped({"../../etc/\x1b[31mpasswd\n.txt": "Text"}))
    assert "\x1b" not in parsed.text
    assert parsed.text.endswith("Text")
