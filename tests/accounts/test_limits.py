"""How much who may use: what is kept and how it stacks. That it is held, the gateway's tests show."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from inglenook.accounts.principal import CONSOLE, Principal
from inglenook.accounts.service import Accounts
from inglenook.accounts.snapshot import ALL_TOGETHER, EACH_USER, LimitFacts
from inglenook.kit.errors import BadInput, NotFound
from inglenook.store.upgrade import MIGRATIONS, upgrade


async def test_limits_are_set_replaced_and_taken_away(accounts: Accounts) -> None:
    user_id = await accounts.create_user("bob", "correct horse")
    await accounts.limits.put(CONSOLE, ("user", user_id), LimitFacts(requests_per_minute=5, amount_per_day=7))
    await accounts.limits.put(CONSOLE, ("user", user_id), LimitFacts(tokens_per_minute=9))
    assert accounts.limits.of(("user", user_id)) == LimitFacts(tokens_per_minute=9)
    await accounts.limits.remove(CONSOLE, ("user", user_id))
    assert accounts.limits.of(("user", user_id)) is None
    with pytest.raises(NotFound):
        await accounts.limits.remove(CONSOLE, ("user", user_id))


async def test_only_what_exists_is_limited(accounts: Accounts) -> None:
    for subject in (("user", "usr_none"), ("group", "grp_none"), ("key", "key_none")):
        with pytest.raises(NotFound):
            await accounts.limits.put(CONSOLE, subject, LimitFacts())
    for subject in (("planet", "earth"), ("everyone", "usr_x"), ("default", "x")):
        with pytest.raises(BadInput):
            await accounts.limits.put(CONSOLE, subject, LimitFacts())


async def test_limits_stack(accounts: Accounts) -> None:
    user_id = await accounts.create_user("bob", "correct horse")
    group_id = (await accounts.groups.create(CONSOLE, "Kitchen", members=[user_id])).id
    key = await accounts.create_key("bob", "k")
    team_key = (await accounts.keys.create(CONSOLE, group_id, "k")).secret

    def principal(secret: str) -> Principal:
        found = accounts.snapshot.principal_for_key(secret.encode())
        assert found is not None
        return found

    key_id = principal(key).key_id
    assert accounts.limits.stack(principal(key)) == []
    limits = {
        ("key", key_id): LimitFacts(requests_per_minute=1),
        EACH_USER: LimitFacts(requests_per_minute=2),
        ("group", group_id): LimitFacts(requests_per_minute=3),
        ALL_TOGETHER: LimitFacts(requests_per_minute=4),
    }
    for subject, facts in limits.items():
        await accounts.limits.put(CONSOLE, subject, facts)  # type: ignore[arg-type]
    stack = accounts.limits.stack(principal(key))
    assert [subject for subject, _ in stack] == [("key", key_id), ("user", user_id), ("group", group_id), ALL_TOGETHER]
    assert [facts.requests_per_minute for _, facts in stack] == [1, 2, 3, 4]
    await accounts.limits.put(CONSOLE, ("user", user_id), LimitFacts(requests_per_minute=9))
    assert [facts.requests_per_minute for _, facts in accounts.limits.stack(principal(key))] == [1, 9, 3, 4]
    assert [subject for subject, _ in accounts.limits.stack(principal(team_key))] == [("group", group_id), ALL_TOGETHER]
    browser = accounts.snapshot.principal_for_user(user_id)
    assert browser is not None
    assert [facts.requests_per_minute for _, facts in accounts.limits.stack(browser)] == [9, 3, 4]
    assert [subject for subject, _ in accounts.limits.stack(Principal(user_id="open-ollama", name="x"))] == [
        ALL_TOGETHER
    ]


def test_budgets_of_groups_became_limits(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    migrate(path, "0003")
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO users (id, name, name_key, display_name, role, password_hash, disabled, created_at) "
            "VALUES ('usr_1', 'bob', 'bob', 'Bob', 'member', '!', 0, 1)"
        )
        for place, (amount, period) in enumerate([(5, "day"), (6, "week"), (7, "month"), (None, None)]):
            row = (f"grp_{place}", f"g{place}", f"g{place}", amount, period)
            connection.execute("INSERT INTO groups VALUES (?, ?, ?, ?, ?, 1)", row)
        connection.execute("INSERT INTO group_members VALUES ('grp_0', 'usr_1')")
        connection.execute(
            "INSERT INTO api_keys (id, user_id, name, sha256, prefix, created_at) "
            "VALUES ('key_1', 'usr_1', 'k', 'x', 'i', 1)"
        )
    upgrade(make_url(f"sqlite:///{path}"), tmp_path / "backups")
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT subject_id, amount_per_day, amount_per_month FROM limits ORDER BY 1")
        assert found.fetchall() == [("grp_0", 5000, None), ("grp_1", None, 24_000), ("grp_2", None, 7000)]
        for table in ("users", "group_members", "api_keys"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,), table


def migrate(path: Path, revision: str) -> None:
    """Bring a new database up to an older revision."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with create_engine(f"sqlite:///{path}", poolclass=NullPool).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
