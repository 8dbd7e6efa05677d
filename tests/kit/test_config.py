"""Settings: one door, an order, and messages that name what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inglenook.kit.config import Settings, load_settings
from inglenook.kit.errors import BadInput

ROOT = Path(__file__).parents[2]


def test_the_command_line_beats_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inglenook.toml").write_text('port = 1111\nhost = "127.0.0.2"\nparallel = 7\n')
    monkeypatch.setenv("INGLENOOK_PORT", "2222")
    monkeypatch.setenv("INGLENOOK_HOST", "127.0.0.3")
    settings = load_settings(data=tmp_path, port=3333)
    assert (settings.port, settings.host, settings.parallel) == (3333, "127.0.0.3", 7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "seventy"),
        ("PORT", "70000"),
        ("OLLAMA_PORT", "99999"),
        ("DURABILITY", "maybe"),
        ("BASE_PATH", "ai"),
    ],
)
def test_a_wrong_value_is_reported_with_name_and_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"INGLENOOK_{name}", value)
    with pytest.raises(BadInput) as caught:
        load_settings(data=tmp_path)
    assert name.lower() in caught.value.message
    assert value in caught.value.message


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inglenook.toml").write_text("prot = 1111\n")
    with pytest.raises(BadInput, match=r"no setting 'prot' .*inglenook\.toml.*port"):
        load_settings(data=tmp_path)


def test_a_file_that_is_no_toml_is_named_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "inglenook.toml").write_text("port = 1\nhost = \n")
    with pytest.raises(BadInput, match=r"inglenook\.toml.*line 2"):
        load_settings(data=tmp_path)


@pytest.mark.parametrize("value", ['["a.example", "b.example"]', "a.example,b.example", " a.example , b.example,"])
def test_a_list_in_the_environment_is_json_or_has_commas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("INGLENOOK_ALLOWED_HOSTS", value)
    assert load_settings(data=tmp_path).allowed_hosts == ["a.example", "b.example"]


def test_a_list_that_is_neither_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGLENOOK_ALLOWED_HOSTS", '["a.example"')
    with pytest.raises(BadInput, match=r"allowed_hosts.*a\.example.*INGLENOOK_ALLOWED_HOSTS"):
        load_settings(data=tmp_path)


def test_a_wrong_value_is_reported_with_where_it_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inglenook.toml").write_text("max_loaded = 0\n")
    with pytest.raises(BadInput, match=r"max_loaded.*inglenook\.toml"):
        load_settings(data=tmp_path)
    monkeypatch.setenv("INGLENOOK_MAX_LOADED", "none")
    with pytest.raises(BadInput, match=r"max_loaded.*INGLENOOK_MAX_LOADED"):
        load_settings(data=tmp_path)
    with pytest.raises(BadInput, match=r"port.*--port"):
        load_settings(data=tmp_path, port=70000)


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://127.0.0.1/inglenook", "postgresql+asyncpg://127.0.0.1/inglenook", "sqlite:///x.db"]
)
def test_only_postgresql_is_another_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("INGLENOOK_DATABASE_URL", url)
    with pytest.raises(BadInput, match=r"database_url.*postgresql\+psycopg://"):
        load_settings(data=tmp_path)


def test_a_database_password_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGLENOOK_DATABASE_URL", "mysql://ada:hunter2@127.0.0.1/inglenook")
    with pytest.raises(BadInput) as caught:
        load_settings(data=tmp_path)
    assert "hunter2" not in caught.value.message


def test_the_psycopg_driver_may_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGLENOOK_DATABASE_URL", "postgresql://ada@127.0.0.1/inglenook")
    assert load_settings(data=tmp_path).database_url == "postgresql+psycopg://ada@127.0.0.1/inglenook"


@pytest.mark.parametrize("value", ["https://ai.example.org", "ai.example.org:8443", "ai.example.org/chat"])
def test_a_host_name_is_a_name_alone(tmp_path: Path, value: str) -> None:
    with pytest.raises(BadInput, match=r"allowed_hosts.*ai\.example\.org"):
        load_settings(data=tmp_path, allowed_hosts=[value])


def test_a_proxy_is_an_address_or_a_network(tmp_path: Path) -> None:
    for good in (["127.0.0.1"], ["10.0.0.0/8", "fd00::/8"], ["*"]):
        assert load_settings(data=tmp_path, trusted_proxies=good).trusted_proxies == good
    for bad in ("nginx", "10.0.0.1:80", "http://10.0.0.1"):
        with pytest.raises(BadInput, match=r"trusted_proxies.*127"):
            load_settings(data=tmp_path, trusted_proxies=[bad])


def test_paths_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGLENOOK_MODELS", "~/.ollama/models")
    assert load_settings(data=tmp_path).models_dir == Path.home() / ".ollama" / "models"


def test_an_empty_path_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODELS", "TLS_CERT", "DATABASE_URL"):
        monkeypatch.setenv(f"INGLENOOK_{name}", "")
    settings = load_settings(data=tmp_path)
    assert (settings.models_dir, settings.tls_cert, settings.database_url) == (tmp_path / "models", None, None)


def test_the_starter_may_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGLENOOK_STARTER", "")
    assert load_settings(data=tmp_path).starter == ""


def test_a_file_elsewhere_may_name_the_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INGLENOOK_DATA", raising=False)
    file = tmp_path / "elsewhere.toml"
    file.write_text(f'data = "{tmp_path}/data"\n')
    assert load_settings(file).data == tmp_path / "data"
    assert load_settings(file, data=tmp_path / "other").data == tmp_path / "other"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent\.toml"):
        load_settings(tmp_path / "absent.toml")


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_settings_page_is_current() -> None:
    page = subprocess.run(
        [sys.executable, ROOT / "scripts" / "settings_page.py"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout
    assert (ROOT / "docs" / "settings.md").read_text() == page, (
        "run: python scripts/settings_page.py > docs/settings.md"
    )
