"""`POST /api/v1/search`: passages without an answer."""

from fastapi import APIRouter

from retrieval.search import SearchResult
from retrieval.snippet import Snippet, highlights
from web.api.shapes import PROBLEMS, SearchIn, SearchOut, passage_out
from web.auth import SignedIn
from web.deps import Given

api = APIRouter(prefix="/api/v1", tags=["search"], responses=PROBLEMS)


@api.post("/search")
def search(body: SearchIn, caller: SignedIn, services: Given) -> SearchOut:
    """The best passages that the caller may read, best first. Costs nothing and asks no model."""
    found = services.searcher.search(caller, body.query, filters=body.filters.to_core(), limit=body.limit)
    return search_out(found, body.limit)


def search_out(found: SearchResult, limit: int) -> SearchOut:
    """The first passages of a result, whole, with the words of the query marked."""
    marked = [(p, Snippet(p.text, highlights(p.text, found.query))) for p in found.passages[:limit]]
    return SearchOut(passages=[passage_out(*pair) for pair in marked], took_ms=round(found.took_ms, 1))
