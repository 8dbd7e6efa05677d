"""Every route, of the framework and of the wire, says who may take it."""

import asyncio
from pathlib import Path
from typing import Any

import fastapi.routing
import httpx
import pytest

from inglenook.kit.config import Settings
from inglenook.server import Listeners, build_app, open_house, warm
from tests.support.permissions import undeclared_routes


async def test_a_warm_server_makes_nothing_of_its_routes_when_they_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(Settings(data=tmp_path, starter="")) as house:
        app = build_app(house)
        made: list[str] = []
        make = fastapi.routing._populate_api_route_state

        def noticing(*given: Any, **named: Any) -> None:
            made.append("a route")
            make(*given, **named)

        monkeypatch.setattr(fastapi.routing, "_populate_api_route_state", noticing)
        await asyncio.to_thread(warm, app)
        assert len(made) > 50
        made.clear()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
            for path in ("users", "models", "usage", "runs", "conversations"):
                assert (await client.get(f"/api/v1/{path}")).status_code in (401, 404, 405)
        assert made == []


async def test_every_route_declares_its_permission(tmp_path: Path) -> None:
    async with open_house(Settings(data=tmp_path, starter="")) as house:
        assert undeclared_routes(build_app(house)) == []
        listeners = Listeners(house)
        for table in (listeners.table(), listeners.table(local=True), listeners.table(ollama_only=True)):
            assert [route.path for route in table.routes if not route.needs] == []
            assert len(table.routes) > 8
