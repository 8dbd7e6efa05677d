"""The pages do not rot: what they link to, name and promise is there."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
import pytest

from inglenook.cli import COMMANDS, cli
from inglenook.kit.config import Settings
from tests.support.running import ROOT, RunningServer, command_environment

_LEFT_OUT = {"node_modules", "build", "dist", "static", "test-results"}
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in ROOT.rglob("*.md")
    if not any(part in _LEFT_OUT or part.startswith(".") for part in path.relative_to(ROOT).parts)
)


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _blocks(page: str) -> list[str]:
    """The indented blocks of a page: commands and code, unindented."""
    lines = _text(page).splitlines()
    blocks: list[list[str]] = [[]]
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("    ") and (blocks[-1] or not before.strip() or before.startswith("#")):
            blocks[-1].append(line[4:])
        elif not line.strip() and blocks[-1]:
            blocks[-1].append("")
        elif blocks[-1]:
            blocks.append([])
    return ["\n".join(block).strip() for block in blocks if block]


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ +(.+?)\s*$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_there_are_pages() -> None:
    assert {"README.md", "README.zh-CN.md", "ARCHITECTURE.md", "docs/README.md", "deploy/README.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_exists(page: str) -> None:
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _text(page)):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / unquote(path) if path else ROOT / page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in _anchors(file)):
            missing.append(target)
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_the_settings_a_page_names_exist(page: str) -> None:
    named = set(re.findall(r"\bINGLENOOK_([A-Z][A-Z0-9_]*)", _text(page)))
    assert [name for name in sorted(named) if name.lower() not in Settings.model_fields] == []


def _commands(text: str) -> Iterator[list[str]]:
    """What stands behind `inglenook` where it is called: in code, up to the end of the call."""
    for line in re.findall(r"(?m)^(?: {4,}|\t).*$", text):
        for call in re.findall(r"(?<![\w./-])inglenook +([a-z][^#\n]*)", line):
            yield call.split()
    for call in re.findall(r"`inglenook ([^`]+)`", text):
        yield call.split()


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_a_page_names_exist_with_their_options(page: str) -> None:
    for words in _commands(_text(page)):
        command: click.Command = cli
        context = click.Context(cli)
        names = " ".join(words).split(" | ")
        if len(names) > 1 and all(name.split()[0] in COMMANDS for name in names):  # `list | ps | rm MODEL`
            continue
        rest = list(words)
        while isinstance(command, click.Group):
            assert rest, f"{page}: inglenook {' '.join(words)}: which command of {command.name}?"
            found = command.get_command(context, rest[0].strip("[]`,.;:"))
            assert found is not None, f"{page}: inglenook {' '.join(words)}"
            command, rest = found, rest[1:]
        known = {option for parameter in command.params for option in parameter.opts}
        used = {word.strip("[]`,.;:()").partition("=")[0] for word in rest if word.strip("[(").startswith("--")}
        assert used <= known, f"{page}: inglenook {' '.join(words)}"


def test_every_command_is_in_the_readmes() -> None:
    for page in ("README.md", "README.zh-CN.md"):
        text = _text(page)
        named = {name.strip("`[]") for words in _commands(text) for name in " ".join(words).split() if name in COMMANDS}
        assert named == set(COMMANDS), page


def test_every_page_of_the_documentation_is_listed() -> None:
    listed = re.findall(r"\]\(([^)\s]+)\)", _text("docs/README.md"))
    pages = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")} - {"README.md"}
    assert pages - set(listed) == set()


def test_every_make_target_a_page_names_exists() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", _text("Makefile")))
    for page in PAGES:
        named = set(re.findall(r"(?m)(?:^ {4,}|`)make ([a-z-]+)", _text(page)))
        assert named <= targets, page


def test_the_readmes_say_the_same() -> None:
    english, chinese = _text("README.md"), _text("README.zh-CN.md")
    for pattern in (r"(?m)^#+ ", r"(?m)^- ", r"\]\(", r"(?m)^    inglenook "):
        assert len(re.findall(pattern, english)) == len(re.findall(pattern, chinese)), pattern


def test_the_settings_page_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "settings_page.py")],
        capture_output=True,
        text=True,
        check=True,
        env=command_environment(),
    )
    assert done.stdout == _text("docs/settings.md")


def test_the_architecture_names_every_room_and_file_that_is() -> None:
    text = _text("ARCHITECTURE.md")
    rooms = {path.name for path in (ROOT / "inglenook").iterdir() if (path / "__init__.py").exists()}
    rows = re.findall(r"(?m)^\| `([a-z]+)(?:/|\.py)` \|.*\| `(\w+\.py)` \|$", text)
    assert {room for room, _ in rows} == {*rooms, "server"}
    for room, first in rows:
        assert (ROOT / "inglenook" / room / first).exists() or first == f"{room}.py"
    for path in re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.py)`", text):
        places = [ROOT, ROOT / "inglenook", ROOT / "inglenook" / "models", ROOT / "inglenook" / "gateway"]
        assert any((place / path).exists() for place in places), path
    layers = _layers()
    order = [room for room, _ in rows if room in layers]
    assert order == [layer for layer in layers if layer in order]


def _layers() -> list[str]:
    contracts: list[dict[str, Any]] = tomllib.loads(_text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [layer.removeprefix("inglenook.") for layer in layers]


def test_folders_of_one_kind_say_how_to_add_one() -> None:
    for registry in (ROOT / "inglenook").rglob("registry.py"):
        page = registry.with_name("README.md")
        assert page.exists(), f"{registry.parent} has a registry, but no README.md"
        assert "registry" in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_the_page_on_other_tools_shows_works(tmp_path: Path) -> None:
    blocks = [block.replace("smollm2:135m", "echo") for block in _blocks("docs/how-to/use-from-other-tools.md")]
    with RunningServer(tmp_path / "data") as server:
        with server.set_up() as client:
            server.add_fake_provider(client)
            key = server.key(client)
        tried = 0
        exports = {
            name: value.replace("http://127.0.0.1:8642", server.url).replace("ink-…", key)
            for block in blocks
            if block.startswith("export ")
            for name, value in (pair.split("=", 1) for pair in block.split()[1:])
        }
        assert set(exports) == {
            *("OPENAI_BASE_URL", "OPENAI_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"),
            *("OLLAMA_HOST", "OLLAMA_API_KEY"),
        }
        env = command_environment(**exports)
        for block in blocks:
            if block.startswith(("from ", "import ")):
                command = [sys.executable, "-c", block]
            elif block.startswith("curl ") and shutil.which("curl"):
                command = ["bash", "-euc", block.replace("curl ", "curl -sSf --noproxy '*' ", 1)]
            else:
                continue
            done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)
            assert done.returncode == 0, f"{block}\n{done.stderr}"
            assert "Hello" in done.stdout, block
            tried += 1
        assert tried == (4 if shutil.which("curl") else 3)


def test_pages_name_no_place_of_one_machine() -> None:
    for page in PAGES:
        assert not re.search(rf"{re.escape(os.sep)}(?:root|work|Users)/", _text(page)), page
