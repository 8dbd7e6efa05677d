"""Who lives in a server that `bench/gateway.py` measures: users, teams, keys, limits, budgets and routes, written to
its database before it starts (through the API everything would be read anew after each)."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from inglenook.accounts.service import Accounts
from inglenook.accounts.tables import ApiKey, Group, GroupMember, Limit, User
from inglenook.gateway.routing.definition import read
from inglenook.gateway.routing.tables import RouteRow, RoutingState
from inglenook.kit.ids import new_id
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets

#: Keys of one user, and users of one team.
KEYS_OF_USER, USERS_OF_TEAM = 2, 25
#: Limits of everybody and budgets in nano of a dollar, that are never reached.
RATES = {
    "requests_per_minute": 10_000_000,
    "tokens_per_minute": 10_000_000_000,
    "concurrent_requests": 100_000,
}
PURSE = 10**15


async def furnish(database: Path, *, keys: int, routes: int, spare: str) -> list[str]:
    """Give a house `keys` keys, of half as many users in teams; keys, users, teams and all together have limits a
    minute and a budget a month. Each of `routes` routes (`route-0000`) has conditions and two targets, `mock-0000` and
    `spare`. Gives the keys."""
    secrets = [f"ink-bench{number:038}" for number in range(keys)]

    def write(session: Any) -> None:
        rows = [*_people(secrets), *_routes(routes, spare)]
        for kind in (Group, User, GroupMember, ApiKey, Limit, RouteRow):  # those that are referred to first
            session.add_all(row for row in rows if type(row) is kind)
            session.flush()
        session.merge(RoutingState(id=1, version=1))

    store = Store.open(Store.sqlite_url(database))
    accounts = Accounts(store, Secrets(database.parent))
    await accounts.start()
    try:
        await accounts.snapshot.write(write)
    finally:
        await accounts.stop()
        await store.close()
    return secrets


def _people(secrets: list[str]) -> Iterator[Any]:
    yield _limit("everyone")
    user = team = ""
    for number, secret in enumerate(secrets):
        if number % (KEYS_OF_USER * USERS_OF_TEAM) == 0:
            team = new_id("grp")
            yield Group(id=team, name=team, name_key=team, created_at=0)
            yield _limit("group", team)
        if number % KEYS_OF_USER == 0:
            user = new_id("usr")
            facts = {"name": user, "name_key": user, "display_name": user, "role": "member", "password_hash": "!"}
            yield User(id=user, team_id=team, created_at=0, **facts)
            yield GroupMember(group_id=team, user_id=user)
            yield _limit("user", user)
        key, digest = new_id("key"), sha256(secret.encode()).hexdigest()
        yield ApiKey(id=key, user_id=user, name="bench", sha256=digest, prefix=secret[:10], created_at=0)
        yield _limit("key", key)


def _limit(kind: str, subject_id: str = "") -> Limit:
    return Limit(subject_kind=kind, subject_id=subject_id, amount_per_month=PURSE, updated_at=0, **RATES)


def _routes(count: int, spare: str) -> Iterable[RouteRow]:
    for number in range(count):
        definition = read(
            {
                "when": {"max_prompt_tokens": 100_000},
                "targets": [
                    {"model": f"mock-{number:04}", "when": {"without_tags": ["batch"]}},
                    {"model": spare, "when": {"max_prompt_tokens": 50_000}},
                ],
            }
        )
        yield RouteRow(
            id=new_id("rte"),
            name=f"route-{number:04}",
            description="",
            enabled=True,
            definition=definition.model_dump(mode="json"),
            position=number,
            created_at=0,
            updated_at=0,
        )
