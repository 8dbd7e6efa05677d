"""The list of provider kinds: ours, an outside package's, and packages that are broken."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from inglenook.kit.errors import NotFound, Unavailable
from inglenook.models.providers import registry

PLUGIN = """
from inglenook.models.providers.base import ProviderKind

KIND = ProviderKind(name="acme", title="Acme", icon="a", settings_schema={}, make=lambda settings, parts: None)
NOT_A_KIND = 1
"""
ENTRY_POINTS = """
[inglenook.providers]
acme = acme_plugin:KIND
acme-broken = acme_plugin:NOT_A_KIND
acme-missing = acme_needs_more:KIND
local = acme_plugin:KIND
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package as pip would have installed it."""
    (tmp_path / "acme_plugin.py").write_text(PLUGIN)
    (tmp_path / "acme_needs_more.py").write_text("import a_package_nobody_has.sub\n")
    info = tmp_path / "acme_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._entry_points.cache_clear()
    yield
    registry._entry_points.cache_clear()
    for name in ("acme_plugin", "acme_needs_more"):
        sys.modules.pop(name, None)


def test_ours_can_all_be_loaded() -> None:
    for name in registry.BUILT_IN:
        assert registry.get(name).name == name
    assert {kind.name for kind in registry.kinds() if kind.standing} == registry.STANDING
    assert {kind.name for kind in registry.standing()} == registry.STANDING
    assert registry.get("fake").hidden


@pytest.mark.usefixtures("plugin")
def test_an_installed_package_adds_a_kind() -> None:
    assert registry.get("acme").title == "Acme"
    assert "acme" in [kind.name for kind in registry.kinds()]


@pytest.mark.usefixtures("plugin")
def test_a_package_cannot_replace_ours() -> None:
    assert registry.get("local").standing


@pytest.mark.usefixtures("plugin")
def test_broken_packages_are_told_and_left_out() -> None:
    with pytest.raises(Unavailable, match="needs the package 'a_package_nobody_has'") as caught:
        registry.get("acme-missing")
    assert caught.value.details == {"package": "a_package_nobody_has"}
    with pytest.raises(Unavailable, match="is not a ProviderKind"):
        registry.get("acme-broken")
    assert not {"acme-missing", "acme-broken"} & {kind.name for kind in registry.kinds()}
    assert {"acme-missing", "acme-broken"} <= set(registry.names())


@pytest.mark.usefixtures("plugin")
def test_a_package_can_add_one_that_exists_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("acme_plugin")
    monkeypatch.setattr(module, "KIND", structs.replace(module.KIND, standing=True))
    assert "acme" in [kind.name for kind in registry.standing()]


def test_who_is_not_asked_for_is_not_loaded() -> None:
    """At start only what exists by itself is."""
    code = (
        "import sys\nfrom inglenook.models.providers import registry\nregistry.standing()\n"
        "print([name for name in sys.modules if name.startswith('inglenook.models.providers.') "
        "and name.rpartition('.')[2] in ('anthropic', 'bedrock', 'openai_family')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_an_unknown_kind_is_said_so() -> None:
    with pytest.raises(NotFound, match="no kind of provider called 'x'; there are local"):
        registry.get("x")
