"""A sync killed by SIGKILL ends, after the next start, with what an undisturbed one has."""

import os
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr
from sqlmodel import SQLModel, select

from app.core.config import PROJECT_DIR, Settings
from app.core.db import Database
from ingest.tables import DocumentRow, SourceRow, SyncRunRow
from retrieval.index import AccessFilter, IndexQuery
from tests.ingest.sync_process import open_index

SOURCE_ID = "00000000-0000-7000-8000-000000000001"


def write_documents(root: Path) -> None:
    for number in range(45):
        path = root / f"part {number % 4}" / f"{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = [f"## Part {n}\n\n" + f"Page {number} says thing {n} about probes. " * 25 for n in range(4)]
        path.write_text(f"# Page {number}\n\n" + "\n\n".join(parts))
    (root / "part 1" / ".access.toml").write_text('allow = ["group:finance"]')
    (root / "part 2" / "broken.md").write_bytes(b"\xff")


def prepare(data_dir: Path, root: Path, database_url: str | None = None) -> Settings:
    secret = SecretStr(database_url) if database_url else None
    settings = Settings(_env_file=None, data_dir=data_dir, database_url=secret)
    database = Database(settings.database_address)
    SQLModel.metadata.create_all(database.engine)
    with database.write() as session:
        session.add(
            SourceRow(
                id=SOURCE_ID,
                workspace_id="default",
                name="docs",
                kind="folder",
                settings={"path": str(root)},
                default_access=["everyone"],
                created_at=datetime.now(UTC),
            )
        )
    database.close()
    return settings


def start(what: str, settings: Settings, seconds: float) -> subprocess.Popen[str]:
    environment = dict(os.environ)
    if settings.database_url is not None:
        environment["RUNG_DATABASE_URL"] = settings.database_url.get_secret_value()
    return subprocess.Popen(
        [sys.executable, "-m", "tests.ingest.sync_process", what, str(settings.data_dir), str(seconds)],
        stdout=subprocess.PIPE,
        cwd=PROJECT_DIR,
        env=environment,
        text=True,
    )


def documents(settings: Settings) -> list[tuple[object, ...]]:
    database = Database(settings.database_address)
    with database.read() as session:
        rows = session.exec(select(DocumentRow).order_by(DocumentRow.external_id)).all()
    database.close()
    return [
        (r.id, r.external_id, r.state, r.revision, r.content_hash, r.access, r.title, r.text, r.chunk_count)
        for r in rows
    ]


def points(settings: Settings) -> list[tuple[object, ...]]:
    index = open_index(settings)
    found = []
    for principal in ("everyone", "group:finance"):
        query = IndexQuery(
            "page", np.ones(384, dtype=np.float32), AccessFilter("default", (principal,)), limit=5000
        )
        hits = index.search(query)
        found += [(principal, h.chunk_id, h.document_id, h.start, h.end, h.text, h.title) for h in hits]
    assert index.stats().points == len(found)
    index.close()
    return sorted(found)


def runs(settings: Settings) -> list[SyncRunRow]:
    database = Database(settings.database_address)
    with database.read() as session:
        found = session.exec(select(SyncRunRow).order_by(SyncRunRow.id)).all()
    database.close()
    return list(found)


@pytest.mark.engine
def test_killed_again_and_again_ends_like_an_undisturbed_run(tmp_path: Path) -> None:
    root = tmp_path / "source"
    write_documents(root)
    calm, killed = prepare(tmp_path / "calm", root), prepare(tmp_path / "killed", root)
    process = start("once", calm, 0)
    said, _ = process.communicate(timeout=60)
    assert "Complete with 1 failure: 45 documents held" in said

    chance = random.Random(20261123)
    for _ in range(3):
        process = start("once", killed, 0.05)
        assert process.stdout is not None
        for _ in range(chance.randint(2, 5)):
            assert process.stdout.readline().startswith("progress")
        process.kill()
        process.wait()
        process.stdout.close()
    (open_run,) = runs(killed)
    assert open_run.state == "running"
    half = documents(killed)
    assert half and half != documents(calm)

    said, _ = start("once", killed, 0).communicate(timeout=60)
    assert "Complete with 1 failure: 45 documents held" in said
    assert documents(killed) == documents(calm)
    assert points(killed) == points(calm)
    (run,) = runs(killed)
    assert (run.state, run.resumed, run.held, run.failed) == ("complete", 3, 45, 1)
    assert run.chunks_reused > 0 or run.chunks_embedded == len(points(calm))
