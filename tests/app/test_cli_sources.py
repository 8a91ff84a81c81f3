"""`source …` on the command line, but for the sync itself (see test_cli)."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli.application import app
from app.cli.sources.written import every_minutes, secrets_of, settings_of
from app.core.config import get_settings
from app.core.errors import InputError, RungError
from app.wiring import house

Rung = Callable[..., Result]


@pytest.fixture
def rung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rung]:
    monkeypatch.setenv("RUNG_DATA_DIR", str(tmp_path / "data"))
    get_settings.cache_clear()

    def run(*arguments: str, ok: bool = True) -> Result:
        result = CliRunner().invoke(app, ["source", *arguments])
        if ok:
            assert result.exit_code == 0, (result.output, result.exception)
        return result

    yield run
    get_settings.cache_clear()


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "leave.md").write_text("# Leave\n\nThirty days a year.\n")
    (folder / "old.pdf").write_bytes(b"not a pdf")
    return folder


def printed(result: Result) -> Any:
    return json.loads(result.output)


def test_kinds_name_what_each_needs(rung: Rung) -> None:
    kinds = {row["kind"]: row["about"] for row in printed(rung("kinds", "--json"))}
    assert kinds["folder"]["tells_access"] is True
    fields = {field["name"]: field for field in printed(rung("kinds", "folder", "--json"))}
    assert fields["path"]["required"] and fields["path"]["help"]
    assert "path" in rung("kinds", "folder").output and "folder" in rung("kinds").output


def test_a_source_is_added_looked_at_changed_and_removed(rung: Rung, pages: Path) -> None:
    added = printed(
        rung(
            "add", "folder", "--name", "handbook", "--set", f"path={pages}", "--access", "everyone", "--json"
        )
    )
    assert (added["kind"], added["default_access"], added["state"]) == ("folder", ["everyone"], "active")
    assert printed(rung("check", "handbook", "--json"))["ok"] is True
    assert printed(rung("estimate", "handbook", "--json"))["documents"] == 2
    preview = printed(rung("preview", "handbook", "--json"))
    assert [d["title"] for d in preview["documents"]] == ["Leave"]
    assert [f["code"] for f in preview["failures"]] == ["damaged"]
    assert "Leave" in rung("preview", "handbook").output

    changed = printed(rung("change", "handbook", "--every", "day", "--prune-share", "10", "--json"))
    assert (changed["every_minutes"], changed["prune_share_max"]) == (1440, 0.1)
    narrowed = printed(rung("change", "handbook", "--access", "user:ana@example.com", "--json"))
    assert narrowed["default_access"] == ["user:ana@example.com"]
    assert narrowed["every_minutes"] == 1440
    assert [s["name"] for s in printed(rung("list", "--json"))] == ["handbook"]
    assert rung("remove", "handbook", "--yes").exit_code == 0
    assert printed(rung("list", "--json")) == []


def test_who_did_what_is_in_the_audit_log(rung: Rung, pages: Path) -> None:
    rung("add", "folder", "--name", "handbook", "--path", str(pages))
    rung("change", "handbook", "--every", "60")
    with house() as it:
        entries = it.audit.about("source", "handbook")
    assert {entry.actor for entry in entries} == {"operator"}
    assert "source.added" in {entry.action for entry in entries}


def test_a_check_that_fails_says_what_to_do_and_ends_with_one(rung: Rung, pages: Path) -> None:
    rung("add", "folder", "--name", "handbook", "--path", str(pages))
    pages.rename(pages.with_name("moved"))
    result = rung("check", "handbook", ok=False)
    assert result.exit_code == 1 and "cannot be read" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("add", "gopher", "--name", "x"), "unknown_connector"),
        (("add", "folder", "--name", "x", "--set", "colour=red"), "unknown_setting"),
        (("add", "folder", "--name", "x", "--set", "path"), "unknown_setting"),
        (("add", "folder", "--name", "x"), "invalid_source_settings"),
        (("add", "folder", "--name", "x", "--path", "/nowhere-at-all"), "source_unreachable"),
        (("add", "folder", "--name", "x", "--path", "/tmp", "--access", "all"), "invalid_principal"),
        (("add", "folder", "--name", "x", "--path", "/tmp", "--every", "often"), "invalid_schedule"),
        (("add", "folder", "--name", "x", "--path", "/tmp", "--secret", "path"), "unknown_setting"),
        (("check", "nothing"), "no_such_source"),
        (("preview", "nothing"), "no_such_source"),
        (("change", "nothing", "--every", "day"), "no_such_source"),
        (("cancel", "nothing"), "no_such_source"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(rung: Rung, arguments: tuple[str, ...], code: str) -> None:
    result = rung(*arguments, ok=False)
    assert isinstance(result.exception, RungError), result.output
    assert result.exception.code == code
    with house() as it:
        assert it.sources.list() == []


def test_settings_are_read_by_their_types() -> None:
    assert settings_of("folder", ["path=/srv/a=b"]) == {"path": "/srv/a=b"}
    assert (every_minutes("hour"), every_minutes("7"), every_minutes("hand")) == (60, 7, None)


def test_a_secret_is_never_taken_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, field = _kind_with_a_secret()
    for asked in (f"{field}=hunter2", f"{field}=env:NOT_SET_AT_ALL", f"{field}=@{tmp_path / 'nowhere'}"):
        with pytest.raises(InputError) as refused:
            secrets_of(kind, [asked])
        assert "hunter2" not in refused.value.message
    with pytest.raises(InputError) as refused:
        settings_of(kind, [f"{field}=hunter2"])
    assert refused.value.code == "secret_on_command_line" and "hunter2" not in refused.value.message

    (tmp_path / "secret").write_text("from a file\n")
    monkeypatch.setenv("A_SECRET", "from a variable")
    assert secrets_of(kind, [f"{field}=@{tmp_path / 'secret'}"]) == {field: "from a file"}
    assert secrets_of(kind, [f"{field}=env:A_SECRET"]) == {field: "from a variable"}
    assert secrets_of(kind, [field], prompt=lambda name: f"typed {name}") == {field: f"typed {field}"}


def _kind_with_a_secret() -> tuple[str, str]:
    from ingest.connectors import CONNECTORS, connector_type
    from ingest.credentials import secret_fields

    for kind in CONNECTORS:
        fields = secret_fields(connector_type(kind).settings_type)
        if fields:
            return kind, fields[0]
    pytest.skip("no connector has a secret")
