"""An installation with real workers: processes of their own, which are killed, stopped and counted."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from sqlmodel import select

from app.core.clock import new_id
from app.core.config import PROJECT_DIR, Settings
from app.core.db import Database
from ingest.sync.records.runs import Runs, find_source
from ingest.sync.workers import queueing
from ingest.sync.workers.queueing import PRIORITY_PERSON
from ingest.sync.workers.register import Workers
from ingest.tables import SourceRow, SyncRunRow

WORKSPACE = "default"


def wait_for(what: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


@dataclass
class Installation:
    """Sources of folders on one database; `embedded` counts what all workers embedded."""

    database: Database
    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        address = self.database.engine.url.render_as_string(hide_password=False)
        secret = None if self.database.is_sqlite else SecretStr(address)
        self.settings = Settings(_env_file=None, data_dir=self.folder, database_url=secret)
        self.workers = Workers(self.database)
        self.runs = Runs(self.database)

    def add(self, name: str, documents: int, **more: object) -> Path:
        """A source of a folder, with so many documents of four chunks or so each."""
        root = self.folder / "sources" / name
        root.mkdir(parents=True)
        for number in range(documents):
            self.write(name, number)
        settings: dict[str, object] = {"path": str(root)}
        if more.pop("watch", False):
            settings["watch"] = True
        row = SourceRow(
            id=new_id(),
            workspace_id=WORKSPACE,
            name=name,
            kind="folder",
            settings=settings,
            default_access=["everyone"],
            created_at=datetime.now(UTC),
            **more,  # type: ignore[arg-type]
        )
        with self.database.write() as session:
            session.add(row)
        return root

    def write(self, name: str, number: int) -> None:
        parts = [f"## Part {n}\n\n" + f"{name} {number} says thing {n} about probes. " * 25 for n in range(4)]
        path = self.folder / "sources" / name / f"{number}.md"
        path.write_text(f"# {name} {number}\n\n" + "\n\n".join(parts))

    def queue(self, name: str, priority: int = PRIORITY_PERSON) -> str:
        with self.database.write() as session:
            source = find_source(session, WORKSPACE, name)
            return queueing.queue(session, source, datetime.now(UTC), priority=priority).id

    def start(self, seconds: float = 0.0, turn: float = 20.0) -> subprocess.Popen[bytes]:
        """A worker that takes so long for each group of 16 chunks."""
        environment = {**os.environ, "RUNG_LOG_LEVEL": "info"}
        environment.pop("RUNG_DATABASE_URL", None)
        if self.settings.database_url is not None:
            environment["RUNG_DATABASE_URL"] = self.settings.database_url.get_secret_value()
        place = str(self.settings.data_dir)
        arguments = ["tests.ingest.sync_process", "worker", place, str(seconds), str(turn)]
        process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=PROJECT_DIR, env=environment)
        self.started.append(process)
        return process

    def stop_all(self) -> None:
        for process in self.started:
            process.terminate()
        for process in self.started:
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def source(self, name: str) -> SourceRow:
        with self.database.read() as session:
            return find_source(session, WORKSPACE, name)

    def all_runs(self, name: str) -> list[SyncRunRow]:
        source = self.source(name)
        with self.database.read() as session:
            query = select(SyncRunRow).where(SyncRunRow.source_id == source.id).order_by(SyncRunRow.id)
            return list(session.exec(query).all())

    def run(self, name: str) -> SyncRunRow:
        return self.all_runs(name)[-1]

    def begun(self, name: str) -> bool:
        """Whether its run is at work and has stored something."""
        found = self.all_runs(name)
        return bool(found) and found[-1].state == "running" and found[-1].chunks_embedded > 0

    def complete(self, name: str) -> bool:
        found = self.all_runs(name)
        assert not found or found[-1].state not in ("failed", "incomplete"), found[-1].message
        return bool(found) and found[-1].state == "complete"

    def holder(self, name: str) -> int | None:
        """The process that syncs a source now."""
        held = self.source(name).claim_holder
        return int(held.rpartition(":")[2]) if held else None

    def embedded(self) -> int:
        path = self.settings.data_dir / "embedded.txt"
        return sum(map(int, path.read_text().split())) if path.exists() else 0
