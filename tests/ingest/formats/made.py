"""Files of more formats, made on the spot."""

import io
import struct
import zipfile
from collections.abc import Mapping

from fpdf import FPDF
from hypothesis import strategies as st

LEFT = "The membrane is rinsed with clean water before every measurement and dried with a soft cloth. "
RIGHT = "Batteries are kept in a dry room and charged once in three months so that they do not age. "


def two_columns(*, by_rows: bool) -> bytes:
    """A page with a title across, and two columns of prose; drawn column by column, or row by row."""
    made = FPDF()
    made.add_page()
    made.set_font("Helvetica", size=18)
    made.cell(0, 10, "Care of the probe and its power supply")
    made.set_font("Helvetica", size=10)
    columns = [made.multi_cell(85, 5, text * 6, dry_run=True, output="LINES") for text in (LEFT, RIGHT)]
    places = [(10 + 100 * c, 30 + 5 * r, columns[c][r]) for c in (0, 1) for r in range(len(columns[c]))]
    for x, y, line in sorted(places, key=lambda p: (p[1], p[0])) if by_rows else places:
        made.set_xy(x, y)
        made.cell(85, 5, line)
    return bytes(made.output())


def manual() -> bytes:
    """Three pages with a running head, headings by their size, and a table; no bookmarks."""
    made = FPDF()
    for number in (1, 2, 3):
        made.add_page()
        made.set_font("Helvetica", size=8)
        made.cell(0, 5, f"Quillmark internal - page {number}", new_x="LMARGIN", new_y="NEXT")
        made.set_font("Helvetica", style="B", size=16)
        made.cell(0, 12, f"{number} Chapter", new_x="LMARGIN", new_y="NEXT")
        made.set_font("Helvetica", style="B", size=10)
        made.cell(0, 8, f"{number}.1 Travel", new_x="LMARGIN", new_y="NEXT")
        made.set_font("Helvetica", size=10)
        made.multi_cell(0, 5, f"What page {number} says. {LEFT * 5}", new_x="LMARGIN", new_y="NEXT")
        for row in (("City", "Limit", "Currency"), ("Porto", "140", "EUR"), ("Leeds", "120", "GBP")):
            for cell in row:
                made.cell(50, 6, cell)
            made.ln()
    return bytes(made.output())


def image(width: int = 8, height: int = 8) -> io.BytesIO:
    """A grey PNG; only its header is as large as it says."""
    import zlib

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", rows) + part(b"IEND", b""))


def scans(*texts: str) -> bytes:
    """A page a text; an empty text is a scanned page."""
    made = FPDF()
    made.set_font("Helvetica", size=11)
    for text in texts:
        made.add_page()
        if text:
            made.multi_cell(0, 8, text)
        else:
            made.image(image(), x=0, y=0, w=made.w, h=made.h)
    return bytes(made.output())


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


_ODF = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
    'xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" '
    'xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"'
)


def opendocument(body: str, kind: str = "text", before: str = "", styles: str = "") -> bytes:
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "META-INF/manifest.xml": "<manifest/>",
            "meta.xml": f"<office:meta {_ODF}><dc:title>Travel policy</dc:title><dc:creator>Ana</dc:creator>"
            "<dc:date>2026-03-04T00:00:00</dc:date></office:meta>",
            "content.xml": f"{before}<office:document-content {_ODF}>{styles}"
            f"<office:body>{body}</office:body></office:document-content>",
        }
    )


def epub(chapters: Mapping[str, str], **more: bytes | str) -> bytes:
    items = "".join(
        f'<item id="i{n}" href="{name}" media-type="application/xhtml+xml"/>'
        for n, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="i{n}"/>' for n in reversed(range(len(chapters))))
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
            '<rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
            "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>The probe</dc:title>'
            f"<dc:creator>Mei</dc:creator><dc:date>2026-03-04</dc:date></metadata><manifest>{items}</manifest>"
            f"<spine>{spine}</spine></package>",
            **{f"OEBPS/{name}": text for name, text in chapters.items()},
            **more,
        }
    )


def outlook(values: Mapping[int, str]) -> bytes:
    """A compound file with the streams of an Outlook message: property id to text."""
    streams = {"__properties_version1.0": _properties(values)}
    streams |= {f"__substg1.0_{pid:04X}001F": text.encode("utf-16-le") for pid, text in values.items()}
    return _compound(streams)


def _properties(values: Mapping[int, str]) -> bytes:
    header = struct.pack("<8x4I8x", 0, 0, 0, 0)
    return header + b"".join(
        struct.pack("<HHIII", 0x001F, pid, 6, len(text) * 2 + 2, 0) for pid, text in values.items()
    )


def _compound(streams: Mapping[str, bytes]) -> bytes:
    """The least compound file (MS-CFB, version 3) that holds these streams, each of 4,096 bytes or more."""
    end, free, fat_mark = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
    names = sorted(streams, key=lambda name: (len(name), name.upper()))
    chains: list[int] = [fat_mark]
    body = b""
    entries = [_entry("Root Entry", 5, 1, end, 0)]
    for number, name in enumerate(names, start=1):
        data = streams[name]
        size = max(len(data), 4096)
        data = data.ljust(size, b"\0")
        count = -(-size // 512)
        first = len(chains)
        chains += [first + n + 1 for n in range(count - 1)] + [end]
        body += data.ljust(count * 512, b"\0")
        right = number + 1 if number < len(names) else free
        entries.append(_entry(name, 2, free, first, size, right))
    directory = b"".join(entries)
    count = -(-len(directory) // 512)
    first = len(chains)
    chains += [first + n + 1 for n in range(count - 1)] + [end]
    body += directory.ljust(count * 512, b"\0")
    fat = b"".join(struct.pack("<I", value) for value in chains).ljust(512, b"\xff")
    assert len(fat) == 512, "one sector of the table is enough for a small message"
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        *(0x3E, 3, 0xFFFE, 9, 6, 0, 1, first, 0, 4096, end, 0, end, 0),
    )
    return header + struct.pack("<I", 0) + b"\xff" * 432 + fat + body


def _entry(name: str, kind: int, child: int, first: int, size: int, right: int = 0xFFFFFFFF) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    return struct.pack(
        "<64sHBBIII16xI16xIQ",
        *(text, len(text), kind, 1, 0xFFFFFFFF, right, child if kind == 5 else 0xFFFFFFFF, 0, first, size),
    )


any_bytes = st.one_of(
    st.binary(max_size=300),
    st.text(alphabet="<>[]{}\"'=:,;|\\/*_`#- \n\tabBEGIN.VT012\u20ac", max_size=300).map(str.encode),
)
