"""`make setup` on machines that lack something."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.running import ROOT

pytestmark = pytest.mark.slow

#: What Debian's Python does without its package python3-venv: half an environment, and a word on what to install.
_NO_VENV = """#!/bin/sh
[ "$1" = -c ] && exit 0
mkdir -p .venv/bin && ln -s /bin/true .venv/bin/python
echo "you need to install the python3-venv package" >&2
exit 1
"""


def test_half_an_environment_is_not_taken_for_one(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements-dev.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    python = tmp_path / "python3"
    python.write_text(_NO_VENV)
    python.chmod(0o755)
    done = subprocess.run(
        ["make", ".venv/.ready", f"PYTHON={python}"],
        cwd=tmp_path,
        env={**os.environ, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()
