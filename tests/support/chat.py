"""The chat as a browser sees it: a real server on loopback, real rooms behind it, and the fake provider's models."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError

from inglenook.accounts.principal import CONSOLE, Role
from inglenook.accounts.service import Accounts
from inglenook.accounts.users import add_user
from inglenook.chat.api import router as chat_router
from inglenook.chat.service import Chat
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.ledger import Ledger
from inglenook.kit.asgi import from_validation, render_error
from inglenook.kit.errors import InglenookError
from inglenook.models.providers.fake import Fake
from inglenook.runs.api import router as runs_router
from inglenook.runs.service import Runs
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets
from inglenook.store.tables import Table
from tests.support.chat_models import open_models

#: How long a test waits for what should come at once.
PATIENCE = 20.0


@dataclass
class Rooms:
    """The rooms below and of the chat, on one data directory."""

    folder: Path
    store: Store
    accounts: Accounts
    runs: Runs
    gateway: Gateway
    chat: Chat
    fake: Fake

    async def person(self, name: str, url: str) -> "Person":
        """A new user with a browser of their own."""
        # Nobody signs in by password here, so none is hashed.
        await self.accounts.snapshot.write(lambda s: add_user(s, CONSOLE, name, "", Role.MEMBER))
        return await self.known_person(name, url)

    async def known_person(self, name: str, url: str) -> "Person":
        """A user who exists already."""
        key = await self.accounts.create_key(name, "test")
        return Person(httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=PATIENCE))


@asynccontextmanager
async def open_rooms(
    folder: Path, scripts: dict[str, Any] | None = None, prefills: frozenset[str] = frozenset()
) -> AsyncIterator[Rooms]:
    """Everything the chat needs; `scripts` are what further models of the fake provider say."""
    async with AsyncExitStack() as stack:
        store = Store.open(Store.sqlite_url(folder / "main.db"))
        stack.push_async_callback(store.close)
        await store.write(lambda session: Table.metadata.create_all(session.connection()))
        accounts = Accounts(store, Secrets(folder))
        await accounts.start()
        stack.push_async_callback(accounts.stop)
        catalogue, fake = await stack.enter_async_context(open_models(folder, store, scripts or {}, prefills))
        ledger = Ledger(folder / "usage.db")
        await ledger.start()
        stack.push_async_callback(ledger.stop)
        gateway = Gateway(accounts, catalogue, ledger)
        runs = Runs(store, Blobs(folder / "blobs"))
        chat = Chat(store, runs, gateway)
        accounts.on_user_deleted(chat.forget_user)
        await runs.start()
        stack.push_async_callback(runs.stop, 0.1)
        yield Rooms(folder, store, accounts, runs, gateway, chat, fake)


def build_app(rooms: Rooms) -> FastAPI:
    """The chat's and the runs' routes, with errors rendered as the server does."""
    app = FastAPI(openapi_url=None)
    app.state.store, app.state.accounts, app.state.runs, app.state.chat = (
        rooms.store,
        rooms.accounts,
        rooms.runs,
        rooms.chat,
    )
    app.include_router(chat_router)
    app.include_router(runs_router)

    async def on_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, InglenookError)
        status, headers, body = render_error(error)
        return Response(body, status, headers)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return await on_error(request, from_validation(list(error.errors())))

    app.add_exception_handler(InglenookError, on_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    return app


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve(rooms: Rooms) -> AsyncIterator[str]:
    """Serve on a free port of loopback; the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(build_app(rooms), lifespan="off", log_level="warning", access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        server.force_exit = True  # streams that a test left open
        await serving


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.error = response.json()["error"]
        super().__init__(f"{self.status} {self.error}")


class Person:
    """Somebody signed in."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """One request under `/api/v1/`; the answer's JSON."""
        response = await self.http.request(method, f"/api/v1/{path}", json=body, params=params)
        if response.is_error:
            raise Refused(response)
        return response.json() if response.content else None

    async def begin(self, **settings: Any) -> str:
        """A new conversation; its id."""
        return (await self.call("POST", "conversations", {"settings": settings}))["id"]

    async def send(self, conversation_id: str, content: str, **body: Any) -> dict[str, Any]:
        """Ask; `{question, answer, run_id}`."""
        return await self.call("POST", f"conversations/{conversation_id}/messages", {"content": content, **body})

    async def ask(self, conversation_id: str, content: str, **body: Any) -> dict[str, Any]:
        """Ask, wait for the end of the answer, and return that message."""
        sent = await self.send(conversation_id, content, **body)
        await self.follow(sent["run_id"])
        return await self.message(conversation_id, sent["answer"]["id"])

    async def conversation(self, conversation_id: str) -> dict[str, Any]:
        """A conversation with its messages."""
        return await self.call("GET", f"conversations/{conversation_id}")

    async def message(self, conversation_id: str, message_id: str) -> dict[str, Any]:
        """One message as the conversation shows it now."""
        return next(m for m in (await self.conversation(conversation_id))["messages"] if m["id"] == message_id)

    async def branch(self, conversation_id: str) -> list[str]:
        """The texts on the branch that the conversation shows."""
        shown = await self.conversation(conversation_id)
        by_id = {message["id"]: message for message in shown["messages"]}
        texts, at = [], shown["leaf_id"]
        while at is not None:
            texts.append(by_id[at]["text"])
            at = by_id[at]["parent_id"]
        return texts[::-1]

    @asynccontextmanager
    async def watching(self, run_id: str, after: str | None = None) -> AsyncIterator["Watch"]:
        """Watch a run."""
        headers = {"last-event-id": after} if after else {}
        async with self.http.stream("GET", f"/api/v1/runs/{run_id}/events", headers=headers) as response:
            if response.is_error:
                await response.aread()
                raise Refused(response)
            yield Watch(response)

    async def follow(self, run_id: str) -> "Watch":
        """Watch a run to its end."""
        async with self.watching(run_id) as watch:
            await watch.to_end()
            return watch


class Watch:
    """What a page keeps of a run it watches."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.text = ""
        self.reasoning = ""
        self.events: list[dict[str, Any]] = []
        self.resets = 0
        #: What the last reset gave.
        self.state: dict[str, Any] = {}
        self.status: str | None = None
        #: Id of the last frame, for a later `watching(after=…)`.
        self.id = ""

    @property
    def types(self) -> list[str]:
        """The types of the events seen."""
        return [event["type"] for event in self.events]

    def payload(self, type_: str) -> dict[str, Any]:
        """The payload of the event of that type."""
        return next(event["payload"] for event in self.events if event["type"] == type_)

    async def to_end(self) -> None:
        """Read until the run ends."""
        async with asyncio.timeout(PATIENCE):
            while self.status is None:
                await self._frame()

    async def until_text(self, text: str) -> None:
        """Read until the text holds `text`."""
        async with asyncio.timeout(PATIENCE):
            while text not in self.text:
                await self._frame()

    async def until_event(self, type_: str) -> None:
        """Read until an event of that type came."""
        async with asyncio.timeout(PATIENCE):
            while type_ not in self.types:
                await self._frame()

    async def _frame(self) -> None:
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line and fields:
                break
            name, _, value = line.partition(": ")
            if name in ("id", "event", "data"):
                fields[name] = value
        else:
            raise AssertionError("the stream ended without an end")
        self.id = fields["id"]
        self._take(fields["event"], json.loads(fields["data"]))

    def _take(self, event: str, data: dict[str, Any]) -> None:
        if event == "delta":
            for delta in data["deltas"]:
                if delta["type"] == "text":
                    self.text += delta["text"]
                else:
                    self.reasoning += delta["text"]
        elif event == "event":
            self.events.append(data)
        elif event == "reset":
            self.resets += 1
            self.state = data["state"]
            self.text = data["state"].get("text", "")
            self.reasoning = data["state"].get("reasoning", "")
        elif event == "end":
            self.status = data["status"]
