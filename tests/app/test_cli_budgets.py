"""The budget commands on an installation of their own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.application import app
from app.core.config import get_settings
from app.core.errors import RungError

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("RUNG_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    get_settings.cache_clear()

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    assert run("user", "add", "ana@example.com", "--team", "finance").exit_code == 0
    yield run
    get_settings.cache_clear()


def test_a_budget_is_set_listed_and_removed(run: Run) -> None:
    assert (
        "Team finance may spend €50.00 a month" in run("budget", "set", "50.00", "--team", "finance").output
    )
    own = json.loads(run("budget", "set", "10", "--user", "ana@example.com", "--json").output)
    assert (own["cap_nano"], own["target"]["name"], own["set_by"]) == (10 * 10**9, "ana", "operator")
    listed = json.loads(run("budget", "list", "--json").output)
    assert [found["target"]["scope"] for found in listed["budgets"]] == ["workspace", "team", "user"]
    shown = run("budget", "list").output
    assert "The whole company" in shown and "no limit" in shown and "€50.00" in shown
    assert "no budget of its own" in run("budget", "remove", "--team", "finance").output
    assert len(json.loads(run("budget", "list", "--json").output)["budgets"]) == 2


def test_the_setting_is_said_to_limit_the_company(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNG_BUDGET_MONTHLY", "5")
    get_settings.cache_clear()
    said = run("budget", "set", "50", "--workspace").output
    assert "may spend €5.00 a month" in said and "RUNG_BUDGET_MONTHLY" in said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("set", "-5", "--team", "finance"), "negative_amount"),
        (("set", "5 USD", "--workspace"), "other_currency"),
        (("set", "12,50", "--workspace"), "invalid_amount"),
        (("set", "99999999999", "--workspace"), "amount_too_large"),
        (("set", "5", "--team", "mars"), "no_such_team"),
        (("set", "5", "--user", "gone@example.com"), "no_such_user"),
        (("set", "5"), "bad_scope"),
        (("set", "5", "--workspace", "--team", "finance"), "bad_scope"),
        (("remove", "--team", "finance"), "no_such_budget"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_code(run: Run, words: tuple[str, ...], code: str) -> None:
    result = run("budget", *words)
    assert isinstance(result.exception, RungError) and result.exception.code == code
