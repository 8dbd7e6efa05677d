"""Facts of families: the longest name wins, and takes what it leaves out from the next longer."""

from pathlib import Path

import pytest
from msgspec import Struct

from inglenook.models.profiles.families import Families


class Quirks(Struct, frozen=True, forbid_unknown_fields=True):
    thinking: str = "none"
    prefill: bool = False


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("inglenook.models.profiles.families.__file__", str(tmp_path / "families.py"))
    return tmp_path


def test_the_longest_family_wins(folder: Path) -> None:
    (folder / "acme.toml").write_text(
        """
        [families.acme-2-5]
        thinking = "always"
        [families.acme]
        prefill = true
        [families.acme-2]
        thinking = "budget"
        """
    )
    acme = Families("acme.toml", Quirks)
    assert acme.of("vendor.ACME-2-20260101") == Quirks("budget", True)
    assert acme.of("acme-2-5@1") == Quirks("always", True)
    assert acme.of("acme-1") == Quirks("none", True)
    assert acme.of("other") == Quirks()


def test_what_is_wrong_is_said(folder: Path) -> None:
    (folder / "acme.toml").write_text("[families.acme]\nprefil = true\n")
    with pytest.raises(ValueError, match=r"families\.acme"):
        Families("acme.toml", Quirks)
