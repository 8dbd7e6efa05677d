"""Every route, of the framework and of the wire, says who may take it."""

from pathlib import Path

from inglenook.kit.config import Settings
from inglenook.server import Listeners, build_app, open_house
from tests.support.permissions import undeclared_routes


async def test_every_route_declares_its_permission(tmp_path: Path) -> None:
    async with open_house(Settings(data=tmp_path, starter="")) as house:
        assert undeclared_routes(build_app(house)) == []
        listeners = Listeners(house)
        for table in (listeners.table(), listeners.table(local=True), listeners.table(ollama_only=True)):
            assert [route.path for route in table.routes if not route.needs] == []
            assert len(table.routes) > 8
