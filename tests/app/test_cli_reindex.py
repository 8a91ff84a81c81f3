"""`reindex` on a whole installation: the real encoder, engine and parser."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.application import app
from app.core.config import get_settings
from ingest import chunking
from tests.fakes.engines import stop_engine

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command in an installation with one synced page."""
    monkeypatch.setenv("RUNG_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    get_settings.cache_clear()

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, result.output
        return result

    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "leave.md").write_text("# Leave\n\nEverybody has 27 days of leave a year.\n")
    path = str(tmp_path / "pages")
    run("source", "add", "folder", "--name", "handbook", "--path", path, "--access", "everyone")
    run("source", "sync", "handbook")
    yield run
    get_settings.cache_clear()
    stop_engine(tmp_path / "data")


def found(run: Run) -> list[str]:
    passages = json.loads(run("search", "days of leave", "--json").output)["passages"]
    return [passage["title"] for passage in passages]


@pytest.mark.engine
def test_a_new_chunker_is_noticed_and_the_index_made_anew(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "up to date" in run("reindex", "--status").output
    assert json.loads(run("reindex", "--json").output) == {"due": False, "status": None}

    monkeypatch.setattr(chunking, "CHUNKER_VERSION", "next")
    due = json.loads(run("reindex", "--status", "--json").output)
    assert due["due"] and due["status"]["documents_total"] == 1 and not due["status"]["working"]
    doctor = {f["part"]: f for f in json.loads(run("doctor", "--quick", "--json").output)}
    assert doctor["re-indexing"]["state"] == "off" and "0%" in doctor["re-indexing"]["detail"]
    assert found(run) == ["Leave"]

    assert "up to date" in run("reindex").output
    assert (tmp_path / "data" / "index" / "g2" / "vectors.json").exists()
    assert found(run) == ["Leave"]
    assert "nothing embedded" in run("source", "sync", "handbook").output
    parts = {f["part"]: f["state"] for f in json.loads(run("doctor", "--quick", "--json").output)}
    assert parts["index"] == parts["re-indexing"] == "ok"


@pytest.mark.engine
def test_an_index_from_before_generations_is_taken_as_the_first(run: Run, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "data" / "rung.db") as connection:
        connection.execute("DELETE FROM index_generation")
    assert found(run) == ["Leave"]
    assert "up to date" in run("reindex", "--status").output
