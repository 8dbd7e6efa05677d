"""`inglenook backup` and `inglenook restore`."""

from pathlib import Path

import click

from inglenook.cli import print_json
from inglenook.cli.options import data_option, json_option
from inglenook.kit.config import load_settings
from inglenook.kit.errors import BadInput
from inglenook.store.backup import backup, restore


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@data_option
@json_option
def backup_command(file: Path, data: Path | None, as_json: bool) -> None:
    """Write everything but the models to FILE (a .tar.gz), also while the server runs.

    The file holds the key that decrypts stored secrets: keep it as safe as the data directory.
    """
    settings = load_settings(data=data)
    if settings.database_url:
        raise BadInput(
            "the tables are in PostgreSQL: back them up with pg_dump, and copy "
            f"secret.key, usage.db and blobs/ of {settings.data} beside it"
        )
    size = backup(settings.data, file)
    if as_json:
        print_json({"file": str(file), "size": size})
    else:
        click.echo(f"{file}: {max(size / 1e6, 0.1):.1f} MB; it holds the key to stored secrets: keep it safe")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@data_option
def restore_command(file: Path, data: Path | None) -> None:
    """Unpack a backup into an empty data directory."""
    settings = load_settings(data=data)
    if settings.database_url:
        raise BadInput(
            "the tables are in PostgreSQL: restore them with pg_restore; for a backup of SQLite's, unset "
            "INGLENOOK_DATABASE_URL"
        )
    restore(file, settings.data)
    click.echo(f"restored into {settings.data}; start it with: inglenook serve --data {settings.data}")
