"""Browser tests: one real server with the scripted provider, one browser, a fresh profile for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.browser import open_browser
from tests.support.running import ADMIN, PASSWORD, RunningServer

#: Opens a page of a fresh browser profile: `open_page(path, locale=…, width=…, dark=…, signed_in=…)`.
OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with an administrator and the scripted provider."""
    with RunningServer(tmp_path_factory.mktemp("e2e") / "data") as server:
        with server.set_up() as client:
            server.add_fake_provider(client)
        yield server


@pytest.fixture
def open_page(browser: Browser, server: RunningServer) -> Iterator[OpenPage]:
    contexts: list[BrowserContext] = []

    def open_page(
        path: str = "/", *, locale: str = "en-US", width: int = 1280, dark: bool = False, signed_in: bool = True
    ) -> Page:
        context = browser.new_context(
            base_url=server.url,
            locale=locale,
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        if signed_in:
            response = context.request.post(
                "/api/v1/session", data={"name": ADMIN, "password": PASSWORD}, headers={"X-Inglenook": "1"}
            )
            assert response.ok, response.text()
        page = context.new_page()
        page.goto(server.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
