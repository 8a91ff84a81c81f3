"""`POST /api/v1/search`: passages without an answer."""

from fastapi import APIRouter

from retrieval.snippet import make_snippet
from web.api.shapes import PROBLEMS, SearchIn, SearchOut, passage_out
from web.auth import SignedIn
from web.deps import Given

api = APIRouter(prefix="/api/v1", tags=["search"], responses=PROBLEMS)


@api.post("/search")
def search(body: SearchIn, caller: SignedIn, services: Given) -> SearchOut:
    """The best passages that the caller may read, best first. Costs nothing and asks no model."""
    found = services.searcher.search(caller, body.query, filters=body.filters.to_core(), limit=body.limit)
    whole = [(p, make_snippet(p.text, body.query, max_characters=len(p.text))) for p in found.passages]
    passages = [passage_out(passage, marked) for passage, marked in whole[: body.limit]]
    return SearchOut(passages=passages, took_ms=round(found.took_ms, 1))
