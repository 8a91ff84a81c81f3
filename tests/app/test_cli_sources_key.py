"""`source rotate`: a new key for the credentials."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.application import app
from app.core.clock import utc_now
from app.core.config import Settings, get_settings
from app.core.errors import ConfigurationError
from app.wiring import House
from app.wiring import house as house_of_settings
from ingest.credentials.vault import KEY_FILE
from ingest.tables import SourceRow


@pytest.fixture
def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("RUNG_DATA_DIR", str(tmp_path))
    get_settings.cache_clear()
    house = House(Settings(data_dir=tmp_path))
    source = SourceRow(
        id="s1",
        workspace_id="default",
        name="mail",
        kind="folder",
        settings={"path": "/tmp"},
        default_access=[],
        created_at=utc_now(),
    )
    with house.database.write() as session:
        session.add(source)
        session.flush()
        house.credentials.put(session, source, {"password": "hunter2"}, actor="ana@example.com")
    yield house
    house.close()
    get_settings.cache_clear()


def secret(house: House) -> dict[str, str]:
    with house.database.read() as session:
        source = session.get_one(SourceRow, "s1")
    return house.credentials.of(source, purpose="sync", actor="system")


def test_a_rotation_leaves_one_new_key_and_what_runs_goes_on(it: House, tmp_path: Path) -> None:
    before = (tmp_path / KEY_FILE).read_text().split()
    done = CliRunner().invoke(app, ["source", "rotate", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["credentials"] == 1
    after = (tmp_path / KEY_FILE).read_text().split()
    assert len(before) == len(after) == 1 and before != after
    assert secret(it) == {"password": "hunter2"}


def test_a_lost_key_leaves_everything_as_it_was(it: House, tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).unlink()
    with house_of_settings() as house, pytest.raises(ConfigurationError) as refused:
        house.rotate_credential_key(actor="operator")
    assert refused.value.code == "credential_key_missing"
    with pytest.raises(ConfigurationError):
        secret(it)
