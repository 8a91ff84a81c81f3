"""Builds the objects of one installation: the only file that names concrete classes.

Everything is made on first use, so that a command pays only for what it needs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from app.core.config import Settings, get_settings
from app.core.db import Database
from app.core.directory import Directory
from app.core.sign_in import SignIns

if TYPE_CHECKING:
    from billing.ledger import Ledger
    from billing.price_book import PriceBook
    from ingest.library import Library
    from ingest.sources import Sources
    from ingest.sync import SyncEngine
    from retrieval.embedder import Embedder
    from retrieval.index import Index
    from retrieval.search import Searcher
    from routing.answer import Answerer
    from routing.history import History
    from routing.runner import AskRunner
    from web.deps import Services


class House:
    """One installation, as its settings describe it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
