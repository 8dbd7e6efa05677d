"""People are told once when a budget is nearly used, and once when it is used up."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from inglenook.accounts.principal import CONSOLE, Role
from inglenook.accounts.snapshot import ALL_TOGETHER
from inglenook.gateway.budgets import warnings
from inglenook.gateway.errors import BudgetExceeded
from tests.gateway.budgets.conftest import TOKEN, SetLimit
from tests.gateway.budgets.test_budget import ask, rows
from tests.gateway.test_gateway import collect
from tests.support.gateway import Desk
from tests.support.mail import MailServer, open_mail_server, text_of


@pytest.fixture
async def post(desk: Desk) -> AsyncIterator[MailServer]:
    """A mail server in the settings, an administrator, the desk's user with an address, and somebody else."""
    async with open_mail_server() as server:
        await desk.accounts.settings.put(CONSOLE, "mail", server.settings)
        users = desk.accounts.users
        await users.create(CONSOLE, "boss", "correct horse", Role.ADMIN, email="boss@house.test")
        await users.create(CONSOLE, "eve", "correct horse", Role.MEMBER, email="eve@house.test")
        changes = {"email": "ada@house.test", "language": "zh-CN", "role": "member"}
        await users.change(CONSOLE, desk.principal.user_id, changes)
        yield server
        await desk.accounts.outbox.stop()


async def use(desk: Desk, calls: int) -> None:
    """Make calls of 10 tokens each (30 are promised for one), and write them down."""
    for _ in range(calls):
        await collect(desk, ask(desk, "one two three four five", tokens=10))
    await desk.gateway.budget.leases.report()


async def use_up(desk: Desk) -> None:
    """Make calls until one is refused."""
    with pytest.raises(BudgetExceeded):
        await use(desk, 100)
    await desk.gateway.budget.leases.report()


async def letters(desk: Desk, post: MailServer) -> dict[str, list[Any]]:
    """All that came, by reader."""
    await desk.accounts.outbox.send_due()
    found: dict[str, list[Any]] = {}
    for letter in post.letters:
        found.setdefault(letter["to"], []).append(letter)
    return found


async def test_at_80_and_at_100_percent_once_each(desk: Desk, limit: SetLimit, post: MailServer) -> None:
    await desk.accounts.outbox.stop()  # and sent by hand, below
    await limit(200 * TOKEN, ("user", desk.principal.user_id))
    await use(desk, 15)
    assert await letters(desk, post) == {}
    await use(desk, 1)
    found = await letters(desk, post)
    assert {reader: len(came) for reader, came in found.items()} == {"ada@house.test": 1, "boss@house.test": 1}
    english, chinese = found["boss@house.test"][0], found["ada@house.test"][0]
    assert english["subject"] == f"80 % of a budget is used: the user {desk.principal.name}"
    assert "80 % of the daily budget of the user" in text_of(english)
    assert "0.00016 USD of 0.0002 USD" in text_of(english)
    assert chinese["subject"] == "预算已用 80%：您的账号"
    assert "每日预算已使用 80%" in text_of(chinese)
    await use(desk, 1)
    assert len((await letters(desk, post))["boss@house.test"]) == 1
    await use_up(desk)
    found = await letters(desk, post)
    assert found["boss@house.test"][1]["subject"].startswith("A budget is used up")
    assert "不足以继续调用" in text_of(found["ada@house.test"][1])
    await use_up(desk)
    assert len((await letters(desk, post))["ada@house.test"]) == 2


@pytest.mark.parametrize(
    ("kind", "whom", "named"),
    [
        ("key", {"ada", "boss"}, "the API key"),
        ("group", {"ada", "eve", "lead", "boss"}, "the team “Research”"),
        ("everyone", {"boss"}, "everybody together"),
    ],
)
async def test_whom_it_concerns(
    desk: Desk, limit: SetLimit, post: MailServer, kind: str, whom: set[str], named: str
) -> None:
    await desk.accounts.outbox.stop()
    eve = (await desk.accounts.users.find("eve")).id
    lead = (await desk.accounts.users.create(CONSOLE, "lead", "correct horse", Role.MEMBER, email="lead@house.test")).id
    members = [desk.principal.user_id, eve]
    group = await desk.accounts.groups.create(CONSOLE, "Research", members=members, managers=[lead])
    subject = {"key": None, "group": ("group", group.id), "everyone": ALL_TOGETHER}[kind]
    await limit(30 * TOKEN, subject)
    await use_up(desk)
    found = await letters(desk, post)
    assert set(found) == {f"{name}@house.test" for name in whom}
    assert named in found["boss@house.test"][0]["subject"]


@pytest.mark.parametrize("who", ["admins", "nobody", "no server"])
async def test_who_is_told_is_a_setting(desk: Desk, limit: SetLimit, post: MailServer, who: str) -> None:
    await desk.accounts.outbox.stop()
    settings = {} if who == "no server" else {**post.settings, "budget_warnings": who}
    await desk.accounts.settings.put(CONSOLE, "mail", settings)
    await limit(30 * TOKEN)
    await use_up(desk)
    assert set(await letters(desk, post)) == ({"boss@house.test"} if who == "admins" else set())
    assert await desk.accounts.outbox.waiting() == []


async def test_disabled_users_are_not_written_to(desk: Desk, limit: SetLimit, post: MailServer) -> None:
    await desk.accounts.outbox.stop()
    boss = await desk.accounts.users.find("boss")
    await desk.accounts.users.create(CONSOLE, "chief", "correct horse", Role.ADMIN, email="chief@house.test")
    await desk.accounts.users.change(CONSOLE, boss.id, {"disabled": True})
    await limit(30 * TOKEN, ALL_TOGETHER)
    await use_up(desk)
    assert set(await letters(desk, post)) == {"chief@house.test"}


async def test_money_is_written_down_also_when_nobody_can_be_told(
    desk: Desk, limit: SetLimit, post: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.accounts.outbox.stop()

    def broken(session: Any, *_args: Any) -> Any:
        session.execute(warnings.select(warnings.User).where(warnings.User.id == 1 / 0))

    monkeypatch.setattr(warnings, "_names", broken)
    await limit(30 * TOKEN)
    await use_up(desk)
    assert "cannot tell people" in caplog.text
    assert (await rows(desk))["key"][0] == 10 * TOKEN
