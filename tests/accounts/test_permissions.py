"""Every route says who may take it, and means it."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.applications import Starlette

from inglenook.accounts.permissions import needs, public
from inglenook.accounts.principal import CONSOLE, Principal, Role, Thing, Verb
from inglenook.accounts.service import LOCAL_ADMIN
from tests.accounts.conftest import Web
from tests.support.permissions import undeclared_routes


def test_every_route_of_accounts_declares_who_may_take_it(web: Web) -> None:
    assert undeclared_routes(web.app) == []


def test_routes_that_declare_nothing_or_too_much_are_found() -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer")
    Reader = Annotated[Principal, needs(Verb.READ, "model")]  # noqa: N806 - a type

    @inner.get("/bare")
    async def bare() -> None: ...

    @inner.get("/both", dependencies=[public("why not")])
    async def both(_: Reader) -> None: ...

    @inner.get("/good")
    async def good(_: Reader) -> None: ...

    async def deep(_: Reader) -> None: ...

    @inner.post("/nested", dependencies=[Depends(deep)])
    async def nested() -> None: ...

    @inner.get("/open", dependencies=[public("says hello")])
    async def hello() -> None: ...

    outer.include_router(inner)
    app.include_router(outer)
    app.mount("/page", Starlette())
    app.mount("/", Starlette())
    assert undeclared_routes(app) == [
        "GET /openapi.json",
        "GET /outer/inner/bare",
        "GET /outer/inner/both",
        "MOUNT /page",
    ]


def test_a_kind_nobody_has_rules_for_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="KINDS"):
        needs(Verb.READ, "modle")
    with pytest.raises(ValueError, match="why"):
        public("")


async def test_needs_asks_who_and_whether(web: Web) -> None:
    @web.app.get("/api/v1/probe")
    async def probe(principal: Annotated[Principal, needs(Verb.MANAGE, "model")]) -> str:
        return principal.name

    @web.app.get("/api/v1/some")
    async def some(principal: Annotated[Principal, needs(Verb.MANAGE, "model", some=True)]) -> str:
        return principal.name

    stranger = await web.browser()
    assert (await stranger.get("probe")).status_code == 401
    member, admin = await web.signed_in("bob"), await web.signed_in("ada", Role.ADMIN)
    refused = await member.get("probe")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    assert (await admin.get("probe")).json() == "ada"
    assert (await member.get("some")).status_code == 403
    bob = ("user", member.user["id"])  # type: ignore[attr-defined]
    await web.accounts.grants.add(CONSOLE, bob, Verb.MANAGE, Thing("model", "one"))
    assert (await member.get("some")).json() == "bob"
    assert (await member.get("probe")).status_code == 403


async def test_the_data_directorys_socket_acts_for_the_console(web: Web) -> None:
    inner = web.app.middleware_stack or web.app.build_middleware_stack()

    async def marked(scope, receive, send):  # type: ignore[no-untyped-def]
        scope[LOCAL_ADMIN] = True
        await inner(scope, receive, send)

    web.app.middleware_stack = marked
    local = await web.client()
    made = await local.post("users", json={"name": "ada", "role": "admin", "password": "correct horse"})
    assert made.status_code == 201
    key = await local.post(f"users/{made.json()['id']}/keys", json={"name": "laptop"})
    assert key.json()["key"].startswith("ink-")
    assert (await local.get("users")).json()[0]["name"] == "ada"
    # A header cannot claim it: only the scope says so.
    web.app.middleware_stack = inner
    remote = await web.client(**{LOCAL_ADMIN: "true"})
    assert (await remote.get("users")).status_code == 401
