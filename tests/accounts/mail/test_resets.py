"""Somebody forgot their password, and chooses a new one by a link."""

import asyncio
import logging

import httpx
import pytest
from sqlalchemy import func, select, update

from inglenook.accounts.principal import CONSOLE, Role
from inglenook.accounts.resets import MOST_LETTERS
from inglenook.accounts.service import Accounts
from inglenook.accounts.tables import Audit, PasswordReset
from inglenook.kit.time import now_ms
from tests.accounts.conftest import PASSWORD, Web
from tests.support.mail import MailServer, link_of, text_of

NEW = "battery staple"


def token_of(link: str) -> str:
    return link.partition("#token=")[2]


async def make(accounts: Accounts, name: str = "bob", **more: str) -> str:
    email = more.pop("email", f"{name}@example.com")
    return (await accounts.users.create(CONSOLE, name, PASSWORD, Role.MEMBER, email=email, **more)).id


async def ask(browser: httpx.AsyncClient, name: str) -> httpx.Response:
    return await browser.post("password-reset", json={"name": name})


async def choose(browser: httpx.AsyncClient, token: str, password: str = NEW) -> httpx.Response:
    return await browser.post("password-reset/complete", json={"token": token, "password": password})


async def settled(accounts: Accounts) -> None:
    """Return once what was asked for is done."""
    await asyncio.gather(*accounts._asking)


async def test_a_new_password_by_letter_ends_what_was_open(web: Web, post: MailServer) -> None:
    await make(web.accounts)
    old = await web.signed_in("bob", make=False)
    browser = await web.browser()
    assert (await browser.get("session")).json()["resets_by_mail"] is True
    assert (await ask(browser, "bob")).status_code == 202
    (letter,) = await post.came()
    assert letter["to"] == "bob@example.com"
    assert letter["subject"] == "A new password for Inglenook"
    assert "bob" in text_of(letter)
    link = link_of(letter)
    assert link.startswith("https://house.test/ai/reset#token=")
    look = await browser.post("password-reset/look", json={"token": token_of(link)})
    assert look.json() == {"name": "bob"}
    assert (await choose(browser, token_of(link))).status_code == 204
    assert (await old.get("keys")).status_code == 401
    for password, status in ((PASSWORD, 401), (NEW, 200)):
        answer = await browser.post("session", json={"name": "bob", "password": password})
        assert answer.status_code == status
    assert (await choose(browser, token_of(link), "something else")).json()["error"]["code"] == "link_spent"


async def test_nobody_learns_who_has_an_account(web: Web, post: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    await make(web.accounts)
    gone = await make(web.accounts, "gone")
    await web.accounts.users.change(CONSOLE, gone, {"disabled": True})
    await web.accounts.users.create(CONSOLE, "eve", PASSWORD, Role.MEMBER)  # without an address
    with caplog.at_level(logging.DEBUG):
        answers = [
            await ask(await web.browser(address=f"203.0.113.{number}"), name)
            for number, name in enumerate(("bob", "BOB@example.com", "nobody", "nobody@example.com", "gone", "eve"))
        ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b"null")}
    assert {tuple(sorted(answer.headers)) for answer in answers} == {("content-length", "content-type")}
    await settled(web.accounts)
    letters = await post.came(2)
    assert [letter["to"] for letter in letters] == ["bob@example.com"] * 2
    for letter in letters:
        assert token_of(link_of(letter)) not in caplog.text


async def test_the_answer_does_not_wait_for_the_search(web: Web, post: MailServer) -> None:
    """Or how long it takes would tell."""
    await make(web.accounts)
    browser = await web.browser()
    gate, release = asyncio.Event(), asyncio.Event()
    real = web.accounts.resets.ask

    async def held(name: str) -> None:
        gate.set()
        await release.wait()
        await real(name)

    web.accounts.resets.ask = held  # type: ignore[method-assign]
    assert (await ask(browser, "bob")).status_code == 202
    await gate.wait()
    assert post.letters == []
    release.set()
    await post.came()


async def test_asking_is_limited_by_name_by_address_and_by_account(web: Web, post: MailServer) -> None:
    await make(web.accounts)
    browser = await web.browser()
    statuses = [(await ask(browser, name)).status_code for name in ["nobody"] * 6]
    assert statuses == [202] * 5 + [429]  # whether there is a nobody or not
    other = await web.browser(address="203.0.113.99")
    for spelling in ("bob", "bob@example.com", "BOB", "Bob@example.com", "bob "):
        await ask(other, spelling)
    await settled(web.accounts)
    await web.accounts.outbox.stop()
    await web.accounts.outbox.send_due()
    assert len(post.letters) == MOST_LETTERS


async def test_where_no_letters_are_sent_it_says_so(web: Web, accounts: Accounts, server: MailServer) -> None:
    browser = await web.browser()
    assert (await browser.get("session")).json()["resets_by_mail"] is False
    answer = await ask(browser, "bob")
    assert answer.status_code == 409
    assert "administrator" in answer.json()["error"]["message"]
    await accounts.settings.put(CONSOLE, "mail", server.settings)
    assert (await ask(browser, "bob")).status_code == 409  # nor with a link that leads nowhere


