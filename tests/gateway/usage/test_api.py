"""The usage routes: whose figures one sees, files, what was said, and what runs now."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from sqlalchemy import select

from inglenook.accounts.principal import CONSOLE, Role
from inglenook.accounts.tables import Audit
from inglenook.accounts.users import add_user
from inglenook.gateway.call import Call
from inglenook.gateway.errors import CallStopped
from inglenook.gateway.usage import running
from inglenook.gateway.usage.api import router
from inglenook.kit.asgi import render_error
from inglenook.kit.errors import InglenookError
from inglenook.models.calls import ChatRequest, Event, Finished, Message, Operation, TextDelta
from tests.support import routing
from tests.support.gateway import Desk, open_desk
from tests.support.ledger import record


@asynccontextmanager
async def open_usage(folder: Path) -> AsyncIterator[SimpleNamespace]:
    """A desk with the usage routes, as a member (`get`) and as an administrator (`root`) see them."""
    async with open_desk(folder) as desk:
        app = FastAPI(openapi_url=None)
        app.state.gateway, app.state.accounts = desk.gateway, desk.accounts
        app.state.catalogue, app.state.store = desk.shelf, desk.store
        app.include_router(router)

        async def on_error(_: Request, error: Exception) -> Response:
            assert isinstance(error, InglenookError)
            status, headers, body = render_error(error)
            return Response(body, status, headers)

        app.add_exception_handler(InglenookError, on_error)
        await desk.accounts.snapshot.write(lambda s: add_user(s, CONSOLE, "root", "!", Role.ADMIN))
        root_key = await desk.accounts.create_key("root", "test")
        transport = httpx.ASGITransport(app=app)

        async def ask(path: str, key: str, method: str = "GET") -> Any:
            head = {"authorization": f"Bearer {key}"}
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=head) as client:
                return await client.request(method, f"/api/v1/usage{path}")

        yield SimpleNamespace(
            desk=desk,
            ask=ask,
            root_key=root_key,
            get=lambda path="": ask(path, desk.key),
            root=lambda path="", method="GET": ask(path, root_key, method),
        )


def fill(desk: Desk) -> None:
    desk.ledger.record(record(user_id=desk.principal.user_id, call_id="mine"))
    desk.ledger.record(record(user_id="usr_other", call_id="theirs", model="=HYPERLINK()"))


async def test_members_see_their_own_figures_whatever_they_ask_for(tmp_path: Path) -> None:
    async with open_usage(tmp_path) as usage:
        fill(usage.desk)
        (mine,) = (await usage.get("?by=user_id&user_id=usr_other")).json()
        assert mine["group"] == {"user_id": usage.desk.principal.user_id}
        assert [entry["call_id"] for entry in (await usage.get("/entries")).json()["entries"]] == ["mine"]
        assert b"theirs" not in (await usage.get("/export")).content
        assert (await usage.get("/break-even")).status_code == 403
        assert len((await usage.root("?by=user_id")).json()) == 2


async def test_pages_of_entries(tmp_path: Path) -> None:
    async with open_usage(tmp_path) as usage:
        fill(usage.desk)
        page = (await usage.root("/entries?limit=1")).json()
        assert [entry["call_id"] for entry in page["entries"]] == ["theirs"]
        last = (await usage.root(f"/entries?limit=1&before={page['next']}")).json()
        assert ([entry["call_id"] for entry in last["entries"]], last["next"]) == (["mine"], None)


async def test_a_file_for_spreadsheets_runs_no_formulas(tmp_path: Path) -> None:
    async with open_usage(tmp_path) as usage:
        fill(usage.desk)
        answer = await usage.root("/export?format=csv")
        assert answer.headers["content-disposition"] == 'attachment; filename="inglenook-usage.csv"'
        head, *rows = list(csv.reader(io.StringIO(answer.text)))
        assert [dict(zip(head, row, strict=True))["call_id"] for row in rows] == ["mine", "theirs"]
        assert "'=HYPERLINK()" in rows[1]


async def test_a_parquet_file_holds_the_same(tmp_path: Path) -> None:
    async with open_usage(tmp_path) as usage:
        fill(usage.desk)
        answer = await usage.root("/export?format=parquet")
        try:
            import pyarrow.parquet
        except ImportError:
            assert answer.status_code == 503
            assert "inglenook[parquet]" in answer.json()["error"]["message"]
            return
        table = pyarrow.parquet.read_table(io.BytesIO(answer.content))
        assert table["call_id"].to_pylist() == ["mine", "theirs"]


def chat(desk: Desk, model: str = "echo", team: str | None = None) -> Call:
    from msgspec import structs

    principal = structs.replace(desk.principal, team_id=team)
    request = ChatRequest(messages=[Message("user", "a secret word")])
    return Call(operation=Operation.CHAT, model=model, decode=lambda: request, principal=principal)


async def test_what_is_said_is_recorded_for_the_teams_that_were_named_and_looking_is_noted(tmp_path: Path) -> None:
    async with open_usage(tmp_path) as usage:
        desk: Desk = usage.desk
        await desk.accounts.settings.put(CONSOLE, "usage", {"body_teams": ["grp_1"]})
        recorded, not_recorded = chat(desk, team="grp_1"), chat(desk, team="grp_2")
        await desk.gateway.whole(recorded)
        await desk.gateway.whole(not_recorded)
        await desk.ledger.flush()
        assert (await usage.get(f"/calls/{recorded.id}")).status_code == 403
        said = (await usage.root(f"/calls/{recorded.id}")).json()
        assert "a secret word" in said["request"]
        assert said["answer"] == "a secret word"
        assert (await usage.root(f"/calls/{not_recorded.id}")).status_code == 404
        looked = await desk.store.read(lambda s: [*s.scalars(select(Audit).where(Audit.act == "call.read"))])
        assert [row.thing_id for row in looked] == [recorded.id]


async def begin(desk: Desk, call: Call) -> tuple[asyncio.Task[list[Event]], list[Event]]:
    """A call that somebody reads, with its first words come."""
    seen: list[Event] = []
    here = asyncio.Event()

    async def read() -> list[Event]:
        async with aclosing(desk.gateway.call(call)) as events:
            async for event in events:
                seen.append(event)
                if isinstance(event, TextDelta):
                    here.set()
        return seen

    task = asyncio.create_task(read())
    async with asyncio.timeout(10):
        await here.wait()
    return task, seen


async def test_what_runs_now(tmp_path: Path) -> None:
    async with open_usage(tmp_path) as usage:
        desk: Desk = usage.desk
        call = chat(desk, "slow")
        task, _ = await begin(desk, call)
        told = (await usage.root("/running")).json()
        (shown,) = told["calls"]
        assert (told["total"], shown["call_id"], shown["user"], shown["model"]) == (1, call.id, "ada", "slow")
        assert shown["output_tokens"] > 0
        assert shown["ttft_ms"] >= 0
        assert (await usage.get("/running")).json()["total"] == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await usage.root("/running")).json() == {"calls": [], "total": 0}


async def test_of_others_calls_one_sees_and_stops_nothing(tmp_path: Path) -> None:
    async with open_usage(tmp_path) as usage:
        desk: Desk = usage.desk
        await desk.accounts.snapshot.write(lambda s: add_user(s, CONSOLE, "eve", "!", Role.MEMBER))
        eve = await desk.accounts.create_key("eve", "test")
        call = chat(desk, "slow")
        task, _ = await begin(desk, call)
        assert (await usage.ask("/running", eve)).json() == {"calls": [], "total": 0}
        assert (await usage.ask(f"/running/{call.id}", eve, "DELETE")).status_code == 404
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("by", "text"), [("root", "an administrator stopped the call"), ("ada", "the call was stopped")]
)
async def test_a_call_is_stopped_and_its_caller_told_why(tmp_path: Path, by: str, text: str) -> None:
    async with open_usage(tmp_path) as usage:
        desk: Desk = usage.desk
        call = chat(desk, "slow")
        task, seen = await begin(desk, call)
        key = usage.root_key if by == "root" else desk.key
        assert (await usage.ask(f"/running/{call.id}", key, "DELETE")).status_code == 200
        with pytest.raises(CallStopped, match=text):
            await task
        assert task.cancelling() == 0
        assert not any(isinstance(event, Finished) for event in seen)
        assert desk.gateway.running == {}
        (entry,) = (await usage.root("/entries")).json()["entries"]
        assert (entry["status"], entry["error"], entry["estimated"]) == ("cancelled", "call_stopped", True)
        assert entry["output_tokens"] > 0
        (written,) = await desk.store.read(lambda s: [*s.scalars(select(Audit).where(Audit.act == "call.stopped"))])
        assert (written.actor_name, written.thing_id) == (by, call.id)
        assert (await usage.root(f"/running/{call.id}", "DELETE")).status_code == 404


async def test_a_call_that_waits_for_its_answer_is_stopped_too(tmp_path: Path) -> None:
    async with open_usage(tmp_path) as usage:
        desk: Desk = usage.desk
        gate = routing.Gate()
        desk.shelf.show(routing.entry("mute", routing.Actor("mute", [gate, "hi"])))
        call = chat(desk, "mute")
        task = asyncio.create_task(desk.gateway.whole(call))
        async with asyncio.timeout(10):
            await gate.reached()
        await usage.root(f"/running/{call.id}", "DELETE")
        with pytest.raises(CallStopped):
            await task
        assert desk.gateway.running == {}


async def test_stopping_does_not_disturb_what_is_done_with_an_answer(tmp_path: Path) -> None:
    """A reader that waits for something else, such as a database, is not torn out of that."""
    async with open_usage(tmp_path) as usage:
        desk: Desk = usage.desk
        call, busy, go = chat(desk, "slow"), asyncio.Event(), asyncio.Event()
        done: list[str] = []

        async def read() -> None:
            async with aclosing(desk.gateway.call(call)) as events:
                async for _ in events:
                    busy.set()
                    await go.wait()
                    done.append("kept")

        task = asyncio.create_task(read())
        async with asyncio.timeout(10):
            await busy.wait()
        await usage.root(f"/running/{call.id}", "DELETE")
        await asyncio.sleep(0)
        assert not task.done()
        go.set()
        with pytest.raises(CallStopped):
            await task
        assert done == ["kept"]


async def test_a_stopped_target_is_not_taken_for_a_sick_one(tmp_path: Path) -> None:
    async with open_usage(tmp_path) as usage:
        desk: Desk = usage.desk
        call = chat(desk, "slow")
        task, _ = await begin(desk, call)
        await usage.root(f"/running/{call.id}", "DELETE")
        await asyncio.gather(task, return_exceptions=True)
        assert desk.routes.targets.leaf(desk.shelf.resolve("slow")).health.failures == 0


async def test_the_stream_tells_what_runs_as_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LOOK_EVERY", 0.01)
    async with open_usage(tmp_path) as usage:
        desk: Desk = usage.desk
        call = chat(desk, "slow")
        async with aclosing(running.watch(desk.principal, desk.gateway)) as frames, asyncio.timeout(20):  # type: ignore[type-var]
            assert (await anext(frames)).data["total"] == 0
            task, _ = await begin(desk, call)
            assert (await anext(frames)).data["calls"][0]["call_id"] == call.id
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            while (await anext(frames)).data["total"]:
                pass


@pytest.mark.parametrize("query", ["?by=password", "/export?format=exe", "?since=-1"])
async def test_bad_questions_are_refused(tmp_path: Path, query: str) -> None:
    async with open_usage(tmp_path) as usage:
        assert (await usage.root(query)).status_code in (400, 422)
