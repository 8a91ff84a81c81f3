"""The command line from an empty folder to a verified ledger, with the real encoder, engine and parser."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli.application import app
from app.cli.sources import EXIT_INCOMPLETE, EXIT_WITH_FAILURES
from app.core.config import get_settings
from app.core.errors import ConflictError, InputError, NotFoundError
from tests.fakes.engines import stop_engine

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with documents, one of them for finance alone, and one that cannot be read."""
    home = tmp_path_factory.mktemp("home")
    documents = home / "documents"
    (documents / "finance").mkdir(parents=True)
    (documents / "leave.md").write_text("# Leave\n\nEverybody has 27 days of leave a year.\n")
    (documents / "finance" / "loan.md").write_text("# Loan\n\nThe bank loan amounts to 3 million euro.\n")
    (documents / "finance" / ".access.toml").write_text('allow = ["group:finance"]\n')
    (documents / "broken.txt").write_bytes(b"caf\xe9")
    return home


@pytest.fixture(scope="module")
def run(home: Path) -> Iterator[Run]:
    """Runs a command in this installation."""
    patch = pytest.MonkeyPatch()
    patch.setenv("RUNG_DATA_DIR", str(home / "data"))
    patch.setenv("COLUMNS", "200")
    get_settings.cache_clear()

    def run(*words: str, fails: bool = False, code: int = 0, **options: Any) -> Result:
        result = CliRunner().invoke(app, list(words), **options)
        assert fails or result.exit_code == code, result.output
        return result

    yield run
    patch.undo()
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def handbook(run: Run, home: Path) -> str:
    """The folder, added and synced, with a person in finance and one in no group."""
    run("user", "add", "ana@example.com", "--group", "finance")
    run("user", "add", "tom@example.com")
    path = str(home / "documents")
    run("source", "add", "folder", "--name", "handbook", "--path", path, "--access", "everyone")
    return run("source", "sync", "handbook", code=EXIT_WITH_FAILURES).output


def asked(run: Run, question: str, email: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("ask", question, "--as", email, "--json").output)
    return found


def test_a_sync_says_what_it_did_and_names_each_failure(handbook: str) -> None:
    assert "omplete" in handbook and "1 failure" in handbook
    assert "broken.txt" in handbook and "invalid_encoding" in handbook


def test_nobody_else_on_the_machine_can_look_into_the_data(handbook: str, home: Path) -> None:
    assert (home / "data").stat().st_mode & 0o077 == 0


def test_a_second_sync_embeds_nothing_and_says_so(run: Run, handbook: str) -> None:
    again = json.loads(run("source", "sync", "handbook", "--json", code=EXIT_WITH_FAILURES).output)
    assert again["counts"]["chunks_embedded"] == 0
    assert "nothing embedded" in again["message"]


def test_an_answer_cites_its_document_and_has_a_receipt(run: Run, handbook: str) -> None:
    found = asked(run, "How many days of leave does everybody have?", "tom@example.com")
    assert "27 days" in found["answer"] and not found["abstained"]
    assert found["citations"][0]["title"] == "Leave"
    assert found["route"]["tier"] == found["receipt"]["tier"] == "reader"
    assert found["receipt"]["price_nano"] > 0 == found["receipt"]["cost_nano"]


def test_who_may_not_read_a_document_gets_nothing_of_it(run: Run, handbook: str) -> None:
    question = "To how much does the bank loan amount?"
    assert "3 million" in asked(run, question, "ana@example.com")["answer"]
    for words in (["ask", question], ["search", question], ["route", question]):
        for asker in (["--as", "tom@example.com"], []):
            assert "3 million" not in run(*words, *asker, "--json").output


