"""The web interface is put in place whole, or not at all."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.running import ROOT

pytestmark = pytest.mark.slow

BUILD = """
import { mkdirSync, writeFileSync, existsSync } from "node:fs";
const folder = process.argv[process.argv.indexOf("--outDir") + 1];
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}/index.html`, "new");
if (existsSync("broken")) process.exit(1);
writeFileSync(`${folder}/app-new.js`, "new");
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The build hook on a tree with a small web project and an older build."""
    spec = importlib.util.spec_from_file_location("hatch_build_here", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    web, static = tmp_path / "web", tmp_path / "static"
    web.mkdir()
    package = {"name": "small", "version": "1.0.0", "scripts": {"build": "node build.mjs"}}
    lock = {"name": "small", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": {"name": "small"}}}
    (web / "package.json").write_text(json.dumps(package))
    (web / "package-lock.json").write_text(json.dumps(lock))
    (web / "build.mjs").write_text(BUILD)
    (web / "node_modules").mkdir()
    (web / "node_modules" / ".package-lock.json").touch()
    static.mkdir()
    (static / "index.html").write_text("old")
    (static / "app-old.js").write_text("old")
    for name, path in {"WEB": web, "STATIC": static, "FINGERPRINT": static / ".sources"}.items():
        monkeypatch.setattr(hook, name, path)
    monkeypatch.setattr(hook, "WORKSHOP", tmp_path / "workshop")
    return hook


def test_a_new_build_takes_the_place_of_the_old_one(tree: ModuleType) -> None:
    assert not tree.is_built()
    tree.build()
    assert {path.name: path.read_text() for path in tree.STATIC.iterdir() if path.suffix} == {
        "index.html": "new",
        "app-new.js": "new",
    }
    assert tree.is_built()
    assert list(tree.WORKSHOP.iterdir()) == []


def test_a_build_that_fails_leaves_the_old_one(tree: ModuleType) -> None:
    (tree.WEB / "broken").touch()
    with pytest.raises(SystemExit, match="npm run build"):
        tree.build()
    assert sorted(path.name for path in tree.STATIC.iterdir()) == ["app-old.js", "index.html"]
    assert (tree.STATIC / "index.html").read_text() == "old"
    assert not tree.is_built()
    assert list(tree.WORKSHOP.iterdir()) == []
