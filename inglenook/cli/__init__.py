"""The command line: `inglenook serve | pull | list | ps | run | rm | user | key | backup | restore | doctor`.

Commands that touch a data directory are clients of the server's own API: of the server that holds the directory,
over the Unix socket in it, or of one started for the command (`connection.py`). Each command is a file, imported
when it is called.
"""

import importlib
import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from inglenook import __version__
from inglenook.kit.errors import InglenookError
from inglenook.kit.imports import import_fastapi, quick_imports

#: Command name -> (module, attribute).
COMMANDS = {
    "backup": ("inglenook.cli.archive", "backup_command"),
    "doctor": ("inglenook.cli.doctor", "doctor"),
    "key": ("inglenook.cli.people", "key"),
    "list": ("inglenook.cli.models", "list_models"),
    "ps": ("inglenook.cli.models", "ps"),
    "pull": ("inglenook.cli.models", "pull"),
    "restore": ("inglenook.cli.archive", "restore_command"),
    "rm": ("inglenook.cli.models", "rm"),
    "run": ("inglenook.cli.run", "run"),
    "serve": ("inglenook.cli.serve", "serve"),
    "user": ("inglenook.cli.people", "user"),
}
#: Commands that need no server.
OFFLINE = {"backup", "doctor", "restore"}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        with quick_imports():
            if cmd_name not in OFFLINE:
                import_fastapi()
            command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="inglenook")
def cli() -> None:
    """A private AI workbench in one process."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors go to standard error with what to do, and exit with 1 (2: wrong usage)."""
    try:
        code = cli.main(args=arguments, prog_name="inglenook", standalone_mode=False)
    except InglenookError as error:
        _fail(error)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    else:
        if isinstance(code, int):  # a command ended by click's Exit: `--help`, or the doctor's verdict
            sys.exit(code)


def _fail(error: InglenookError) -> None:
    if "--json" in sys.argv:
        click.echo(json.dumps(error.as_dict()), err=True)
    else:
        click.secho(f"error: {error.message}", fg="red", err=True)
    sys.exit(1)


def print_json(value: Any) -> None:
    """Print `value` for a script."""
    click.echo(json.dumps(value, ensure_ascii=False))
