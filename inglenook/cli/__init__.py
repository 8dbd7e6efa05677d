"""The command line: `inglenook serve | pull | list | ps | run | rm | disk | prune | user | key | backup | restore |
doctor`.

Commands that touch a data directory are clients of the server's own API: of the server that holds the directory,
over the Unix socket in it, or of one started for the command (`connection.py`). Each command is a file, imported
when it is called.
"""

import importlib
import json
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from inglenook import __version__
from inglenook.kit.errors import InglenookError
from inglenook.kit.imports import quick_imports


class Entry(NamedTuple):
    """Where a command is, and its line in the list of commands, which is shown without importing it."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "backup": Entry("archive", "backup_command", "Write everything but the models to a file."),
    "disk": Entry("models", "disk", "Show what models take on the disk."),
    "doctor": Entry("doctor", "doctor", "Check this machine and the data directory."),
    "key": Entry("people", "key", "Make API keys."),
    "list": Entry("models", "list_models", "List the models that can be used."),
    "ps": Entry("models", "ps", "List the models that are loaded."),
    "prune": Entry("models", "prune", "Remove files that no model uses."),
    "pull": Entry("models", "pull", "Fetch a model."),
    "restore": Entry("archive", "restore_command", "Unpack a backup into an empty data directory."),
    "rm": Entry("models", "rm", "Remove a model."),
    "run": Entry("run", "run", "Ask a model once, or chat with it."),
    "serve": Entry("serve", "serve", "Start the server and print its address when it is ready."),
    "user": Entry("people", "user", "Add users and reset passwords."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        with quick_imports():
            command: click.Command = getattr(importlib.import_module(f"inglenook.cli.{entry.module}"), entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in self.list_commands(ctx)])


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
