"""`adapter …` on the command line, without a chat server: what is printed, and how refusals end."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.application import app
from app.core.config import get_settings
from app.core.errors import ConfigurationError, ConflictError, InputError, NotFoundError
from tests.servers.base import make_adapter, make_base

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs a command in an installation of its own."""
    patch = pytest.MonkeyPatch()
    patch.setenv("RUNG_DATA_DIR", str(tmp_path / "data"))
    patch.setenv("RUNG_LOCAL_URL", "")
    patch.setenv("COLUMNS", "200")
    get_settings.cache_clear()

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, result.output
        return result

    yield run
    patch.undo()
    get_settings.cache_clear()


@pytest.fixture
def theirs(run: Run, tmp_path: Path) -> str:
    """An adapter from elsewhere, taken in as `tone`."""
    base = make_base(tmp_path / "base")
    folder = make_adapter(tmp_path / "theirs", base=base)
    run("adapter", "add", "tone", str(folder), "--base", str(base), "--access", "everyone")
    return "tone"


def test_an_empty_house_says_what_is_missing(run: Run) -> None:
    said = run("adapter", "list").output
    assert "RUNG_LOCAL_URL" in said and "reader" in said
    found = json.loads(run("adapter", "list", "--json").output)
    assert found["adapters"] == [] and found["server"]["reachable"] is False and found["reader"]
    counts = json.loads(run("adapter", "examples", "--only-everyone", "--json").output)
    assert counts["training"] == 0


def test_added_assigned_shown_and_taken_back(run: Run, theirs: str) -> None:
    assert "team sales go to tone" in run("adapter", "assign", theirs, "--team", "sales").output
    assert "the workspace go to tone" in run("adapter", "assign", theirs).output
    kind = json.loads(run("adapter", "assign", theirs, "--source-kind", "folder", "--json").output)
    assert (kind["scope"], kind["value"]) == ("source_kind", "folder")
    assert run("adapter", "list").output.count("tone") >= 4
    run("adapter", "unassign", kind["id"])
    found = json.loads(run("adapter", "list", "--json").output)
    assert [a["scope"] for a in found["assignments"]] == ["team", "workspace"]
    shown = json.loads(run("adapter", "show", theirs, "--json").output)
    assert shown["adapter"]["versions"][0]["access"] == ["everyone"]
    assert [e["action"] for e in shown["events"]] == [
        "unassigned",
        "assigned",
        "assigned",
        "assigned",
        "added",
    ]
    assert {e["by"] for e in shown["events"]} == {"Operator"}
    assert "may serve everyone" in run("adapter", "show", theirs).output


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        (["show", "nobody"], NotFoundError, "no_such_adapter"),
        (["publish", "nobody"], NotFoundError, "no_such_adapter"),
        (["publish", "tone"], ConflictError, "not_better"),
        (["publish", "tone", "--version", "7"], NotFoundError, "no_such_version"),
        (["rollback", "tone"], ConflictError, "no_previous"),
        (["judge", "tone"], InputError, "too_few_held_out"),
        (["assign", "nobody"], NotFoundError, "no_such_adapter"),
        (["unassign", "nothing"], NotFoundError, "no_such_assignment"),
        (["train", "Bad Name", "--base", "."], InputError, "bad_adapter_name"),
        (["train", "tone", "--base", "."], InputError, "too_few_examples"),
    ],
)
def test_refusals_have_names(
    run: Run, theirs: str, words: list[str], kind: type[Exception], code: str
) -> None:
    result = run("adapter", *words, code=1)
    assert isinstance(result.exception, kind) and result.exception.code == code  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "words", [["train", "tone"], ["train", "reader"], ["assign", "x", "--team", "a", "--source-kind", "b"]]
)
def test_what_is_missing_is_asked_for(run: Run, words: list[str]) -> None:
    run("adapter", *words, code=2)


def test_retiring_without_a_server_takes_it_out_of_use_all_the_same(run: Run, theirs: str) -> None:
    assert "tone.v1 is retired" in run("adapter", "retire", theirs).output
    (adapter,) = json.loads(run("adapter", "list", "--json").output)["adapters"]
    assert adapter["versions"][0]["state"] == "retired"


def test_no_server_is_named_as_such(run: Run, theirs: str) -> None:
    from app.core.clock import utc_now
    from app.wiring import house
    from routing.adapters.adapter import Judgement
    from routing.adapters.store import Store

    with house() as it:
        store = Store(it.database)
        judged = Judgement(utc_now(), 20, 1.0, "the base model", 0.0, True, "better")
        store.keep_judgement(store.row("default", theirs, 1), judged, "admin")
    result = run("adapter", "publish", theirs, code=1)
    assert isinstance(result.exception, ConfigurationError) and result.exception.code == "no_local_server"
