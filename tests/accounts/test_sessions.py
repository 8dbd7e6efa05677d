"""Signing in and out, the cookie, and forged requests."""

import asyncio
from http.cookies import SimpleCookie

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from inglenook import __version__
from inglenook.accounts.limiter import PER_NAME, Limiter
from inglenook.accounts.passwords import Passwords
from inglenook.accounts.principal import CONSOLE, Role
from inglenook.accounts.sessions import COOKIE, LIFETIME_MS, TOUCH_MS
from inglenook.accounts.tables import Audit, LoginSession, User
from inglenook.kit.config import Settings
from inglenook.kit.time import now_ms
from tests.accounts.conftest import PASSWORD, Web


def cookie_of(answer: httpx.Response):  # type: ignore[no-untyped-def]
    jar = SimpleCookie(answer.headers["set-cookie"])
    return jar[COOKIE]


async def sign_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("session", json={"name": name, "password": password})


async def rows(web: Web) -> list[LoginSession]:
    return await web.accounts.store.read(lambda s: [*s.scalars(select(LoginSession))])


async def test_sign_in_tells_who_one_is_and_sets_the_cookie(web: Web) -> None:
    await web.accounts.create_user("Ada", PASSWORD, Role.ADMIN)
    browser = await web.browser(**{"user-agent": "Test/1"})
    nobody = {"user": None, "needs_setup": False, "resets_by_mail": False, "version": __version__}
    assert (await browser.get("session")).json() == nobody
    answer = await sign_in(browser, "aDA")
    user = answer.json()["user"]
    assert user["name"] == "Ada"
    assert user["role"] == "admin"
    assert user["groups"] == []
    assert set(user) == {"id", "name", "display_name", "email", "role", "language", "theme", "groups"}
    assert (await browser.get("session")).json()["user"] == user
    cookie = cookie_of(answer)
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "lax"
    assert not cookie["secure"]
    assert cookie["path"] == "/"
    assert int(cookie["max-age"]) == LIFETIME_MS // 1000
    assert answer.headers["cache-control"] == "no-store"
    (row,) = await rows(web)
    assert row.user_agent == "Test/1"
    assert cookie.value not in (row.token_hash, row.id)
    assert len(cookie.value) == 43  # 256 bits


async def test_the_cookie_is_secure_over_https_and_stays_below_the_base_path(web: Web, tmp_path) -> None:  # type: ignore[no-untyped-def]
    await web.accounts.create_user("ada", PASSWORD)
    web.app.state.settings = Settings(data=tmp_path, base_path="/ai")
    browser = await web.browser(url="https://house.test")
    cookie = cookie_of(await sign_in(browser, "ada"))
    assert cookie["secure"]
    assert cookie["path"] == "/ai"


async def test_servers_on_other_ports_of_a_host_keep_their_sessions(web: Web) -> None:
    await web.accounts.create_user("ada", PASSWORD)
    one = await web.browser(url="http://127.0.0.1:8080")
    assert (await sign_in(one, "ada")).status_code == 200
    # What a browser does: it sends to port 8090, too, what port 8080 set.
    other = await web.browser(url="http://127.0.0.1:8090")
    other.cookies = one.cookies
    assert (await other.get("session")).json()["user"] is None
    assert (await sign_in(other, "ada")).status_code == 200
    assert (await other.delete("session")).status_code == 204
    assert (await one.get("session")).json()["user"]["name"] == "ada"


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong horse"), ("nobody", PASSWORD), ("ada", "x" * 1000)])
async def test_a_wrong_name_and_a_wrong_password_look_the_same(web: Web, name: str, password: str) -> None:
    await web.accounts.create_user("ada", PASSWORD)
    browser = await web.browser()
    answer = await sign_in(browser, name, password)
    assert answer.status_code == 401
    assert answer.json()["error"] == {"code": "wrong_password", "message": "The name or the password is wrong."}
    assert "set-cookie" not in answer.headers
    assert await rows(web) == []


async def test_a_disabled_account_is_named_only_to_who_knows_the_password(web: Web) -> None:
    user_id = await web.accounts.create_user("ada", PASSWORD)
    await web.accounts.users.change(CONSOLE, user_id, {"disabled": True})
    browser = await web.browser()
    assert (await sign_in(browser, "ada", "wrong horse")).json()["error"]["code"] == "wrong_password"
    right = await sign_in(browser, "ada")
    assert (right.status_code, right.json()["error"]["code"]) == (403, "account_disabled")


async def test_signing_in_again_replaces_the_session(web: Web) -> None:
    browser = await web.signed_in("ada")
    before = browser.cookies[COOKIE]
    await sign_in(browser, "ada")
    assert browser.cookies[COOKIE] != before
    assert len(await rows(web)) == 1
    thief = await web.browser(cookie=f"{COOKIE}={before}")
    assert (await thief.get("keys")).status_code == 401


async def test_signing_out_ends_the_session_and_clears_the_cookie(web: Web) -> None:
    browser = await web.signed_in("ada")
    token = browser.cookies[COOKIE]
    answer = await browser.delete("session")
    assert answer.status_code == 204
    assert cookie_of(answer)["max-age"] == "0"
    assert await rows(web) == []
    kept = await web.browser(cookie=f"{COOKIE}={token}")
    assert (await kept.get("keys")).status_code == 401
    assert (await kept.delete("session")).status_code == 204  # again does no harm


