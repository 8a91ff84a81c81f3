"""What an archive may hold, looked at before anything of it is unpacked."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.parsing.document import ParseError

_MAX_UNPACKED_BYTES = 1_000_000_000
_MAX_RATIO = 200
_RATIO_MATTERS_ABOVE_BYTES = 50_000_000
_MAX_ENTRIES = 20_000
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@contextmanager
def broken_file(what: str) -> Iterator[None]:
    """Turns whatever a library raises at a broken file into the failure `damaged`.

    Args:
        what: such as `spreadsheet`.
    """
    try:
        yield
    except (ParseError, MemoryError):
        raise
    except Exception as error:
        # The libraries raise KeyError, ValueError, XML errors and more for the same thing: a broken file.
        raise ParseError(
            "damaged", f"Not a readable {what} ({type(error).__name__}: {str(error)[:300]})."
        ) from error


def check_archive(content: bytes, what: str = "Office file") -> list[zipfile.ZipInfo]:
    """Reads the directory of an archive before anything is unpacked.

    Raises:
        ParseError: `encrypted` for a file behind a password, `damaged` for one that is no archive, and
            `archive_bomb` for one that would unpack to far more than such a file does.
    """
    if content.startswith(OLE_MAGIC):
        raise ParseError("encrypted", "It needs a password, or is of an old Office format; save a new copy.")
    with broken_file(what), zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    ratio = unpacked / max(1, len(content))
    if (
        unpacked > _MAX_UNPACKED_BYTES
        or len(entries) > _MAX_ENTRIES
        or (unpacked > _RATIO_MATTERS_ABOVE_BYTES and ratio > _MAX_RATIO)
    ):
        raise ParseError(
            "archive_bomb",
            f"It would unpack {len(content):,} bytes to {unpacked:,} in {len(entries):,} parts; not opened.",
        )
    if any(entry.flag_bits & 1 for entry in entries):
        raise ParseError("encrypted", "Its parts need a password; save a copy without one.")
    return entries
