"""Every setting, as one pydantic class. Each is read from `RUNG_<NAME>` or a `.env` file in the checkout.

A setting is one field here and one row in docs/settings.md; a test fails until both are there.
"""

from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core.errors import ConfigurationError

PROJECT_DIR = Path(__file__).resolve().parents[2]


class PremiumFallback(BaseModel):
    """Another deployment of the premium model. Its prices are per million tokens, in the plan's currency."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1)
    api_key: SecretStr | None = None
    base_url: str | None = None
    input_price: Decimal = Field(ge=0)
    output_price: Decimal = Field(ge=0)


class Settings(BaseSettings):
    """The settings of one installation."""

    model_config = SettingsConfigDict(
        env_prefix="RUNG_", env_file=PROJECT_DIR / ".env", env_ignore_empty=True, extra="ignore"
    )

    data_dir: Path = Field(PROJECT_DIR / ".rung", description="Folder that holds all state.")
    host: str = Field("127.0.0.1", description="Address the web server listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port the web server listens on.")
    public_url: str | None = Field(
        None, description="Address people reach Rung at, for links; the default is host and port."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")
    log_json: bool = Field(False, description="One JSON object a line instead of text.")

    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL, as postgresql://user:password@host/name; the default is a SQLite file.",
    )
    qdrant_url: str | None = Field(None, description="A Qdrant server; the default is the embedded engine.")
    qdrant_api_key: SecretStr | None = Field(None, description="Key of the Qdrant server.")
    qdrant_collection: str = Field("rung", description="Collection on the Qdrant server.")

    embedding_model: str = Field(
        "bundled", description="`bundled` (all-MiniLM-L6-v2) or a folder with a sentence-transformers model."
    )
    reader_adapter: str = Field(
        "bundled", description="`bundled`, or a file that `adapter train reader` wrote."
    )
    embedding_threads: int = Field(0, ge=0, description="Threads for the encoder; 0 means one per core.")

    credential_key: SecretStr | None = Field(
        None,
        description="Key of sources' credentials in base64, old ones after a comma; the default is a file.",
    )

    worker: Literal["with-serve", "separate"] = Field(
        "with-serve",
        description="`with-serve` starts a worker when there is work; `separate` leaves that to you.",
    )
    max_file_bytes: int = Field(100_000_000, gt=0, description="Larger files are a named failure, not read.")
    parse_processes: int = Field(
        0, ge=0, description="Documents parsed side by side; 0 means one fewer than there are cores."
    )
    parse_timeout_seconds: float = Field(
        60.0, gt=0, description="Longest a single document may take to parse."
    )
    parse_memory_bytes: int = Field(
        1_500_000_000, gt=0, description="Most memory the parser process may use."
    )

    local_url: str | None = Field(
        None, description="A vLLM server for the local rung, ending with /v1; no local rung by default."
    )
    local_api_key: SecretStr | None = Field(
        None, description="Key of the vLLM server, where it asks for one."
    )
    local_model: str | None = Field(
        None,
        description="The base model as the vLLM server names it; the default is the one it says it serves.",
    )
    local_timeout_seconds: float = Field(
        30.0, gt=0, description="Longest wait for the local model's next bytes."
    )
    local_adapters_dir: Path | None = Field(
        None,
        description="Folder of the local model's adapters; the default is adapters in the data folder.",
    )
    local_adapters_dir_on_server: str | None = Field(
        None, description="The same folder as the vLLM server sees it, where it has another path there."
    )
    local_input_price: Decimal = Field(
        Decimal(0),
        ge=0,
        description="What a million input tokens cost us on our own hardware, in the plan's currency.",
    )
    local_output_price: Decimal = Field(
        Decimal(0),
        ge=0,
        description="What a million output tokens cost us on our own hardware, in the plan's currency.",
    )

    premium_model: str | None = Field(
        None, description="The premium rung's model as LiteLLM names it, such as openai/gpt-5.2."
    )
    premium_api_key: SecretStr | None = Field(None, description="Key of the premium model's provider.")
    premium_base_url: str | None = Field(
        None, description="Any OpenAI-compatible address; the default is the provider's."
    )
    premium_input_price: Decimal | None = Field(
        None, ge=0, description="What a million input tokens cost us, in the plan's currency."
    )
    premium_output_price: Decimal | None = Field(
        None, ge=0, description="What a million output tokens cost us, in the plan's currency."
    )
    premium_timeout_seconds: float = Field(
        60.0, gt=0, description="Longest wait for the premium model's next bytes."
    )
    premium_fallbacks: tuple[PremiumFallback, ...] = Field(
        (),
        description="JSON list of other deployments, asked in turn when the first is busy, broken or silent.",
    )

    shadow_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of questions that is checked against premium unseen, where no admin chose one.",
    )

    price_plan: str = Field("standard.2026-11", description="Price plan in billing/plans.")
    budget_monthly: Decimal | None = Field(
        None,
        ge=0,
        description="Most the workspace may spend in a month, in the plan's currency; no limit by default.",
    )

    session_days: int = Field(30, gt=0, description="How long a sign-in lasts.")
    secure_cookies: bool = Field(
        False, description="Set it behind TLS: cookies are then sent over HTTPS only."
    )

    @field_validator("data_dir", "local_adapters_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().resolve()

    @field_validator("local_url")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an address such as http://127.0.0.1:8001/v1")
        if "@" in parts.netloc:
            raise ValueError("must hold no user name or password; the key goes into RUNG_LOCAL_API_KEY")
        return value.rstrip("/")

    @property
    def database_address(self) -> str:
        """The SQLAlchemy address of the database, with the driver this project uses.

        Raises:
            ConfigurationError: `unknown_database` for anything but PostgreSQL.
        """
        if self.database_url is None:
            return f"sqlite:///{self.data_dir / 'rung.db'}"
        scheme, _, rest = self.database_url.get_secret_value().partition("://")
        if scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
            raise ConfigurationError(
                "RUNG_DATABASE_URL must begin with postgresql://; without it, Rung uses SQLite.",
                code="unknown_database",
            )
        return f"postgresql+psycopg://{rest}"

    @property
    def adapters_folder(self) -> Path:
        """Where the local model's adapters lie."""
        return self.local_adapters_dir or self.data_dir / "adapters"

    @property
    def base_url(self) -> str:
        """Where people reach this installation, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def premium_configured(self) -> bool:
        return self.premium_model is not None and (
            self.premium_api_key is not None or self.premium_base_url is not None
        )


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        ConfigurationError: names each setting that cannot be read, and why.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"RUNG_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError("These settings cannot be used:\n  " + "\n  ".join(lines)) from error
