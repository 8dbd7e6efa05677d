"""`inglenook run MODEL ["PROMPT"]`: ask once, or chat in the terminal."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click

from inglenook.cli import print_json
from inglenook.cli.connection import Client, Refused, connect, refusal
from inglenook.cli.options import data_option, json_option
from inglenook.kit.config import load_settings


@click.command()
@click.argument("model")
@click.argument("prompt", required=False)
@click.option("--system", help="System prompt.")
@click.option("--temperature", type=float)
@click.option("--max-tokens", type=int)
@data_option
@json_option
def run(
    model: str,
    prompt: str | None,
    system: str | None,
    temperature: float | None,
    max_tokens: int | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Ask MODEL once, or without PROMPT chat with it (an empty line or Ctrl-D ends).

    Text on standard input is put before the prompt: `git diff | inglenook run qwen3 "Review this"`.
    """
    if not sys.stdin.isatty() and (piped := sys.stdin.read().strip()):
        prompt = f"{piped}\n\n{prompt}" if prompt else piped
    body = {"model": model, "temperature": temperature, "max_tokens": max_tokens}
    body = {name: value for name, value in body.items() if value is not None}
    messages = [{"role": "system", "content": system}] if system else []

    async def act() -> None:
        async with connect(load_settings(data=data)) as client:
            if prompt is None:
                await _converse(client, body, messages)
            elif as_json:
                messages.append({"role": "user", "content": prompt})
                answer = await client.http.post("/v1/chat/completions", json={**body, "messages": messages})
                if not answer.is_success:
                    raise refusal(answer.status_code, answer.content)
                print_json(answer.json())
            else:
                messages.append({"role": "user", "content": prompt})
                await _answer(client, body, messages)

    asyncio.run(act())


async def _converse(client: Client, body: dict[str, Any], messages: list[dict[str, str]]) -> None:
    while True:
        try:
            line = await asyncio.to_thread(input, ">>> ")
        except EOFError:
            return
        if not line.strip():
            return
        messages.append({"role": "user", "content": line})
        messages.append({"role": "assistant", "content": await _answer(client, body, messages)})


async def _answer(client: Client, body: dict[str, Any], messages: list[dict[str, str]]) -> str:
    parts: list[str] = []
    async for text in _stream(client, {**body, "messages": messages, "stream": True}):
        click.echo(text, nl=False)
        parts.append(text)
    click.echo()
    return "".join(parts)


async def _stream(client: Client, body: dict[str, Any]) -> AsyncIterator[str]:
    async with client.http.stream("POST", "/v1/chat/completions", json=body) as response:
        if not response.is_success:
            raise refusal(response.status_code, await response.aread())
        async for line in response.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            chunk = json.loads(line[6:])
            if "error" in chunk:
                raise Refused(chunk["error"]["message"])
            for choice in chunk["choices"]:
                if text := choice["delta"].get("content"):
                    yield text
