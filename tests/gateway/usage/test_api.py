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
from inglenook.gateway.usage.api import router
from inglenook.kit.asgi import render_error
from inglenook.kit.errors import InglenookError
from inglenook.models.calls import ChatRequest, Message, Operation
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

        async def ask(path: str, key: str) -> Any:
            head = {"authorization": f"Bearer {key}"}
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=head) as client:
                return await client.get(f"/api/v1/usage{path}")

        yield SimpleNamespace(
            desk=desk, get=lambda path="": ask(path, desk.key), root=lambda path="": ask(path, root_key)
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
        assert (await usage.get("/running")).status_code == 403
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


async def test_what_runs_now(tmp_path: Path) -> None:
    async with open_usage(tmp_path) as usage:
        desk: Desk = usage.desk
        call = chat(desk, "slow")
        async with aclosing(desk.gateway.call(call)) as events:
            async with asyncio.timeout(10):
                await anext(events)
                await anext(events)
            (running,) = (await usage.root("/running")).json()
            assert (running["call_id"], running["model"], running["waiting_ms"]) == (call.id, "slow", None)
        assert (await usage.root("/running")).json() == []


@pytest.mark.parametrize("query", ["?by=password", "/export?format=exe", "?since=-1"])
async def test_bad_questions_are_refused(tmp_path: Path, query: str) -> None:
    async with open_usage(tmp_path) as usage:
        assert (await usage.root(query)).status_code in (400, 422)
