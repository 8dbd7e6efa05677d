"""`inglenook user` and `inglenook key`: a server can be set up without a browser."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from inglenook.cli import print_json
from inglenook.cli.connection import Client, connect
from inglenook.cli.options import data_option, json_option
from inglenook.kit.config import load_settings
from inglenook.kit.errors import BadInput, NotFound


@click.group()
def user() -> None:
    """Add users and reset passwords."""


@user.command("add")
@click.argument("name")
@click.option("--admin", is_flag=True, help="Make the user an administrator.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@data_option
@json_option
def add_user(name: str, admin: bool, password_stdin: bool, data: Path | None, as_json: bool) -> None:
    """Add a user called NAME."""
    body = {"name": name, "role": "admin" if admin else "member", "password": _password(password_stdin)}

    async def add(client: Client) -> Any:
        return await client.post("users", body)

    created = asyncio.run(_with_client(data, add))
    if as_json:
        print_json(created)
    else:
        click.echo(f"added {body['role']} {name}")


@user.command("password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@data_option
def reset_password(name: str, password_stdin: bool, data: Path | None) -> None:
    """Give the user called NAME a new password; their sessions end."""
    password = _password(password_stdin)

    async def reset(client: Client) -> None:
        await client.patch(f"users/{await _user_id(client, name)}", {"password": password})

    asyncio.run(_with_client(data, reset))
    click.echo(f"{name} has a new password")


@user.command("list")
@data_option
@json_option
def list_users(data: Path | None, as_json: bool) -> None:
    """List the users."""

    async def fetch(client: Client) -> Any:
        return await client.get("users")

    users = asyncio.run(_with_client(data, fetch))
    if as_json:
        return print_json(users)
    for row in users:
        click.echo(f"{row['name']}\t{row['role']}{'  disabled' if row['disabled'] else ''}")
    return None


@click.group()
def key() -> None:
    """Make API keys."""


@key.command("add")
@click.argument("name")
@click.option("--label", default="command line", show_default=True, help="What the key is for.")
@data_option
@json_option
def add_key(name: str, label: str, data: Path | None, as_json: bool) -> None:
    """Make an API key for the user called NAME and print it, once."""

    async def add(client: Client) -> Any:
        return await client.post(f"users/{await _user_id(client, name)}/keys", {"name": label})

    created = asyncio.run(_with_client(data, add))
    if as_json:
        print_json(created)
    else:
        click.echo(created["key"])


async def _with_client(data: Path | None, act: Any) -> Any:
    async with connect(load_settings(data=data)) as client:
        return await act(client)


async def _user_id(client: Client, name: str) -> str:
    for row in await client.get("users"):
        if row["name"].casefold() == name.casefold():
            return str(row["id"])
    raise NotFound(f"there is no user {name!r}; `inglenook user list` shows who is there")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise BadInput("there is no terminal to type the password on; give it on standard input by --password-stdin")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
