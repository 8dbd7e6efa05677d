"""The models page: what is here, what is in memory, and how more is fetched."""

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from inglenook.models.hub.layout import ModelStore
from tests.e2e.conftest import sign_in
from tests.support.chat_page import answers, ask, button, composer
from tests.support.gguf import tiny_llama
from tests.support.running import RunningServer


class Shelf:
    """A server of one file that hands out half of it, and the rest when the test says so."""

    def __init__(self, file: bytes) -> None:
        self.go_on = threading.Event()
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not self.path.endswith("/tiny.gguf"):
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("content-length", str(len(file)))
                self.end_headers()
                self.wfile.write(file[: len(file) // 2])
                self.wfile.flush()
                shelf.go_on.wait(30)
                self.wfile.write(file[len(file) // 2 :])

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:  # the other side gave up: that is what is tested
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/tiny.gguf"


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tiny_llama(tmp_path / "tiny.gguf").read_bytes())
    thread = threading.Thread(target=shelf.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield shelf
    shelf.go_on.set()
    shelf.server.shutdown()
    thread.join()
    shelf.server.server_close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunningServer]:
    """A server with one small model that loads at once."""
    file = tiny_llama(tmp_path / "here.gguf")
    ModelStore(tmp_path / "data" / "models").import_gguf(file, "here:1b")
    with RunningServer(tmp_path / "data", INGLENOOK_ALLOW_PRIVATE='["127.0.0.1"]') as server:
        server.set_up().close()
        yield server


@pytest.fixture
def page(house: RunningServer, new_context: Callable[..., BrowserContext]) -> Page:
    context = new_context()
    sign_in(context, house.url)
    page = context.new_page()
    page.goto(f"{house.url}/models")
    return page


def test_a_model_is_loaded_and_unloaded(page: Page) -> None:
    here = page.get_by_role("listitem").filter(has=page.get_by_text("here:1b", exact=True))
    button(here, "Load").click()
    expect(here.get_by_text(re.compile("^loaded, "))).to_be_visible()
    expect(
        page.get_by_role("img", name="Memory for models").or_(page.get_by_label("Memory for models"))
    ).to_be_visible()
    button(here, "Unload").click()
    expect(button(here, "Load")).to_be_visible()
    expect(here.get_by_text(re.compile("^loaded, "))).to_be_hidden()


def test_a_model_on_this_machine_answers(page: Page, house: RunningServer) -> None:
    page.goto(house.url)
    expect(button(page, "Model: here:1b")).to_be_visible()
    ask(page, "Babble")
    expect(page.locator("[data-usage]")).to_contain_text("tokens/s", timeout=60_000)
    expect(answers(page, "complete")).to_be_visible()


def test_a_model_is_deleted_after_asking(page: Page) -> None:
    button(page, "More for here:1b").click()
    page.get_by_role("menuitem", name="Delete").click()
    window = page.get_by_role("alertdialog").or_(page.get_by_role("dialog"))
    button(window, "Cancel").click()
    expect(page.get_by_text("here:1b", exact=True)).to_be_visible()
    button(page, "More for here:1b").click()
    page.get_by_role("menuitem", name="Delete").click()
    button(window, "Delete").click()
    expect(page.get_by_text("here:1b", exact=True)).to_be_hidden()


def test_a_pull_shows_its_progress(page: Page, shelf: Shelf) -> None:
    page.get_by_label("From a source").fill(shelf.url)
    button(page, "Get").last.click()
    bar = page.get_by_role("progressbar", name="Getting tiny:latest")
    expect(bar).to_have_attribute("aria-valuenow", re.compile("^(49|50|51)$"))
    page.reload()
    expect(bar).to_have_attribute("aria-valuenow", re.compile("^(49|50|51)$"))
    shelf.go_on.set()
    expect(bar).to_be_hidden()
    expect(page.get_by_text("tiny:latest", exact=True)).to_be_visible()


def test_a_pull_is_cancelled(page: Page, shelf: Shelf) -> None:
    page.get_by_label("From a source").fill(shelf.url)
    button(page, "Get").last.click()
    bar = page.get_by_role("progressbar", name="Getting tiny:latest")
    expect(bar).to_have_attribute("aria-valuenow", re.compile("^(49|50|51)$"))
    button(page, "Cancel").click()
    expect(bar).to_be_hidden()
    expect(page.get_by_text("tiny:latest", exact=True)).to_be_hidden()


def test_what_goes_wrong_is_told(page: Page, shelf: Shelf) -> None:
    source = page.get_by_label("From a source")
    source.fill("nowhere:something/else")
    button(page, "Get").last.click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(source).to_have_attribute("aria-invalid", "true")

    source.fill(shelf.url.replace("tiny", "missing"))
    button(page, "Get").last.click()
    failed = page.get_by_role("region", name="On their way").get_by_role("listitem")
    expect(failed).to_contain_text("404")
    expect(button(failed, "Try again")).to_be_visible()
    page.goto(page.url.removesuffix("/models"))
    expect(composer(page)).to_be_visible()  # and the house stands
