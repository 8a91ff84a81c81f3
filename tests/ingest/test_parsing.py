"""Each format to text, headings, title, author and date; each kind of broken file to its named failure."""

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing import ParsedDocument, ParseError, ParserProcess
from ingest.parsing.document import Heading, TextBuilder
from ingest.parsing.formats import parse_bytes
from tests.ingest import make_files


def _headings(parsed: ParsedDocument) -> list[tuple[int, str]]:
    for heading in parsed.headings:
        assert parsed.text[heading.start :].startswith(heading.text)
    return [(h.level, h.text) for h in parsed.headings]


def _code(parser: ParserProcess, name: str, content: bytes) -> str:
    with pytest.raises(ParseError) as caught:
        parser.parse(name, None, content)
    assert caught.value.reason
    return caught.value.code


def test_markdown_gives_front_matter_headings_and_plain_lines(parser: ParserProcess) -> None:
    source = (
        "---\ntitle: Parental leave\nauthor: Mei Lindqvist\ndate: 2026-03-04\n---\n"
        "# Leave\n\nSee **the** [policy](https://x.example/a_(b)) ![logo](l.png)\n\n"
        "## Spain ##\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\n# not a heading\n```\n\nOld\n---\nend\n"
    )
    parsed = parser.parse("a.md", None, source.encode())
    assert (parsed.title, parsed.author) == ("Parental leave", "Mei Lindqvist")
    assert parsed.updated_at == datetime(2026, 3, 4, tzinfo=UTC)
    assert _headings(parsed) == [(1, "Leave"), (2, "Spain"), (2, "Old")]
    assert "See the policy logo" in parsed.text
    assert "a | b\n1 | 2" in parsed.text
    assert "# not a heading" in parsed.text


def test_html_keeps_the_main_part_alone(parser: ParserProcess) -> None:
    source = (
        "<html><head><title>Refunds</title><meta name=author content='Tom'>"
        "<meta name=date content=2025-01-02></head><body><nav>Menu</nav><main><h1>Refunds</h1>"
        "<p>Within <b>30</b>\n days.</p><ul><li>Probe<li>Meter</ul><script>alert(1)</script>"
        "<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table></main>"
        "<footer>Foot</footer></body></html>"
    )
    parsed = parser.parse("a.html", None, source.encode())
    assert (parsed.title, parsed.author) == ("Refunds", "Tom")
    assert parsed.updated_at == datetime(2025, 1, 2, tzinfo=UTC)
    assert _headings(parsed) == [(1, "Refunds")]
    assert parsed.text == "Refunds\n\nWithin 30 days.\n- Probe\n- Meter\nA | B\n1 | 2"


def test_pdf_gives_text_properties_and_bookmarks_as_headings(parser: ParserProcess) -> None:
    parsed = parser.parse("a.pdf", None, make_files.pdf("Press the key.", "Rinse it.", sections=True))
    assert (parsed.title, parsed.author) == ("Sensor manual", "Rui Costa")
    assert parsed.updated_at == make_files.MOMENT
    assert _headings(parsed) == [(1, "Part 1"), (1, "Part 2")]
    assert "Press the key." in parsed.text
    assert parsed.text.index("Press") < parsed.text.index("Rinse")


def test_word_gives_headings_lists_and_tables(parser: ParserProcess) -> None:
    parsed = parser.parse("a.docx", None, make_files.word())
    assert (parsed.title, parsed.author) == ("Travel policy", "Ana Ferreira")
    assert parsed.updated_at == make_files.MOMENT
    assert _headings(parsed) == [(1, "Hotels"), (2, "Limits")]
    assert "- Porto\n- Leeds" in parsed.text
    assert "City | Limit\nValencia | 120" in parsed.text


def test_slides_give_a_heading_each_and_their_notes(parser: ParserProcess) -> None:
    parsed = parser.parse("a.pptx", None, make_files.slides())
    assert _headings(parsed) == [(1, "Plan 2026"), (1, "Risks")]
    assert "Ship the probe" in parsed.text
    assert "Note on Risks" in parsed.text


