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
    ("name", "value"), [("PORT", "seventy"), ("PORT", "70000"), ("DURABILITY", "maybe"), ("BASE_PATH", "ai")]
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
    with pytest.raises(BadInput, match="prot"):
        load_settings(data=tmp_path)


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
