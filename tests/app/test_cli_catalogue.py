"""The commands for prompts and prices, in one installation."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli.application import app
from app.core.config import get_settings
from app.core.errors import RungError
from tests.fakes.openai_server import OpenAiServer, Reply

MODEL = "openai/gpt-of-tests"


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("RUNG_LOCAL_URL", "")
    monkeypatch.setenv("RUNG_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RUNG_PREMIUM_MODEL", MODEL)
    monkeypatch.setenv("RUNG_PREMIUM_API_KEY", "sk-tests")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAiServer]:
    """A premium model on loopback, with its price."""
    with OpenAiServer(default=Reply("There are 28 days of annual leave a year [1].")) as server:
        for name, value in (("BASE_URL", server.base_url), ("INPUT_PRICE", "2"), ("OUTPUT_PRICE", "10")):
            monkeypatch.setenv(f"RUNG_PREMIUM_{name}", value)
        get_settings.cache_clear()
        yield server


def run(*arguments: str) -> Result:
    found = CliRunner().invoke(app, list(arguments))
    if isinstance(found.exception, RungError):
        raise found.exception
    return found


def read(*arguments: str) -> dict[str, Any]:
    found = run(*arguments, "--json")
    assert found.exit_code == 0, found.output
    answer: dict[str, Any] = json.loads(found.stdout)
    return answer


def test_the_shipped_prompts_pass_the_check() -> None:
    assert run("prompt", "check").exit_code == 0
    assert "premium.v2" in run("prompt", "list").stdout


def test_a_prompt_is_served_shared_and_taken_back() -> None:
    assert read("prompt", "serve", "premium.v1")["prompt_id"] == "premium.v1"
    assert read("prompt", "rollback", "premium")["prompt_id"] == "premium.v2"
    shared = read("prompt", "try", "premium.v1", "--share", "5%")
    assert (shared["trial_id"], shared["share_percent"]) == ("premium.v1", 5)
    assert read("prompt", "try", "premium.v1", "--stop")["trial_id"] is None
    entries = read("prompt", "show", "premium.v1")["entries"]
    assert [entry["action"] for entry in entries] == ["stop", "share", "serve"]


@pytest.mark.parametrize(
    "options", [("--share", "much"), ("--on", "mars"), ("--share", "5%", "--stop"), ("--limit", "0")]
)
def test_a_trial_that_makes_no_sense_is_refused(options: tuple[str, ...]) -> None:
    assert run("prompt", "try", "premium.v1", *options).exit_code == 2


def test_a_rung_without_a_price_cannot_be_tried_and_says_what_to_do() -> None:
    with pytest.raises(RungError) as refused:
        run("prompt", "try", "premium.v1")
    assert refused.value.code == "tier_unavailable" and "No price is known" in refused.value.message


def test_a_trial_says_first_what_it_costs_and_then_what_it_found(
    provider: OpenAiServer,
) -> None:
    plan = read("prompt", "try", "premium.v1", "--cost")
    assert (plan["tests"], plan["past"]) == (15, 0) and 0 < plan["about_nano"] < plan["most_nano"]
    said = " ".join(run("prompt", "try", "premium.v1", "--cost").stdout.split())
    assert "30 answers; expected to cost us" in said
    assert provider.requests == []
    bound = (plan["most_nano"] + plan["about_nano"]) // 15
    found = read("prompt", "try", "premium.v1", "--most", f"0.{bound:09d}")
    assert found["state"] == "ended" and 0 < found["done"] < 15 and "cost more" in found["stopped"]
    assert found["cost_nano"] <= bound
    shown = run("prompt", "try", "premium.v1", "--yes").stdout
    assert "too few to judge" in shown and "Too little to judge quality" in shown
    trials = json.loads(run("prompt", "trials", "premium.v1", "--json").stdout)
    assert [trial["done"] for trial in trials] == [15, found["done"]]
    with pytest.raises(RungError) as refused:
        run("prompt", "halt", found["id"])
    assert refused.value.code == "trial_ended"


def test_a_price_is_entered_and_listed() -> None:
    (before,) = read("price", "list")["now"]
    assert before["prices"] is None and "No price is known" in before["problem"]
    made = read("price", "set", MODEL, "--input", "1.25", "--output", "10", "--from", "a price page")
    assert (made["input_price"], made["cached_price"], made["by"]) == ("1.25", "1.25", "Operator")
    read("price", "set", MODEL, "--input", "2", "--output", "10", "--since", "2999-01-01")
    found = read("price", "list")
    (now,) = found["now"]
    assert now["prices"]["input"] == "1.25" and now["upcoming"]["input_price"] == "2"
    assert len(found["entries"]) == 2
    assert MODEL[:6] in run("price", "list").stdout
    with pytest.raises(RungError) as refused:
        run("price", "set", MODEL, "--input", "1", "--output", "1", "--since", "2020-01-01")
    assert refused.value.code == "price_in_the_past"
