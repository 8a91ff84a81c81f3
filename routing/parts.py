"""What a question needs on its way."""

from dataclasses import dataclass, field
from typing import Protocol

from app.core.db import Database
from app.core.identity import Caller
from app.core.usage import Meter
from retrieval.passage import SearchFilters
from retrieval.search import SearchResult
from routing.history.records import Records
from routing.policy import Policies
from routing.policy.evidence.sample import NoSamples, Sampler
from routing.tier import Ladder


class Finder(Protocol):
    """What finds passages: `retrieval.search.Searcher`."""

    def search(
        self, caller: Caller, query: str, *, filters: SearchFilters = ..., limit: int = ...
    ) -> SearchResult: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a question needs on its way."""

    database: Database
    searcher: Finder
    ladder: Ladder
    meter: Meter
    records: Records
    policies: Policies
    sampler: Sampler = field(default_factory=NoSamples)
