"""`inglenook run MODEL ["PROMPT"]`: ask once, or chat in the terminal."""

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import click

from inglenook.cli import print_json
from inglenook.cli.connection import Client, Refused, connect, refusal, server_may_stop
from inglenook.cli.options import data_option, json_option
from inglenook.kit.config import Settings, load_settings
from inglenook.kit.errors import BadInput, InglenookError

T = TypeVar("T")


@click.command()
@click.argument("model")
@click.argument("prompt", required=False)
@click.option("--system", help="System prompt.")
@click.option("--temperature", type=float, help="0 for the likeliest words, 1 for more varied ones.")
@click.option("--max-tokens", type=int, help="Longest answer, in tokens.")
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
    """Ask MODEL once, or without PROMPT chat with it.

    In a chat, Ctrl-C stops an answer; an empty line, Ctrl-D or another Ctrl-C ends the chat. Text on standard input is
    put before the prompt: `git diff | inglenook run qwen3 "Review this"`.
    """
    by_hand = sys.stdin.isatty()
    if not by_hand and (piped := sys.stdin.read().strip()):
        prompt = f"{piped}\n\n{prompt}" if prompt else piped
    if prompt is None and (as_json or not by_hand):
        raise BadInput('there is no prompt: write it behind the model\'s name, as in: inglenook run qwen3 "Hello"')
    body = {"model": model, "temperature": temperature, "max_tokens": max_tokens}
    body = {name: value for name, value in body.items() if value is not None}
    messages = [{"role": "system", "content": system}] if system else []
    settings = load_settings(data=data)
    if prompt is None:
        with _Session(settings) as session:
            _converse(session, body, messages)
    else:
        messages.append({"role": "user", "content": prompt})
        asyncio.run(_ask_once(settings, {**body, "messages": messages}, as_json))


async def _ask_once(settings: Settings, body: dict[str, Any], as_json: bool) -> None:
    async with connect(settings) as client:
        if as_json:
            answer = await client.http.post("/v1/chat/completions", json=body)
            if not answer.is_success:
                raise refusal(answer.status_code, answer.content)
            print_json(answer.json())
        else:
            await _answer(client, body, [])


class _Session:
    """A connection in a thread of its own: the terminal is read, and interrupted, in the main one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name="connection", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something with the client; Ctrl-C cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            with server_may_stop():
                return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _live(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._hold())

    async def _hold(self) -> None:
        try:
            async with connect(self._settings) as self.client:
                self._ready.set()
                await self._over.wait()
        except BaseException as error:  # noqa: BLE001 - raised again where the session was entered
            self._failure = error
            self._ready.set()


def _converse(session: _Session, body: dict[str, Any], messages: list[dict[str, str]]) -> None:
    import readline  # noqa: F401, PLC0415 - lines that can be edited, and those before by the arrow keys

    session.do(_check(session.client, body["model"]))
    while True:
        try:
            line = input(">>> ")
        except (EOFError, KeyboardInterrupt):
            click.echo()
            return
        if not line.strip():
            return
        said: list[str] = []
        question = {"role": "user", "content": line}
        try:
            session.do(_answer(session.client, {**body, "messages": [*messages, question]}, said))
        except KeyboardInterrupt:
            click.echo()
        except InglenookError as error:
            click.secho(f"\nerror: {error.message}", fg="red", err=True)
        if said:  # also what was stopped; a question without an answer is as if it was not asked
            messages += [question, {"role": "assistant", "content": "".join(said)}]


async def _check(client: Client, model: str) -> None:
    """Raise the server's own error unless there is such a model."""
    answer = await client.http.get(f"/v1/models/{quote(model, safe='/:')}")
    if not answer.is_success:
        raise refusal(answer.status_code, answer.content)


async def _answer(client: Client, body: dict[str, Any], said: list[str]) -> None:
    """Print an answer as it comes, thoughts apart, and add its pieces to `said`."""
    thinks = False
    async for delta in _stream(client, {**body, "stream": True}):
        if thought := delta.get("reasoning_content"):
            click.secho(thought, nl=False, dim=True, err=True)
            thinks = True
        if text := delta.get("content"):
            if thinks:
                click.echo("\n", err=True)
                thinks = False
            click.echo(text, nl=False)
            said.append(text)
    click.echo()


async def _stream(client: Client, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    async with client.http.stream("POST", "/v1/chat/completions", json=body) as response:
        if not response.is_success:
            raise refusal(response.status_code, await response.aread())
        async for line in response.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            chunk = json.loads(line[6:])
            if "error" in chunk:
                raise Refused(chunk["error"]["message"])
            for notice in chunk.get("inglenook", {}).get("notices", ()):
                click.secho(f"\nnote: {notice['message']}", fg="yellow", err=True)
            for choice in chunk["choices"]:
                yield choice["delta"]
