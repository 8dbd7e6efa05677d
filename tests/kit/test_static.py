"""The page under any base path, its assets for ever, and nothing from beside the folder."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from inglenook.kit.errors import NotFound
from inglenook.kit.static import CONTENT_POLICY, WebInterface

PAGE = '<html><head><base href="__BASE__/"></head></html>'
SCRIPT = "assets/app-1a2b.js"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A build: a page, packed and plain assets, a file beside them; and next to it something private."""
    built = tmp_path / "static"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text(PAGE)
    (built / "theme.js").write_text("theme")
    (built / ".sources").write_text("private")
    (built / SCRIPT).write_text("plain")
    (built / f"{SCRIPT}.br").write_bytes(b"brotli")
    (built / f"{SCRIPT}.gz").write_bytes(b"gzipped")
    (built / "assets" / "font-3c4d.woff2").write_bytes(b"font")
    (tmp_path / "secret.key").write_text("private")
    (built / "assets" / "link.js").symlink_to(tmp_path / "secret.key")
    return built


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends paths as they are written here, and asks for no compression."""
    async with _client(WebInterface(folder, "/ai")) as client:
        yield client


def _client(app: WebInterface) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://here", headers={"accept-encoding": "identity"})


async def test_the_page_knows_its_base_path(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    assert '<base href="/ai/">' in page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"


async def test_a_page_that_is_built_anew_is_shown_without_a_restart(client: httpx.AsyncClient, folder: Path) -> None:
    assert "anew" not in (await client.get("/")).text
    os.rename(folder, folder.with_name("stale"))
    assert (await client.get("/")).status_code == 503
    os.mkdir(folder)
    (folder / "index.html").write_text(PAGE + "anew")
    page = (await client.get("/")).text
    assert page.endswith("anew")
    assert '<base href="/ai/">' in page


async def test_a_base_path_cannot_break_out_of_the_page(folder: Path) -> None:
    async with _client(WebInterface(folder, '/"><script>')) as client:
        assert "<script>" not in (await client.get("/")).text


@pytest.mark.parametrize(
    "path",
    ["/chat/cnv_1", "/setup", "/models", "/settings/keys", "/index.html", "/apiary", "/.sources", "/" + "x" * 5000],
)
async def test_addresses_of_the_page_give_the_page(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path)
    assert (page.status_code, page.text) == (200, PAGE.replace("__BASE__", "/ai"))


async def test_the_page_takes_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/")).headers["content-security-policy"]
    assert policy == CONTENT_POLICY
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["script-src"] == rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["object-src"] == "'none'"
    assert "http" not in policy


async def test_hashed_assets_are_kept_for_ever_and_others_are_not(client: httpx.AsyncClient) -> None:
    asset = await client.get(f"/{SCRIPT}")
    assert (asset.status_code, asset.text) == (200, "plain")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asset.headers["content-type"].startswith("text/javascript")
    theme = await client.get("/theme.js")
    assert theme.text == "theme"
    assert "immutable" not in theme.headers["cache-control"]
    assert (await client.get("/assets/font-3c4d.woff2")).headers["content-type"] == "font/woff2"


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP;q=0.5", "gzip"),
        ("gzip, br;q=0", "gzip"),
        ("br; q=0.0, gzip;q=0", None),
        ("identity", None),
        ("", None),
    ],
)
async def test_the_best_packed_form_is_sent(folder: Path, accepted: str, chosen: str | None) -> None:
    async with (
        _client(WebInterface(folder, "")) as client,
        client.stream("GET", f"/{SCRIPT}", headers={"accept-encoding": accepted}) as answer,
    ):
        body = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == chosen
    assert body == {"br": b"brotli", "gzip": b"gzipped", None: b"plain"}[chosen]
    assert answer.headers["vary"] == "accept-encoding"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert int(answer.headers["content-length"]) == len(body)


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.key",
        "/assets/../../secret.key",
        "/%2e%2e/secret.key",
        "/assets/%2e%2e/%2e%2e/secret.key",
        "//etc/passwd",
        "/assets/link.js",
        "/.sources",
        "/assets/../.sources",
        "/%00",
        "/assets/%00",
    ],
)
async def test_nothing_outside_the_folder_is_served(folder: Path, path: str) -> None:
    sent: list[dict[str, object]] = []
    raw = path.replace("%2e", ".").replace("%00", "\0")
    scope = {"type": "http", "method": "GET", "path": raw, "headers": []}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await WebInterface(folder, "")(scope, None, send)  # type: ignore[arg-type]
    body = b"".join(message.get("body", b"") for message in sent)  # type: ignore[misc]
    assert b"private" not in body
    assert b"root:" not in body
    assert sent[0]["status"] in (200, 404)


async def test_an_unknown_asset_is_not_the_page(client: httpx.AsyncClient) -> None:
    assert (await client.get("/assets/gone-0000.js")).status_code == 404
    assert (await client.get("/assets/")).status_code == 404


async def test_head_says_what_get_would(client: httpx.AsyncClient) -> None:
    for path in ("/", f"/{SCRIPT}"):
        got, head = await client.get(path), await client.head(path)
        assert head.status_code == 200
        assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.content))
        assert head.headers["content-type"] == got.headers["content-type"]
    assert head.content == b""


async def test_pages_are_read_only(client: httpx.AsyncClient) -> None:
    answer = await client.post("/chat")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/api/v1/nothing", "/v1/nothing"])
async def test_unknown_routes_of_the_api_are_errors_of_the_api(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    with pytest.raises(NotFound, match=f"there is no {method} {path} here"):
        await client.request(method, path)


async def test_a_missing_build_says_what_to_do(tmp_path: Path) -> None:
    async with _client(WebInterface(tmp_path / "nowhere", "")) as client:
        answer = await client.get("/")
    assert answer.status_code == 503
    assert "make web" in answer.text
