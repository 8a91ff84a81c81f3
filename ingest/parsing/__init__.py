"""Bytes to plain text with headings, in a process with limits.

`ParserProcess` is what the pipeline uses; `formats` says which suffix goes to which parser.
"""

from ingest.parsing.document import Heading, Note, ParsedDocument, ParseError, page_at
from ingest.parsing.formats import supports
from ingest.parsing.process import Parser, ParserProcess

__all__ = [
    "Heading",
    "Note",
    "ParseError",
    "ParsedDocument",
    "Parser",
    "ParserProcess",
    "page_at",
    "supports",
]
