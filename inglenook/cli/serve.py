"""`inglenook serve`: the server itself."""

from pathlib import Path
from typing import Any

import click

from inglenook.cli.options import data_option
from inglenook.kit.config import load_settings
from inglenook.kit.hosts import HostPolicy
from inglenook.kit.imports import import_fastapi, quick_imports
from inglenook.kit.logging import configure


@click.command()
@click.option("--host", help="Address to listen on [default: 127.0.0.1].")
@click.option("--port", type=int, help="Port to listen on [default: 8642].")
@click.option("--base-path", help="Path under which a reverse proxy serves it, such as /ai.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Certificate chain (PEM): serves HTTPS.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Private key (PEM).")
@click.option("--ollama-port", type=int, help="Serve the Ollama routes on this port too, such as 11434.")
@click.option("--models", type=click.Path(path_type=Path), help="Model store in Ollama's layout.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--config", type=click.Path(path_type=Path), help="Settings file [default: inglenook.toml in --data].")
@data_option
def serve(config: Path | None, **options: Any) -> None:
    """Start the server and print its address when it is ready."""
    settings = load_settings(config, **options)
    configure(settings.log_level, settings.log_style)
    if not HostPolicy(settings.host, []).is_loopback and settings.tls_cert is None:
        click.secho(
            f"warning: listening on {settings.host} without TLS: passwords and prompts cross the network unencrypted; "
            "use --tls-cert and --tls-key, or a reverse proxy with TLS",
            fg="yellow",
            err=True,
        )
    with quick_imports():
        import_fastapi()
        import uvloop  # noqa: PLC0415 - `--help`, and what is wrong with the settings, come without the server

        from inglenook.server import run_server  # noqa: PLC0415
    uvloop.run(run_server(settings, say=click.echo, note=lambda line: click.echo(line, err=True)))
