"""A document as readable text, at the passage that an answer or a result pointed to."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from web.auth import SignedIn
from web.contexts import DocumentPage
from web.deps import Given, Show
from web.present.asking.answers import person_name
from web.present.documents import HeadingAt, blocks_of, language_name, original_link
from web.present.frame import frame_for
from web.present.record_views import DocumentView
from web.present.views import when

pages = APIRouter(include_in_schema=False)

Offset = Annotated[int | None, Query(ge=0, le=1_000_000_000)]


@pages.get("/documents/{document_id}")
def document(
    request: Request,
    document_id: str,
    caller: SignedIn,
    services: Given,
    show: Show,
    start: Annotated[int | None, Query(alias="from", ge=0, le=1_000_000_000)] = None,
    to: Offset = None,
    query: Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}$")] = None,
) -> Response:
    """A document that the caller may not read answers like one that does not exist."""
    found = services.library.document(caller, document_id)
    passage = (start, to) if start is not None and to is not None else None
    headings = tuple(HeadingAt(h.level, h.start, h.start + len(h.text)) for h in found.headings)
    blocks = blocks_of(found.text, headings, passage, found.title, found.pages)
    view = DocumentView(
        title=found.title or "Untitled",
        source=found.source,
        path=found.external_id,
        author=person_name(found.author),
        date=when(found.updated_at, services.clock()),
        original_href=original_link(found.url),
        blocks=blocks,
        has_passage=any(block.anchor for block in blocks),
        characters=len(found.text),
        language=language_name(found.language),
        pages=len(found.pages),
        notes=tuple(note.text for note in found.notes),
    )
    back = f"/queries/{query}/answer" if query else None
    return show.page(DocumentPage(frame=frame_for(request, view.title), document=view, back_href=back))
