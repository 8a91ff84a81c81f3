"""What the pages and the API are given: the services of one installation, and how a handler gets at them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Protocol

from fastapi import Depends, Request

from app.core.clock import utc_now
from app.core.config import Settings
from web.render import Renderer
from web.serving.metrics import Metrics
from web.serving.stream import Streams

if TYPE_CHECKING:
    from app.core.audit import AuditLog
    from app.core.directory import Directory
    from app.core.sign_in import SignIns
    from billing.budgets.book import Budgets
    from billing.ledger import Ledger
    from ingest.library import Library
    from ingest.sources import SetUp, Sources
    from ingest.sync.control import SyncControl
    from retrieval.search import Searcher
    from routing.adapters.registry import Adapters
    from routing.catalogue import Catalogue
    from routing.history import History
    from routing.policy.service import PolicyDesk
    from routing.runner import AskRunner


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One part that must work: its name, whether it does, and what is wrong if not."""

    name: str
    ok: bool
    detail: str = ""


class ReaderFacts(Protocol):
    """What is known of the reading adapter that Rung brings along: `routing.reading.card.ReaderCard`."""

    @property
    def name(self) -> str: ...

    @property
    def base(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def trained_at(self) -> str: ...

    @property
    def trained_on(self) -> Mapping[str, int]: ...

    @property
    def scores(self) -> Mapping[str, float]: ...

    @property
    def size_bytes(self) -> int: ...


def no_reader_adapter() -> None:
    """For an installation whose reader has no adapter."""


def no_reindexing() -> None:
    """For an index that is as the settings want it."""


def no_worker_trouble() -> None:
    """For an installation whose worker does what it should."""


@dataclass(frozen=True, slots=True)
class Services:
    """The objects of one installation, built by the wiring.

    `asks` answers questions in the background, `health` looks at the database and the index,
    `suggestions` are the questions that the empty start page offers, and `reader_card` is what is known of
    the reading adapter, if there is one. `reindexing` says how far a new index is that is made beside the
    one in use, `worker_trouble` what is wrong with the worker that `serve` keeps.
    """

    settings: Settings
    sign_ins: "SignIns"
    directory: "Directory"
    searcher: "Searcher"
    asks: "AskRunner"
    history: "History"
    library: "Library"
    sources: "Sources"
    set_up: "SetUp"
    syncs: "SyncControl"
    audit: "AuditLog"
    usage: "Ledger"
    budgets: "Budgets"
    adapters: "Adapters"
    policies: "PolicyDesk"
    catalogue: "Catalogue"
    suggestions: tuple[str, ...]
    health: Callable[[], tuple[HealthCheck, ...]]
    clock: Callable[[], datetime] = utc_now
    reader_card: Callable[[], ReaderFacts | None] = no_reader_adapter
    reindexing: Callable[[], str | None] = no_reindexing
    worker_trouble: Callable[[], str | None] = no_worker_trouble


@dataclass(frozen=True, slots=True)
class Web:
    """What the web layer itself brings along."""

    renderer: Renderer
    metrics: Metrics
    streams: Streams


def services_of(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


def web_of(request: Request) -> Web:
    found: Web = request.app.state.web
    return found


def renderer_of(request: Request) -> Renderer:
    return web_of(request).renderer


Given = Annotated[Services, Depends(services_of)]
Show = Annotated[Renderer, Depends(renderer_of)]
Kit = Annotated[Web, Depends(web_of)]