def test_a_file_of_questions_gives_a_line_each_also_for_one_that_cannot_be_asked(
    run: Run, handbook: str, home: Path
) -> None:
    rows = [{"id": "a", "question": "How many days of leave?"}, {"id": "b", "question": " "}]
    (home / "questions.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    for command in ("ask", "search", "route"):
        output = run(command, "--file", str(home / "questions.jsonl"), "--as", "tom@example.com").output
        first, second = (json.loads(line) for line in output.splitlines())
        assert first["id"] == "a" and "error" not in first
        assert second == {"id": "b", "error": {"code": "empty_question", "detail": second["error"]["detail"]}}


def test_a_file_that_is_not_questions_is_refused_with_its_line(run: Run, handbook: str, home: Path) -> None:
    (home / "wrong.jsonl").write_text('{"id": "a", "question": "x"}\nnot json\n')
    refused = run("route", "--file", str(home / "wrong.jsonl"), fails=True).exception
    assert isinstance(refused, InputError) and "line 2" in refused.message


def test_text_for_people_shows_route_answer_sources_and_price(run: Run, handbook: str) -> None:
    output = run("ask", "How many days of leave does everybody have?", "--as", "tom@example.com").output
    for expected in ("difficulty", "27 days", "Leave", "premium would have cost"):
        assert expected in output
    assert "reader" in run("route", "How many days of leave?").output
    assert "27 days" in run("search", "days of leave").output


def test_the_ledger_is_whole_and_lists_nothing_of_the_questions(run: Run, handbook: str, home: Path) -> None:
    report = json.loads(run("ledger", "verify", "--json").output)
    assert report["ok"] and report["rows"] > 0
    assert "whole" in run("ledger", "verify").output


def test_the_doctor_finds_every_part(run: Run, handbook: str) -> None:
    findings = {finding["part"]: finding for finding in json.loads(run("doctor", "--json").output)}
    assert set(findings) == {
        "database",
        "index",
        "encoder",
        "reader",
        "ladder",
        "ledger",
        "re-indexing",
        "worker",
    }
    assert findings["ladder"]["state"] == "off" and "RUNG_PREMIUM_MODEL" in findings["ladder"]["detail"]
    assert all(findings[part]["state"] == "ok" for part in ("database", "index", "encoder", "ledger"))


def test_a_lost_index_is_noticed_and_made_again(run: Run, handbook: str, home: Path) -> None:
    stop_engine(home / "data")
    shutil.rmtree(home / "data" / "index")
    findings = {f["part"]: f for f in json.loads(run("doctor", "--quick", "--json", code=1).output)}
    assert findings["index"]["state"] == "wrong" and "--again" in findings["index"]["detail"]
    run("source", "sync", "handbook", "--again", code=EXIT_WITH_FAILURES)
    run("doctor", "--quick")
    assert "27 days" in asked(run, "How many days of leave does everybody have?", "tom@example.com")["answer"]


def test_a_backup_put_back_answers_as_before(run: Run, handbook: str, home: Path) -> None:
    weights = Path("adapters") / "default" / "support.v1" / "adapter_model.safetensors"
    there = get_settings().data_dir / weights
    there.parent.mkdir(parents=True)
    there.write_bytes(b"weights")
    run("backup", str(home / "copy"))
    patch = pytest.MonkeyPatch()
    patch.setenv("RUNG_DATA_DIR", str(home / "restored"))
    get_settings.cache_clear()
    try:
        run("restore", str(home / "copy"))
        assert (
            "3 million" in asked(run, "To how much does the bank loan amount?", "ana@example.com")["answer"]
        )
        assert isinstance(run("restore", str(home / "copy"), fails=True).exception, ConflictError)
        run("restore", str(home / "copy"), "--replace")
        assert len(list(home.glob("restored-*"))) == 1
        assert (home / "restored" / weights).read_bytes() == b"weights"
    finally:
        patch.undo()
        get_settings.cache_clear()


def test_a_backup_goes_into_a_new_folder_and_comes_from_one_that_holds_it(run: Run, home: Path) -> None:
    (home / "full").mkdir()
    (home / "full" / "something").touch()
    assert isinstance(run("backup", str(home / "full"), fails=True).exception, ConflictError)
    assert isinstance(run("restore", str(home / "full"), fails=True).exception, NotFoundError)


def test_people_and_keys_are_made_listed_and_taken_away(run: Run) -> None:
    added = json.loads(run("user", "add", "eve@example.com", "--admin", "--json").output)
    assert added["sign_in_link"].startswith("http") and added["person"]["is_admin"]
    run("user", "password", "eve@example.com", input="a long enough password\n")
    run("user", "groups", "eve@example.com", "sales", "support")
    assert "/sign-in/link/" in run("user", "link", "eve@example.com").output
    key = json.loads(run("key", "create", "eve@example.com", "--name", "laptop", "--json").output)
    assert "laptop" in run("key", "list").output
    run("key", "revoke", key["id"])
    run("user", "disable", "eve@example.com")
    people = {person["email"]: person for person in json.loads(run("user", "list", "--json").output)}
    assert people["eve@example.com"]["disabled"] and people["eve@example.com"]["groups"] == [
        "sales",
        "support",
    ]
    refused = run("ask", "x", "--as", "eve@example.com", fails=True).exception
    assert isinstance(refused, NotFoundError) and refused.code == "no_such_user"


def test_a_source_is_removed_with_all_it_held(run: Run, home: Path) -> None:
    (home / "other").mkdir()
    (home / "other" / "page.md").write_text("# Canteen\n\nThe canteen opens at noon on Fridays.\n")
    path = str(home / "other")
    run("source", "add", "folder", "--name", "other", "--path", path, "--access", "everyone")
    run("source", "sync", "other")
    assert "canteen" in run("search", "When does the canteen open?").output
    assert "other" in run("source", "list").output and "omplete" in run("source", "runs", "other").output
    run("source", "remove", "other", input="y\n")
    assert "canteen" not in run("search", "When does the canteen open?").output


def test_a_source_that_lists_nothing_any_more_is_incomplete_and_keeps_what_it_held(
    run: Run, home: Path
) -> None:
    page = home / "emptied" / "page.md"
    page.parent.mkdir()
    page.write_text("# Lift\n\nThe lift is repaired on Thursdays.\n")
    path = str(page.parent)
    run("source", "add", "folder", "--name", "emptied", "--path", path, "--access", "everyone")
    run("source", "sync", "emptied")
    page.unlink()
    output = run("source", "sync", "emptied", code=EXIT_INCOMPLETE).output
    assert "ncomplete" in output
    assert "Thursdays" in run("search", "lift repair").output
    run("source", "sync", "emptied", "--allow-empty")
    assert "Thursdays" not in run("search", "lift repair").output


@pytest.mark.parametrize("name", ["nothing-there", "../up"])
def test_an_unknown_source_is_named(run: Run, name: str) -> None:
    assert isinstance(run("source", "sync", name, fails=True).exception, NotFoundError)
