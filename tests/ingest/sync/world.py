"""One source with everything around it: database, index, secrets, audit, a clock that a test sets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlmodel import select

from app.core.audit import SYSTEM, AuditLog
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.db import Database
from app.core.errors import RungError
from app.core.identity import AccessList
from ingest.connectors import read_settings
from ingest.credentials import Credentials, open_vault, split_secrets
from ingest.parsing import ParsedDocument, Parser
from ingest.remote import RemoteCalls
from ingest.sources import Run, Source, Sources
from ingest.sync import SyncEngine, SyncSummary
from ingest.sync.control import SyncControl
from ingest.sync.records.runs import Runs
from ingest.tables import DocumentRow, SourceRow
from tests.fakes.embedder import HashEmbedder
from tests.fakes.index import MemoryIndex
from tests.ingest.sync.script import ALL
from web.present.admin.sources.status import live_view
from web.present.admin.sources.views import LiveView

ANA = "ana@example.com"
NAME = "docs"


class Clock:
    """The time of day, which passes only when a test says so."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **how_long: float) -> None:
        self.now += timedelta(**how_long)


@dataclass
class Watching:
    """A parser that calls a test back before its nth document: the middle of a run."""

    inner: Parser
    at: int = -1
    call: Callable[[], None] = lambda: None
    parsed: int = 0

    def parse(self, file_name: str, media_type: str | None, content: bytes) -> ParsedDocument:
        self.parsed += 1
        if self.parsed == self.at:
            self.call()
        return self.inner.parse(file_name, media_type, content)

    def close(self) -> None:
        self.inner.close()


def quick_calls(requests_per_second: float | None) -> RemoteCalls:
    """Calls that try twice and never sleep."""
    return RemoteCalls(tries=2, sleep=lambda _: None)


@dataclass
class World:
    """A source called `docs`, of any kind, and what people are shown of it."""

    database: Database
    settings: Settings
    inner_parser: Parser
    clock: Callable[[], datetime] = utc_now
    index: MemoryIndex = field(default_factory=MemoryIndex)
    embedder: HashEmbedder = field(default_factory=HashEmbedder)

    def __post_init__(self) -> None:
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.audit = AuditLog(self.database, self.clock)
        self.credentials = Credentials(
            self.database, lambda: open_vault(self.settings.data_dir, None), self.audit, self.clock
        )
        self.sources = Sources(
            self.database, self.index, credentials=self.credentials, audit=self.audit, clock=self.clock
        )
        self.syncs = SyncControl(self.database, self.audit, self.clock)
        self.runs = Runs(self.database, self.clock)
        self.parser = Watching(self.inner_parser)

    def add(
        self, kind: str, settings: Mapping[str, object], access: AccessList = ALL, **more: object
    ) -> None:
        """The source, as it is after its set-up; whether it answers is not looked at."""
        plain, secrets = split_secrets(read_settings(kind, settings))
        row = SourceRow(
            id="00000000-0000-7000-8000-000000000001",
            workspace_id="default",
            name=NAME,
            kind=kind,
            settings=plain,
            default_access=sorted(map(str, access)),
            created_at=self.clock(),
        )
        self.sources.insert(row, secrets, actor=ANA)

    def set_secret(self, **secrets: str) -> None:
        """What an admin does after a password has changed."""
        with self.database.write() as session:
            self.credentials.put(session, self.row(), secrets, actor=ANA)

    def row(self) -> SourceRow:
        with self.database.read() as session:
            return session.exec(select(SourceRow).where(SourceRow.name == NAME)).one()

    def engine(self) -> SyncEngine:
        return SyncEngine(
            self.database,
            self.index,
            self.embedder,
            self.settings,
            parser=self.parser,
            settings_of=lambda source: self.credentials.settings_of(source, purpose="sync", actor=SYSTEM),
            make_calls=quick_calls,
            clock=self.clock,
        )

    def sync(self, **how: bool) -> SyncSummary:
        return self.engine().run(NAME, **how)  # type: ignore[arg-type]

    def fails(self) -> RungError:
        """A sync that ends before its end; gives why."""
        try:
            done = self.sync()
        except RungError as error:
            return error
        raise AssertionError(f"the sync did not fail: {done.message}")

    @property
    def source(self) -> Source:
        return self.sources.get(NAME)

    @property
    def last_run(self) -> Run:
        run = self.source.last_run
        assert run is not None
        return run

    def page(self) -> LiveView:
        """What the source's page shows of how it stands."""
        progress = self.syncs.progress(NAME)
        return live_view(self.source, progress, self.clock(), has_worker=True)

    def stands(self, state: str, code: str, *words: str) -> None:
        """The last run has this state and code; the page gives a reason with these words, and a way on."""
        run, page = self.last_run, self.page()
        assert (run.state, run.code) == (state, code), run.message
        shown = f"{page.headline} {page.next_step}"
        assert page.headline and page.acts, shown
        for word in words:
            assert word.lower() in shown.lower(), shown

    def rows(self) -> dict[str, DocumentRow]:
        with self.database.read() as session:
            return {row.external_id: row for row in session.exec(select(DocumentRow)).all()}

    def held(self) -> set[str]:
        """The ids of what people can find. Where no run broke off at a document, database and index agree."""
        rows = self.rows().values()
        for row in rows:
            points = [p for p in self.index.points.values() if p.document_id == row.id]
            assert points or row.indexed_at is None, row.external_id
            if row.state == "indexed":
                assert len(points) == row.chunk_count > 0, row.external_id
                assert all(row.text[p.start : p.end] == p.text for p in points)
                assert all(sorted(map(str, p.access)) == row.access for p in points)
        assert {p.document_id for p in self.index.points.values()} <= {row.id for row in rows}
        return {row.external_id for row in rows if row.indexed_at is not None}

    def failures(self) -> dict[str, str]:
        """What stands against the source: id to code."""
        groups = self.syncs.failure_groups(NAME)
        return {note.external_id: note.code for group in groups for note in group.latest}
