"""`calibrate` and what `route` tells of the policy, in an installation of its own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli.application import app
from app.cli.calibrate import CAREFUL
from app.core.config import get_settings
from app.wiring import house
from routing.policy.objectives import Price
from tests.fakes.engines import stop_engine

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    home: Path = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setenv("RUNG_DATA_DIR", str(home / "data"))
    patch.setenv("COLUMNS", "200")
    get_settings.cache_clear()

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, result.output
        return result

    yield run
    stop_engine(home / "data")
    patch.undo()
    get_settings.cache_clear()


def told(run: Run, *words: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*words, "--json", code=code).output)
    return found


def test_calibrating_says_what_is_missing_and_again_changes_nothing(run: Run) -> None:
    first = told(run, "calibrate")
    assert (first["state"], first["changed"], first["by"]) == ("careful", True, "command line")
    assert first["rungs"][0]["labels"]["needed"] == 45 and "0 of 45" in first["statement"]
    again = told(run, "calibrate", "--strict", code=CAREFUL)
    assert (again["changed"], again["id"]) == (False, first["id"])
    said = run("calibrate").output
    assert "Nothing changed since" in said and "too few labels" in said


def test_a_route_names_the_objective_the_thresholds_and_the_prices(run: Run) -> None:
    found = told(run, "route", "How many days of leave does everybody have?")
    assert found["objective"].startswith("quality") and found["currency"] == "EUR"
    reader, *_, premium = found["rungs"]
    assert (reader["tier"], reader["climb_above"]) == ("reader", 0.5)
    assert premium["price_nano"] > reader["price_nano"] and "RUNG_PREMIUM_MODEL" in premium["says"]
    with house() as it:
        it.policies.choose(it.operator(), Price(3_000_000_000))
    said = run("route", "How many days of leave does everybody have?").output
    assert "an avoided wrong answer is worth 3.00 EUR" in said and "Reader, about" in said