def test_spreadsheet_rows_name_their_columns(parser: ParserProcess) -> None:
    content = make_files.sheets(
        {
            "Prices": [["Part", "Price"], ["QM-1", 120.5], ["QM-2", 80]],
            "Empty": [],
            "Free": [["one"], ["two"]],
        }
    )
    parsed = parser.parse("a.xlsx", None, content)
    assert _headings(parsed) == [(1, "Prices"), (1, "Free")]
    assert "Part: QM-1; Price: 120.5\nPart: QM-2; Price: 80" in parsed.text
    assert parsed.title is None


def test_spreadsheet_says_its_title_author_and_date(parser: ParserProcess) -> None:
    parsed = parser.parse("a.xlsx", None, make_files.sheets({"Prices": [["Part"]]}, title="Prices & parts"))
    assert (parsed.title, parsed.author) == ("Prices & parts", "Ana Ferreira")
    assert parsed.updated_at == make_files.MOMENT


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_rows_name_their_columns(parser: ParserProcess, delimiter: str) -> None:
    rows = [["Ticket", "State"], ["QM-2231", "open"], ["QM-2232", "closed"]]
    parsed = parser.parse("a.csv", None, "\r\n".join(delimiter.join(r) for r in rows).encode())
    assert parsed.text == "Ticket | State\nTicket: QM-2231; State: open\nTicket: QM-2232; State: closed"


def test_mail_keeps_quoted_replies_and_prefers_plain_text(parser: ParserProcess) -> None:
    source = (
        "From: Ana <ana@quillmark.example>\r\nTo: tom@quillmark.example\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n"
        "Date: Wed, 04 Mar 2026 00:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/alternative; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "\r\nYes.\r\n> Shall we?\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Yes.</p>\r\n--b--\r\n"
    )
    parsed = parser.parse("a.eml", None, source.encode())
    assert (parsed.title, parsed.updated_at) == ("Café", make_files.MOMENT)
    assert parsed.author == "Ana <ana@quillmark.example>"
    assert "Yes.\n> Shall we?" in parsed.text
    assert "<p>" not in parsed.text


@pytest.mark.parametrize(
    "date", ["Tue, 31 Feb 2026 00:00:00 +0000", "Fri, 31 Dec 9999 23:59:59 -1200", "soon"]
)
def test_impossible_date_is_no_date(parser: ParserProcess, date: str) -> None:
    assert parser.parse("a.eml", None, f"From: a@x.example\nDate: {date}\n\nText".encode()).updated_at is None


def test_words_behind_an_attachment_are_read_too(parser: ParserProcess) -> None:
    """As phones write them, and mailing lists: text, picture, text; each alternative counts once."""
    parts = [
        'Content-Type: multipart/alternative; boundary="y"\n\n--y\nContent-Type: text/plain\n\nFirst words.\n'
        "--y\nContent-Type: text/html\n\n<p>First words, as HTML.</p>\n--y--",
        'Content-Type: image/png; name="plan.png"\nContent-Disposition: inline\n\nAAAA',
        "Content-Type: text/html\n\n<p>Second words.</p>",
        'Content-Type: text/plain; name="notes.txt"\n\nOf a file.',
        "Content-Type: text/plain\n\nThird words.",
    ]
    head = 'From: ann@example.com\nSubject: Plan\nContent-Type: multipart/mixed; boundary="x"\n\n'
    content = head + "".join(f"--x\n{part}\n" for part in parts) + "--x--\n"
    text = parser.parse("mail.eml", None, content.encode()).text
    words = ["First words.", "Second words.", "Third words."]
    assert [text.count(each) for each in words] == [1, 1, 1]
    assert sorted(map(text.index, words)) == [text.index(each) for each in words]
    assert "as HTML" not in text and "Of a file" not in text
    assert "Attachments: plan.png, notes.txt" in text and "unnamed" not in text


def test_html_is_read_where_the_plain_alternative_is_empty(parser: ParserProcess) -> None:
    head = 'From: ann@example.com\nSubject: News\nContent-Type: multipart/alternative; boundary="x"\n\n'
    plain, html = "--x\nContent-Type: text/plain\n\n \n", "--x\nContent-Type: text/html\n\n<p>The news.</p>\n"
    assert "The news." in parser.parse("mail.eml", None, (head + plain + html + "--x--\n").encode()).text


