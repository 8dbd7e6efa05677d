"""The first start."""

import asyncio

from inglenook.accounts.limiter import PER_NAME
from inglenook.accounts.principal import CONSOLE, Role
from inglenook.accounts.service import Accounts
from inglenook.store.secrets import Secrets
from tests.accounts.conftest import PASSWORD, Web


def request_for(token: str | None, name: str = "ada", password: str = PASSWORD) -> dict[str, str]:
    return {"token": token or "", "name": name, "password": password}


async def test_whoever_reads_the_terminal_makes_the_administrator(web: Web) -> None:
    token = web.accounts.setup_token
    assert token is not None
    assert len(token) >= 32
    browser = await web.browser()
    assert (await browser.get("session")).json()["needs_setup"] is True
    answer = await browser.post("setup", json=request_for(token))
    assert answer.status_code == 200
    assert answer.json()["needs_setup"] is False
    assert answer.json()["user"]["role"] == "admin"
    assert (await browser.get("users")).status_code == 200  # signed in
    assert web.accounts.setup_token is None


async def test_a_second_set_up_is_refused_whatever_the_token(web: Web) -> None:
    token = web.accounts.setup_token
    browser = await web.browser()
    assert (await browser.post("setup", json=request_for(token))).status_code == 200
    for again in (token, "wrong"):
        answer = await browser.post("setup", json=request_for(again, "eve"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "setup_done")


async def test_of_two_at_once_one_wins(web: Web) -> None:
    token = web.accounts.setup_token
    first, second = await web.browser(), await web.browser()
    answers = await asyncio.gather(
        first.post("setup", json=request_for(token, "ada")), second.post("setup", json=request_for(token, "bob"))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await web.accounts.users.everybody()) == 1


async def test_wrong_tokens_are_refused_and_limited(web: Web) -> None:
    browser = await web.browser()
    for _ in range(PER_NAME.free):
        answer = await browser.post("setup", json=request_for("wrong"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_setup_token")
    assert (await browser.post("setup", json=request_for("wrong"))).status_code == 429
    assert (await browser.post("setup", json=request_for(web.accounts.setup_token))).status_code == 429
    assert await web.accounts.users.everybody() == []


async def test_trying_to_sign_in_does_not_block_set_up(web: Web) -> None:
    other = await web.browser(address="198.51.100.1")
    for _ in range(PER_NAME.free + 1):
        await other.post("session", json={"name": "SET-UP", "password": PASSWORD})
    browser = await web.browser()
    assert (await browser.post("setup", json=request_for(web.accounts.setup_token))).status_code == 200


async def test_bad_names_and_passwords_leave_set_up_open(web: Web) -> None:
    browser = await web.browser()
    token = web.accounts.setup_token
    short = await browser.post("setup", json=request_for(token, password="short"))
    assert (short.status_code, short.json()["error"]["field"]) == (400, "password")
    assert "at least 8" in short.json()["error"]["message"]
    spaced = await browser.post("setup", json=request_for(token, name="a da"))
    assert (spaced.status_code, spaced.json()["error"]["field"]) == (400, "name")
    assert (await browser.post("setup", json=request_for(token, name="小明"))).status_code == 200


async def test_another_site_cannot_set_up(web: Web) -> None:
    evil = await web.client(origin="http://evil.test")
    assert (await evil.post("setup", json=request_for(web.accounts.setup_token))).status_code == 403


async def test_an_administrator_made_on_the_command_line_ends_set_up(accounts: Accounts) -> None:
    await accounts.create_user("bob", PASSWORD, Role.MEMBER)
    assert accounts.setup_token is not None  # a member cannot administer
    user_id = await accounts.create_user("ada", PASSWORD, Role.ADMIN)
    assert accounts.setup_token is None
    await accounts.users.change(CONSOLE, (await accounts.users.find("bob")).id, {"role": Role.ADMIN})
    await accounts.users.delete(CONSOLE, user_id)
    assert accounts.setup_token is None


async def test_each_start_has_its_own_token(accounts: Accounts, secrets: Secrets) -> None:
    other = Accounts(accounts.store, secrets)
    await other.start()
    assert other.setup_token != accounts.setup_token
    await other.stop()
