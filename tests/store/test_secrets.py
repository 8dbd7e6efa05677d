"""Secrets at rest."""

import stat
from pathlib import Path

import pytest

from inglenook.kit.errors import Unavailable
from inglenook.store.secrets import KEY_FILE, Secrets


def test_a_secret_comes_back_and_its_text_is_nowhere(tmp_path: Path) -> None:
    cipher = Secrets(tmp_path).encrypt("sk-1234")
    assert "sk-1234" not in cipher
    assert Secrets(tmp_path).decrypt(cipher) == "sk-1234"
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_another_key_file_says_what_to_do(tmp_path: Path) -> None:
    cipher = Secrets(tmp_path).encrypt("sk-1234")
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(Unavailable, match="restore that file"):
        Secrets(tmp_path).decrypt(cipher)


@pytest.mark.parametrize("content", [b"", b"half a ke"])
def test_a_broken_key_file_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(Unavailable, match=r"secret\.key.*restore"):
        Secrets(tmp_path)
    assert (tmp_path / KEY_FILE).read_bytes() == content
