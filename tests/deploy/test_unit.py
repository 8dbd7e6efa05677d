"""The systemd unit is one that systemd takes, and the Dockerfile names what exists."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inglenook.cli import COMMANDS
from inglenook.kit.config import Settings
from tests.support.running import ROOT

UNIT = (ROOT / "deploy" / "inglenook.service").read_text()
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


def _instructions() -> list[tuple[str, list[str]]]:
    joined = re.sub(r"\\\n", " ", DOCKERFILE)
    lines = [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0].upper(), line.split()[1:]) for line in lines]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    # The program is elsewhere here; everything else is as it ships.
    unit = tmp_path / "inglenook.service"
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_starts_the_server_on_its_state_directory() -> None:
    settings = dict(line.split("=", 1) for line in UNIT.splitlines() if re.match(r"[A-Za-z]+=", line))
    _, command, *_ = shlex.split(settings["ExecStart"])
    assert command in COMMANDS
    assert settings["Environment"] == f"INGLENOOK_DATA=/var/lib/{settings['StateDirectory']}"


def test_the_image_copies_what_exists() -> None:
    stages = {words[-1] for name, words in _instructions() if name == "FROM" and "AS" in (w.upper() for w in words)}
    sources = []
    for name, words in _instructions():
        if name != "COPY":
            continue
        flags = dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))
        plain = [word for word in words if not word.startswith("--")]
        if "from" in flags:
            assert flags["from"] in stages
        else:
            sources += plain[:-1]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_image_sets_settings_that_exist_and_serves_on_their_port() -> None:
    words = dict(_instructions())
    for assignment in words["ENV"]:
        name = assignment.partition("=")[0].removeprefix("INGLENOOK_").lower()
        assert name in Settings.model_fields, assignment
    assert words["EXPOSE"] == [str(Settings.model_fields["port"].default)]
    assert "".join(words["CMD"]) == '["inglenook","serve"]'
    assert "USER" in words
