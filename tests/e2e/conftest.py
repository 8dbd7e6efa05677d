"""Browser tests: one real server with the scripted provider, one browser, a fresh profile for each test.

`INGLENOOK_SCREENSHOTS=folder` keeps what each page looked like at the end of its test.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

import hatch_build
from tests.support.browser import open_browser
from tests.support.running import ADMIN, PASSWORD, RunningServer
from tests.support.teller import MODEL, Teller

#: Opens a page of a fresh browser profile: `open_page(path, locale=…, width=…, dark=…, signed_in=…)`.
OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _page_is_built() -> None:
    hatch_build.build()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each file: while it is open, Playwright's own event loop keeps tests with another from running."""
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def shared_teller() -> Iterator[Teller]:
    with Teller() as teller:
        yield teller


@pytest.fixture
def teller(shared_teller: Teller) -> Teller:
    """The model `story`, whose words the test says. Answers a former test left behind are forgotten."""
    shared_teller.forget()
    return shared_teller


def add_teller(client: httpx.Client, teller: Teller) -> None:
    """Make the teller a provider."""
    body = {
        "kind": "openai-compatible",
        "name": "teller",
        "settings": {"base_url": teller.url, "api_key": "sk-teller"},
        "models": [{"name": MODEL}],
    }
    client.post("/api/v1/providers", json=body).raise_for_status()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shared_teller: Teller) -> Iterator[RunningServer]:
    """A server with an administrator, the scripted provider, and the teller's model."""
    data = tmp_path_factory.mktemp("e2e") / "data"
    with RunningServer(data, INGLENOOK_ALLOW_PRIVATE='["127.0.0.1"]') as server:
        with server.set_up() as client:
            server.add_fake_provider(client)
            add_teller(client, shared_teller)
        yield server


def sign_in(context: BrowserContext, url: str, name: str = ADMIN, password: str = PASSWORD) -> None:
    """Give a browser profile a session."""
    response = context.request.post(
        f"{url}/api/v1/session", data={"name": name, "password": password}, headers={"X-Inglenook": "1"}
    )
    assert response.ok, response.text()


@pytest.fixture
def new_context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., BrowserContext]]:
    """Opens fresh browser profiles; `new_context(locale=…, width=…, dark=…)`. Errors of pages fail the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def new_context(*, locale: str = "en-US", width: int = 1280, dark: bool = False, **more: Any) -> BrowserContext:
        context = browser.new_context(
            locale=locale,
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            **more,
        )
        context.set_default_timeout(15_000)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        contexts.append(context)
        return context

    yield new_context
    if folder := os.environ.get("INGLENOOK_SCREENSHOTS"):
        name = re.sub(r"[^\w.-]+", "-", request.node.name)
        for number, page in enumerate(page for context in contexts for page in context.pages):
            page.screenshot(path=f"{folder}/{name}-{number}.png")
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def open_page(new_context: Callable[..., BrowserContext], server: RunningServer) -> OpenPage:
    def open_page(path: str = "/", *, signed_in: bool = True, **more: Any) -> Page:
        context = new_context(**more)
        if signed_in:
            sign_in(context, server.url)
        page = context.new_page()
        page.goto(server.url + path)
        return page

    return open_page
