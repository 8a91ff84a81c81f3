from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from app.core.config import PROJECT_DIR, Settings, get_settings
from app.core.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the machine that runs the tests do not count."""
    import os

    for name in list(os.environ):
        if name.startswith("RUNG_"):
            monkeypatch.delenv(name)
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    get_settings.cache_clear()


def test_without_any_setting_all_state_is_in_the_checkout() -> None:
    settings = get_settings()
    assert settings.data_dir == PROJECT_DIR / ".rung"
    assert settings.database_address == f"sqlite:///{PROJECT_DIR / '.rung' / 'rung.db'}"
    assert settings.base_url == "http://127.0.0.1:8000"
    assert not settings.premium_configured
    assert settings.budget_monthly is None


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNG_DATA_DIR", "here/../state")
    monkeypatch.setenv("RUNG_PORT", "9000")
    monkeypatch.setenv("RUNG_BUDGET_MONTHLY", "12.50")
    settings = get_settings()
    assert settings.data_dir == tmp_path / "state"
    assert settings.base_url == "http://127.0.0.1:9000"
    assert settings.budget_monthly == Decimal("12.50")


def test_settings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = get_settings()
    monkeypatch.setenv("RUNG_PORT", "9000")
    assert get_settings() is first


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "PREMIUM_MODEL",
        "PREMIUM_API_KEY",
        "PREMIUM_BASE_URL",
        "DATABASE_URL",
        "BUDGET_MONTHLY",
        "PORT",
    ):
        monkeypatch.setenv(f"RUNG_{name}", "")
    assert get_settings() == Settings(_env_file=None)
    assert not get_settings().premium_configured


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("LOG_LEVEL", "loud"),
        ("MAX_FILE_BYTES", "0"),
        ("BUDGET_MONTHLY", "-1"),
        ("BUDGET_MONTHLY", "NaN"),
        ("BUDGET_MONTHLY", "Infinity"),
        ("PREMIUM_INPUT_PRICE", "1,25"),
        ("SESSION_DAYS", "0"),
        ("SECURE_COOKIES", "perhaps"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(f"RUNG_{name}", text)
    with pytest.raises(ConfigurationError, match=f"RUNG_{name}: "):
        get_settings()


def test_every_bad_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNG_PORT", "http")
    monkeypatch.setenv("RUNG_LOG_LEVEL", "loud")
    with pytest.raises(ConfigurationError, match=r"(?s)RUNG_PORT.*RUNG_LOG_LEVEL|RUNG_LOG_LEVEL.*RUNG_PORT"):
        get_settings()


@pytest.mark.parametrize("prefix", ["postgresql://", "postgres://", "postgresql+psycopg://"])
def test_each_spelling_of_postgresql_gets_our_driver(settings: Settings, prefix: str) -> None:
    settings.database_url = SecretStr(f"{prefix}rung:secret@db/rung")
    assert "secret" not in repr(settings)
    assert settings.database_address == "postgresql+psycopg://rung:secret@db/rung"


def test_premium_needs_a_model_and_a_way_to_reach_it(tmp_path: Path) -> None:
    def configured(**values: str) -> bool:
        return Settings(_env_file=None, data_dir=tmp_path, **values).premium_configured  # type: ignore[arg-type]

    assert not configured(premium_model="openai/m")
    assert not configured(premium_api_key="k")
    assert configured(premium_model="openai/m", premium_api_key="k")
    assert configured(premium_model="openai/m", premium_base_url="http://127.0.0.1:1")


def test_keys_are_not_shown(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, premium_api_key="sk-very-secret")
    assert "very-secret" not in repr(settings) + str(settings.model_dump())


def test_an_error_does_not_show_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNG_PORT", "sk-very-secret")
    with pytest.raises(ConfigurationError) as refused:
        get_settings()
    assert "very-secret" not in refused.value.message
    assert isinstance(refused.value.__cause__, ValidationError)


def test_an_address_for_links_loses_its_last_slash(settings: Settings) -> None:
    settings.public_url = "https://search.example.com/"
    assert settings.base_url == "https://search.example.com"


@pytest.mark.parametrize("address", ["mysql://db/rung", "sqlite:///somewhere.db", "rung.db"])
def test_a_database_that_is_not_supported_is_refused_without_repeating_it(
    settings: Settings, address: str
) -> None:
    settings.database_url = SecretStr(address)
    with pytest.raises(ConfigurationError) as refused:
        _ = settings.database_address
    assert refused.value.code == "unknown_database" and address not in refused.value.message