async def test_the_link_is_never_made_of_what_a_request_says(web: Web, post: MailServer) -> None:
    await make(web.accounts)
    evil = {"host": "evil.test", "x-forwarded-host": "evil.test", "origin": "http://evil.test"}
    await ask(await web.browser(**evil), "bob")
    (letter,) = await post.came()
    assert "evil" not in letter.as_string()


async def test_a_link_runs_out(web: Web, post: MailServer) -> None:
    await make(web.accounts)
    browser = await web.browser()
    await ask(browser, "bob")
    (letter,) = await post.came()
    hour = await web.accounts.store.read(
        lambda s: s.execute(select(PasswordReset.expires_at - PasswordReset.created_at)).scalar()
    )
    assert hour == 3_600_000
    await web.accounts.store.write(lambda s: s.execute(update(PasswordReset).values(expires_at=now_ms())))
    assert (await choose(browser, token_of(link_of(letter)))).status_code == 403


@pytest.mark.parametrize("change", ["password", "email", "disabled", "own password"])
async def test_what_changes_meanwhile_ends_the_links(web: Web, change: str) -> None:
    user_id = await make(web.accounts)
    admin = await web.signed_in("ada", Role.ADMIN)
    made = (await admin.post(f"users/{user_id}/reset-link")).json()
    if change == "own password":
        own = await web.signed_in("bob", make=False)
        await own.post("me/password", json={"current": PASSWORD, "new": "another one"})
    else:
        changes = {"password": "another one", "email": "bob@elsewhere.example", "disabled": True}
        await admin.patch(f"users/{user_id}", json={change: changes[change]})
    browser = await web.browser()
    look = await browser.post("password-reset/look", json={"token": token_of(made["path"])})
    assert look.status_code == 403
    assert (await choose(browser, token_of(made["path"]))).status_code == 403


async def test_one_use_ends_all_links_of_the_user_and_only_theirs(web: Web) -> None:
    bob, eve = await make(web.accounts), await make(web.accounts, "eve")
    admin = await web.signed_in("ada", Role.ADMIN)
    first, second, other = [(await admin.post(f"users/{one}/reset-link")).json() for one in (bob, bob, eve)]
    browser = await web.browser()
    answers = await asyncio.gather(*(choose(browser, token_of(first["path"]), f"{NEW} {n}") for n in range(4)))
    assert sorted(answer.status_code for answer in answers) == [204, 403, 403, 403]
    assert (await choose(browser, token_of(second["path"]))).status_code == 403
    assert (await choose(browser, token_of(other["path"]))).status_code == 204


async def test_an_administrator_hands_a_link_on(web: Web) -> None:
    user_id = await make(web.accounts)
    admin = await web.signed_in("ada", Role.ADMIN)
    answer = await admin.post(f"users/{user_id}/reset-link")
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["link"] is None  # the public address is not known
    assert (await admin.post("users/usr_none/reset-link")).status_code == 404
    member = await web.signed_in("eve")
    assert (await member.post(f"users/{user_id}/reset-link")).status_code == 403
    short = await choose(await web.browser(), token_of(answer.json()["path"]), "short")
    assert (short.status_code, short.json()["error"]["field"]) == (400, "password")
    assert (await choose(await web.browser(), token_of(answer.json()["path"]))).status_code == 204


async def test_only_the_hash_is_kept_and_the_trail_says_what_was_done(web: Web, accounts: Accounts) -> None:
    user_id = await make(accounts)
    admin = await web.signed_in("ada", Role.ADMIN)
    token = token_of((await admin.post(f"users/{user_id}/reset-link")).json()["path"])
    kept = await accounts.store.read(lambda s: s.scalar(select(PasswordReset.token_hash)))
    assert kept != token
    assert kept is not None
    assert len(kept) == 64
    await choose(await web.browser(), token)
    rows = await accounts.store.read(lambda s: [*s.scalars(select(Audit).order_by(Audit.id.desc()).limit(3))])
    acts = [(row.act, row.actor_name) for row in reversed(rows)]
    assert acts == [("password_reset.made", "ada"), ("password_reset.used", "bob"), ("user.password_set", "bob")]


async def test_ones_own_address_needs_the_password(web: Web) -> None:
    await make(web.accounts, "eve")
    bob = await web.signed_in("bob")
    for body, status in (
        ({"email": "bob@example.com", "password": "wrong one"}, 401),
        ({"email": "eve@example.com", "password": PASSWORD}, 409),
        ({"email": "nobody", "password": PASSWORD}, 400),
        ({"email": "bob@example.com", "password": PASSWORD}, 204),
    ):
        assert (await bob.put("me/email", json=body)).status_code == status
    assert (await bob.get("session")).json()["user"]["email"] == "bob@example.com"
    assert (await bob.put("me/email", json={"email": None, "password": PASSWORD})).status_code == 204
    assert (await bob.get("session")).json()["user"]["email"] is None


async def test_links_of_deleted_users_go_with_them(web: Web) -> None:
    user_id = await make(web.accounts)
    admin = await web.signed_in("ada", Role.ADMIN)
    token = token_of((await admin.post(f"users/{user_id}/reset-link")).json()["path"])
    await admin.delete(f"users/{user_id}")
    assert (await choose(await web.browser(), token)).status_code == 403
    assert await web.accounts.store.read(lambda s: s.scalar(select(func.count()).select_from(PasswordReset))) == 0
