"""A passage: a chunk returned for a question, with its scores."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Passage:
    """A stored chunk with the scores it got for one question.

    `start` and `end` are character offsets into the stored text of the document: `text` is exactly
    `document.text[start:end]`. `score` is the fused rank score, comparable within one result alone;
    `dense_score` is the cosine to the question and `sparse_score` its BM25 score, each `None` where that
    side did not list the chunk. `page` is the page that it begins on, where the document has pages, and
    `page_breaks` are the offsets within it, in the document's text, at which further pages begin; `sections`
    are the headings within it, each with its offset. `heading_path` is what all of it stands under.
    """

    chunk_id: str
    document_id: str
    title: str
    heading_path: tuple[str, ...]
    text: str
    start: int
    end: int
    source: str
    url: str | None
    author: str | None
    updated_at: datetime | None
    score: float
    dense_score: float | None = None
    sparse_score: float | None = None
    page: int | None = None
    page_breaks: tuple[int, ...] = ()
    sections: tuple[tuple[int, str], ...] = ()
    language: str = ""

    def page_at(self, offset: int) -> int | None:
        """The page that a character of the document's text, within this passage, stands on."""
        return None if self.page is None else self.page + bisect_right(self.page_breaks, offset)

    def place_at(self, offset: int) -> str:
        """Where that character stands, such as `page 7, section 3.2 Travel`; empty where nothing is known."""
        within = self.sections[: bisect_right(self.sections, offset, key=lambda section: section[0])]
        path = (*self.heading_path, *(name for _, name in within[-1:]))
        return place_words(self.title, path, self.page_at(offset))


def place_words(title: str, heading_path: Sequence[str], page: int | None) -> str:
    """A place in a document as citations name it, such as `page 7, section 3.2 Travel`; may be empty."""
    nearest = next((name for name in reversed(heading_path) if name != title), None)
    parts = (f"page {page}" if page is not None else "", f"section {nearest}" if nearest else "")
    return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """What a person narrowed the search to. `after` is inclusive, `before` exclusive; both in UTC."""

    sources: tuple[str, ...] = ()
    after: datetime | None = None
    before: datetime | None = None


NO_FILTERS = SearchFilters()
"""The whole of what the caller may read."""
