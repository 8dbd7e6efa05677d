"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def data_option(command: F) -> F:
    """`--data DIR`, on every command that touches a data directory."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        help="Data directory [default: ~/.local/share/inglenook].",
    )(command)


def json_option(command: F) -> F:
    """`--json`: print for a script."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(command)