async def test_sessions_slide_and_end(web: Web) -> None:
    browser = await web.signed_in("ada")
    store = web.accounts.store
    ago = now_ms() - TOUCH_MS - 1
    await store.write(lambda s: s.execute(update(LoginSession).values(last_used_at=ago, expires_at=ago + LIFETIME_MS)))
    refreshed = await browser.get("session")
    (row,) = await rows(web)
    assert row.last_used_at > ago
    assert row.expires_at == row.last_used_at + LIFETIME_MS
    assert cookie_of(refreshed).value == browser.cookies[COOKIE]
    assert await store.read(lambda s: s.scalar(select(User.last_seen_at))) == row.last_used_at
    await browser.get("session")
    assert (await rows(web))[0].last_used_at == row.last_used_at  # not a write a request
    await store.write(lambda s: s.execute(update(LoginSession).values(expires_at=now_ms() - 1)))
    assert (await browser.get("session")).json()["user"] is None
    await sign_in(browser, "ada")
    assert len(await rows(web)) == 1  # the ended one was swept


async def test_a_new_password_ends_the_other_sessions(web: Web) -> None:
    here, there = await web.signed_in("ada"), await web.signed_in("ada", make=False)
    wrong = await here.post("me/password", json={"current": "wrong horse", "new": "battery staple"})
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (401, "current")
    short = await here.post("me/password", json={"current": PASSWORD, "new": "short"})
    assert (short.status_code, short.json()["error"]["field"]) == (400, "password")
    assert (await there.get("keys")).status_code == 200
    right = await here.post("me/password", json={"current": PASSWORD, "new": "battery staple"})
    assert right.status_code == 204
    assert (await here.get("keys")).status_code == 200
    assert (await there.get("keys")).status_code == 401
    assert (await sign_in(there, "ada")).status_code == 401
    assert (await sign_in(there, "ada", "battery staple")).status_code == 200


async def test_a_reset_password_ends_all_sessions(web: Web) -> None:
    browser = await web.signed_in("ada")
    await web.accounts.reset_password("ADA", "battery staple")
    assert (await browser.get("keys")).status_code == 401


async def test_former_hashes_are_renewed_at_login(web: Web) -> None:
    await web.accounts.create_user("ada", PASSWORD)
    accounts = web.accounts
    before = await accounts.store.read(lambda s: s.scalar(select(User.password_hash)))
    accounts.passwords.close()
    accounts.passwords = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert (await sign_in(await web.browser(), "ada")).status_code == 200
    after = await accounts.store.read(lambda s: s.scalar(select(User.password_hash)))
    assert before is not None
    assert after is not None
    assert "t=1" in before
    assert "t=2" in after
    assert (await sign_in(await web.browser(), "ada")).status_code == 200


async def test_guessing_is_slowed_down(web: Web) -> None:
    now = 0.0
    web.accounts.limiter = Limiter(lambda: now)
    await web.accounts.create_user("ada", PASSWORD)
    browser = await web.browser()
    guesses = [sign_in(browser, "ada", f"wrong horse {n}") for n in range(PER_NAME.free + 3)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*guesses))
    assert statuses == [401] * PER_NAME.free + [429] * 3  # side by side, too
    blocked = await sign_in(browser, "ADA")
    assert blocked.status_code == 429
    assert blocked.headers["retry-after"] == "1"
    now = 2.0
    assert (await sign_in(browser, "ada")).status_code == 200
    acts = await web.accounts.store.read(lambda s: [*s.scalars(select(Audit.act).order_by(Audit.id))])
    assert acts.count("session.refused") == PER_NAME.free


# ------------------------------------------------------------------------------------------- forged requests

SAME = {"origin": "http://house.test"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"x-inglenook": "0"}, 403),
        ({"x-inglenook": "1"}, 200),
        ({"x-inglenook": "1", **SAME}, 200),
        ({"x-inglenook": "1", "origin": "http://HOUSE.test:80"}, 200),
        ({"x-inglenook": "1", "origin": "http://evil.test"}, 403),
        ({"x-inglenook": "1", "origin": "http://house.test:81"}, 403),
        ({"x-inglenook": "1", "origin": "https://house.test"}, 403),
        ({"x-inglenook": "1", "origin": "http://house.test:notaport"}, 403),
        ({"x-inglenook": "1", "origin": "null"}, 403),
        ({"x-inglenook": "1", "sec-fetch-site": "same-origin"}, 200),
        ({"x-inglenook": "1", "sec-fetch-site": "same-origin", "origin": "https://before-the-proxy.test"}, 200),
        ({"x-inglenook": "1", "sec-fetch-site": "same-site", **SAME}, 403),
        ({"x-inglenook": "1", "sec-fetch-site": "cross-site", **SAME}, 403),
        ({"x-inglenook": "1", "sec-fetch-site": "none"}, 403),
    ],
)
async def test_changes_by_cookie_come_from_our_page_only(web: Web, headers: dict[str, str], status: int) -> None:
    token = (await web.signed_in("ada")).cookies[COOKIE]
    client = await web.client(cookie=f"{COOKIE}={token}", **headers)
    assert (await client.patch("me", json={"theme": "dark"})).status_code == status
    assert (await client.get("keys")).status_code == 200
    if status == 403:
        assert (await client.delete("session")).status_code == 403
        assert (await client.get("keys")).status_code == 200


async def test_another_site_cannot_sign_a_browser_in(web: Web) -> None:
    await web.accounts.create_user("ada", PASSWORD)
    for headers in ({"origin": "http://evil.test"}, {"sec-fetch-site": "cross-site"}):
        answer = await sign_in(await web.client(**headers), "ada")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_same_origin")
    assert (await sign_in(await web.client(), "ada")).status_code == 200  # a program without a browser's headers