def test_mail_of_html_alone_is_read(parser: ParserProcess) -> None:
    source = "From: a@x.example\nSubject: S\nContent-Type: text/html; charset=utf-8\n\n<h1>Hi</h1><p>Body"
    assert "Hi\n\nBody" in parser.parse("a.eml", None, source.encode()).text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_encodings_that_say_what_they_are(parser: ParserProcess, encoding: str) -> None:
    assert parser.parse("a.txt", None, "Olá\r\nmundo\x00".encode(encoding)).text == "Olá\nmundo"


def test_broken_files_fail_by_name(parser: ParserProcess) -> None:
    whole = make_files.pdf("Some text that is long enough." * 50)
    assert _code(parser, "a.pdf", make_files.pdf("secret", password="open")) == "encrypted"
    assert _code(parser, "a.pdf", whole[: len(whole) // 3]) == "damaged"
    assert _code(parser, "a.pdf", make_files.pdf("")) == "no_text"
    assert _code(parser, "a.md", b"") == "empty"
    assert _code(parser, "a.txt", b" \n\x00") == "empty"
    assert _code(parser, "a.md", b"caf\xe9") == "invalid_encoding"
    assert _code(parser, "a.csv", b"a,b\n\xff\xfe\xfd") == "invalid_encoding"
    assert _code(parser, "a.docx", make_files.bomb()) == "archive_bomb"
    assert _code(parser, "a.docx", make_files.word()[:-400]) == "damaged"
    assert _code(parser, "a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 encrypted package") == "encrypted"
    assert _code(parser, "a.xlsx", b"no archive") == "damaged"
    assert _code(parser, "a.pptx", b"PK\x03\x04 and no more") == "damaged"
    assert _code(parser, "a.eml", b"just words") == "damaged"
    assert _code(parser, "a.png", b"\x89PNG") == "unsupported_format"


def test_memory_limit_names_the_document_and_the_next_one_is_read() -> None:
    with ParserProcess(timeout_seconds=30, memory_bytes=300_000_000) as process:
        rows = b"\n".join(b"%d,%d" % (n, n) for n in range(2_000_000))
        assert _code(process, "a.csv", rows) == "too_much_memory"
        assert process.parse("b.txt", None, b"fine").text == "fine"


def test_slow_document_is_cut_off_and_the_next_one_is_read() -> None:
    with ParserProcess(timeout_seconds=0.05) as process:
        rows = b"\n".join(b"%d,%d" % (n, n) for n in range(1_000_000))
        assert _code(process, "a.csv", rows) == "too_slow"
    with ParserProcess(timeout_seconds=20) as process:
        assert process.parse("b.txt", None, b"fine").text == "fine"


def test_killed_parser_is_started_again() -> None:
    with ParserProcess(timeout_seconds=20) as process:
        process.parse("a.txt", None, b"first")
        first = process.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        assert process.parse("a.txt", None, b"second").text == "second"
        assert process.pid != first


def test_parsing_process_sees_no_secrets_and_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNG_PREMIUM_API_KEY", "do-not-pass-on")
    with ParserProcess(timeout_seconds=20) as process:
        process.parse("a.docx", None, make_files.word())
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        maps = Path(f"/proc/{process.pid}/maps").read_text()
    assert b"do-not-pass-on" not in environment
    assert "torch" not in maps


@given(st.lists(st.tuples(st.integers(0, 7), st.text()), max_size=20))
def test_builder_headings_always_stand_in_the_text(blocks: list[tuple[int, str]]) -> None:
    builder = TextBuilder()
    for level, text in blocks:
        if level:
            builder.heading(level, text)
        else:
            builder.block(text)
    built = builder.build("text/plain")
    built.text.encode()
    for heading in built.headings:
        assert built.text[heading.start : heading.start + len(heading.text)] == heading.text
    assert list(built.headings) == sorted(built.headings, key=lambda h: h.start)
    assert not {"\x00", "\r"} & set(built.text)


@given(st.binary(max_size=400), st.sampled_from([".md", ".html", ".csv", ".eml", ".txt", ".pdf", ".docx"]))
def test_any_bytes_give_text_or_a_named_failure(content: bytes, suffix: str) -> None:
    try:
        parsed = parse_bytes("a" + suffix, None, content)
    except ParseError as error:
        assert error.code and error.reason
    else:
        assert isinstance(parsed.headings, tuple) and all(isinstance(h, Heading) for h in parsed.headings)
        assert parsed.text.strip()
