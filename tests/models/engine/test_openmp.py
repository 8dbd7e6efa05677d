"""llama.cpp on a system without OpenMP."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import ROOT, command_environment

pytestmark = pytest.mark.slow

#: In place of the system's OpenMP there is nothing that can be loaded, for this program and those it starts.
_WITHOUT = 'mount --bind /dev/null "$0" && exec "$@"'


def _system_openmp() -> Path | None:
    """The system's library, as the loader finds it."""
    listed = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    found = [line.rpartition("=> ")[2] for line in listed.splitlines() if "libgomp.so.1 " in line]
    return Path(found[0]).resolve() if found else None


def _without_openmp(*command: str) -> subprocess.CompletedProcess[str]:
    library = _system_openmp()
    hidden = ["unshare", "-m", "sh", "-c", _WITHOUT, str(library)] if library is not None else []
    return subprocess.run(
        [*hidden, *command], capture_output=True, text=True, check=False, cwd=ROOT, env=command_environment()
    )


@pytest.fixture(autouse=True)
def _can_hide() -> None:
    if _system_openmp() is not None and (os.geteuid() != 0 or shutil.which("unshare") is None):
        pytest.skip("only root can hide the system's library")
    if _without_openmp("true").returncode != 0:
        pytest.skip("this machine lets nobody hide a file")


def test_a_child_finds_the_copy_that_the_embedder_brings() -> None:
    bare = _without_openmp(sys.executable, "-c", "import xllamacpp")
    assert "libgomp" in bare.stderr
    program = (
        "import os, subprocess, sys\n"
        "from inglenook.models.engine.process import child_environment\n"
        "done = subprocess.run([sys.executable, '-c', 'import xllamacpp'], env=child_environment())\n"
        "print(done.returncode, child_environment()['LD_LIBRARY_PATH'])"
    )
    done = _without_openmp(sys.executable, "-c", program)
    status, folder = done.stdout.split()
    assert status == "0", done.stderr
    assert not Path(folder).exists()  # it went with its process


def test_the_doctor_tries_what_it_vouches_for(tmp_path: Path) -> None:
    done = _without_openmp(sys.executable, "-m", "inglenook", "doctor", "--data", str(tmp_path))
    assert "xllamacpp" in done.stdout
    assert "libgomp" not in done.stdout
