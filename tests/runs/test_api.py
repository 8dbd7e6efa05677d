"""Runs over HTTP: a real server on loopback, real accounts."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI, Request, Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inglenook.accounts.principal import Thing, Verb
from inglenook.accounts.service import Accounts
from inglenook.kit.asgi import render_error
from inglenook.kit.errors import InglenookError
from inglenook.runs.api import router
from inglenook.runs.kinds import RunContext
from inglenook.runs.live import WatchFrame
from inglenook.runs.service import Runs
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets
from tests.runs.conftest import House
from tests.support.permissions import undeclared_routes
from tests.support.runs import Client, begin, to_end, until
from tests.support.wire import serve


class Web:
    """A server with two users: the owner of the runs, and another."""

    def __init__(self, accounts: Accounts, runs: Runs, proceed: asyncio.Event) -> None:
        self.accounts, self.runs, self.proceed = accounts, runs, proceed
        self.owner: httpx.AsyncClient
        self.other: httpx.AsyncClient

    async def principal(self, name: str) -> Any:
        user = await self.accounts.users.find(name)
        return self.accounts.snapshot.principal_for_user(user.id)


@pytest.fixture
async def web(store: Store, house: House, tmp_path: Path) -> AsyncIterator[Web]:
    proceed = asyncio.Event()

    async def work(run: RunContext) -> None:
        if "n" not in run.state:
            run.delta({"n": 0})
        if run.input.get("waits"):
            await run.take_inputs() or await run.wait({})  # type: ignore[func-returns-value]
        await proceed.wait()
        run.delta({"n": 1})
        await run.finish({"done": True})

    accounts = Accounts(store, Secrets(tmp_path))
    await accounts.start()
    runs, _ = await house.runs(work)
    app = FastAPI()
    app.state.accounts, app.state.runs = accounts, runs
    app.include_router(router)

    async def on_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, InglenookError)
        status, headers, body = render_error(error)
        return Response(body, status, headers)

    app.add_exception_handler(InglenookError, on_error)
    web = Web(accounts, runs, proceed)
    async with serve(HttpToolsProtocol, app) as served:
        for name in ("owner", "other"):
            await accounts.create_user(name, "correct horse battery")
            headers = {"authorization": f"Bearer {await accounts.create_key(name, 'test')}"}
            url = f"http://127.0.0.1:{served.port}/api/v1/"
            setattr(web, name, httpx.AsyncClient(base_url=url, headers=headers, timeout=20))
        yield web
        for client in (web.owner, web.other):
            await client.aclose()
        await runs.stop(grace=0)
    await accounts.stop()


def test_every_route_says_who_may_take_it() -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    assert undeclared_routes(app) == []


class Events:
    """Reads frames from a streaming answer."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()
        self.client = Client()

    async def next(self) -> WatchFrame | None:
        fields: dict[str, str] = {}
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if line and name:
                fields[name] = value
            elif "data" in fields:
                frame = WatchFrame(event=fields["event"], id=fields["id"], data=orjson.loads(fields["data"]))  # type: ignore[arg-type]
                self.client.take(frame)
                return frame
        return None


async def test_a_stream_is_followed_left_and_resumed(store: Store, web: Web) -> None:
    run_id = await begin(store, web.runs, actor=await web.principal("owner"))
    await until(web.runs, run_id, "run.started")
    async with web.owner.stream("GET", f"runs/{run_id}/events") as answer:
        assert answer.headers["x-accel-buffering"] == "no"
        events = Events(answer)
        frame = await events.next()
        assert frame is not None
        assert (frame.event, frame.data["status"]) == ("reset", "running")
        while events.client.numbers != [0]:
            await events.next()
    web.proceed.set()
    await to_end(web.runs, run_id)
    async with web.owner.stream(
        "GET", f"runs/{run_id}/events", headers={"last-event-id": events.client.last or ""}
    ) as answer:
        events = Events(answer)
        while await events.next() is not None:
            pass
    assert (events.client.status, events.client.numbers) == ("finished", [0, 1])


async def test_a_run_outlives_its_watchers(store: Store, web: Web) -> None:
    run_id = await begin(store, web.runs, actor=await web.principal("owner"))
    async with web.owner.stream("GET", f"runs/{run_id}/events") as answer:
        await Events(answer).next()
    web.proceed.set()
    assert (await to_end(web.runs, run_id)).status == "finished"


