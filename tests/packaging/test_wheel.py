"""What `pip install` gives: the whole product, the built page inside, and nothing of the workshop."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.support.running import ROOT, RunningServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_the_page_and_the_program_and_no_more(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "inglenook/static/index.html" in names
    assert any(re.match(r"inglenook/static/assets/.*\.js$", name) for name in names)
    assert "inglenook/store/migrations/versions/0001_first_tables.py" in names
    assert "inglenook/store/migrations/script.py.mako" in names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.startswith("inglenook")} == set()
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".map"))]


def test_an_installed_wheel_serves_the_page_without_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    with RunningServer(tmp_path / "data", PYTHONPATH=str(target)) as server:
        located = subprocess.run(
            [sys.executable, "-c", "import inglenook; print(inglenook.__file__)"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(target)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert located.startswith(str(target))
        page = httpx.get(f"{server.url}/", trust_env=False).text
        script = re.search(r'src="\.?/?([^"]+\.js)"', page)
        assert script is not None
        assert httpx.get(f"{server.url}/{script[1]}", trust_env=False).status_code == 200