async def test_details_and_pages_show_ones_own_runs(store: Store, web: Web) -> None:
    owner, other = await web.principal("owner"), await web.principal("other")
    web.proceed.set()
    mine = [await begin(store, web.runs, actor=owner, input={"i": i}, title=f"t{i}") for i in range(3)]
    await begin(store, web.runs, actor=other)
    for run_id in mine:
        await to_end(web.runs, run_id)
    details = (await web.owner.get(f"runs/{mine[1]}")).json()
    assert (details["status"], details["input"], details["output"]) == ("finished", {"i": 1}, {"done": True})
    assert details["error"] is None
    page = (await web.owner.get("runs", params={"limit": 2})).json()
    assert [run["id"] for run in page["runs"]] == mine[:0:-1]
    rest = (await web.owner.get("runs", params={"limit": 2, "before": page["next"]})).json()
    assert ([run["id"] for run in rest["runs"]], rest["next"]) == ([mine[0]], None)
    assert (await web.owner.get("runs", params={"status": "failed"})).json()["runs"] == []
    assert len((await web.owner.get("runs", params={"status": ["failed", "finished"]})).json()["runs"]) == 3
    assert (await web.owner.get("runs", params={"kind": "gone"})).json()["runs"] == []
    assert (await web.owner.get("runs", params={"status": "gone"})).status_code == 422


async def test_anothers_run_is_not_there_unless_it_was_shared(store: Store, web: Web) -> None:
    owner, other = await web.principal("owner"), await web.principal("other")
    run_id = await begin(store, web.runs, actor=owner)
    for path in (f"runs/{run_id}", f"runs/{run_id}/events"):
        hidden, missing = await web.other.get(path), await web.other.get(path.replace(run_id, "run_gone"))
        assert (hidden.status_code, missing.status_code) == (404, 404)
        assert hidden.text.replace(run_id, "run_gone") == missing.text
    refused = await web.other.post(f"runs/{run_id}/inputs", json={"kind": "cancel"})
    assert refused.status_code == 404
    thing = Thing("run", run_id, owner.user_id)
    await web.accounts.grants.add(owner, ("user", other.user_id), Verb.READ, thing)
    assert (await web.other.get(f"runs/{run_id}")).status_code == 200
    assert (await web.other.post(f"runs/{run_id}/inputs", json={"kind": "cancel"})).status_code == 403
    async with httpx.AsyncClient(base_url=web.owner.base_url) as nobody:
        assert (await nobody.get("runs")).status_code == 401


async def test_inputs_wake_and_cancel(store: Store, web: Web) -> None:
    run_id = await begin(store, web.runs, actor=await web.principal("owner"), input={"waits": True})
    await until(web.runs, run_id, "run.waiting")
    sent = await web.owner.post(f"runs/{run_id}/inputs", json={"kind": "approve", "payload": {"yes": True}})
    assert sent.status_code == 202
    await until(web.runs, run_id, "run.input")
    assert (await web.owner.post(f"runs/{run_id}/inputs", json={"kind": "cancel"})).status_code == 202
    assert (await to_end(web.runs, run_id)).status == "cancelled"
    late = await web.owner.post(f"runs/{run_id}/inputs", json={"kind": "cancel"})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "run_ended")


async def test_a_reader_who_is_disabled_is_cut_off(store: Store, web: Web) -> None:
    owner = await web.principal("owner")
    run_id = await begin(store, web.runs, actor=owner)
    await until(web.runs, run_id, "run.started")
    async with web.owner.stream("GET", f"runs/{run_id}/events") as answer:
        events = Events(answer)
        while events.client.numbers != [0]:
            await events.next()
        (key,) = await web.accounts.keys.of(owner.user_id)
        await web.accounts.keys.revoke(owner, key.id)
        web.proceed.set()
        assert await events.next() is None
        assert events.client.numbers == [0]


async def test_a_temporary_run_is_shown_to_its_owner_alone_and_is_in_no_list(web: Web) -> None:
    run_id = web.runs.create_temporary(kind="told", actor=await web.principal("owner"), input={})
    assert (await web.other.get(f"runs/{run_id}")).status_code in (403, 404)
    details = (await web.owner.get(f"runs/{run_id}")).json()
    assert (details["id"], details["status"], details["input"]) == (run_id, "running", {})
    web.proceed.set()
    body = (await web.owner.get(f"runs/{run_id}/events")).text
    assert body.count("event: end") == 1
    assert (await web.owner.get(f"runs/{run_id}")).json()["output"] == {"done": True}
    assert (await web.owner.get("runs")).json()["runs"] == []
