"""Settings an administrator changes while the server runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import Struct
from sqlalchemy import select

from inglenook.accounts.passwords import Passwords
from inglenook.accounts.principal import CONSOLE, Role
from inglenook.accounts.service import Accounts
from inglenook.accounts.settings import Registered, Section
from inglenook.accounts.tables import Audit, SettingsRow
from inglenook.kit.errors import BadInput, NotFound
from inglenook.store.database import Store
from inglenook.store.secrets import KEY_FILE, Secrets
from tests.accounts.conftest import QUICK, Web


class Tea(Struct, frozen=True, kw_only=True):
    """How tea is made here."""

    leaves: str = "black"
    minutes: int = 4
    recipe: str = ""

    def __post_init__(self) -> None:
        if self.leaves == "green" and self.minutes > 2:
            raise ValueError("green tea takes two minutes at most")
        if self.minutes == 7:
            raise ValueError("minutes: seven is unlucky")


TEA = Section(
    name="tea",
    title="Tea",
    kind=Tea,
    settings_schema={
        "properties": {
            "leaves": {"type": "string", "enum": ["black", "green"], "title": "Leaves"},
            "minutes": {"type": "integer", "minimum": 1, "maximum": 9, "title": "Minutes"},
            "recipe": {"type": "string", "title": "Recipe", "secret": True},
        }
    },
    translations={"zh-CN": {"Tea": "茶", "Leaves": "茶叶"}},
)


@pytest.fixture
def tea(accounts: Accounts) -> Registered[Tea]:
    return accounts.settings.register(TEA)


async def test_a_section_is_at_its_defaults_until_somebody_changes_it(accounts: Accounts, tea: Registered[Tea]) -> None:
    seen: list[Tea] = []
    tea.on_change(seen.append)
    assert tea.now == Tea()
    await accounts.settings.put(CONSOLE, "tea", {"minutes": 5, "recipe": "grandmother's"})
    assert tea.now == Tea(minutes=5, recipe="grandmother's")
    await accounts.settings.put(CONSOLE, "tea", {"leaves": "green", "minutes": 2})
    assert tea.now == Tea(leaves="green", minutes=2, recipe="grandmother's")  # a secret that is left out stays
    await accounts.settings.put(CONSOLE, "tea", {"recipe": None})
    assert tea.now == Tea()
    await accounts.create_user("ada", "correct horse")  # another change of accounts
    assert [tea.leaves for tea in seen] == ["black", "green", "black"]


@pytest.mark.parametrize(
    ("settings", "field", "why"),
    [
        ({"minutes": "five"}, "settings.minutes", "integer"),
        ({"minutes": 10}, "settings.minutes", "at most 9"),
        ({"leaves": "nettle"}, "settings.leaves", "black, green"),
        ({"milk": True}, "settings.milk", "not a setting"),
        ({"leaves": "green"}, "settings", "two minutes"),
        ({"minutes": 7}, "settings.minutes", "seven"),
    ],
)
async def test_wrong_settings_change_nothing(
    accounts: Accounts, tea: Registered[Tea], settings: dict[str, object], field: str, why: str
) -> None:
    await accounts.settings.put(CONSOLE, "tea", {"minutes": 3})
    with pytest.raises(BadInput, match=why) as caught:
        await accounts.settings.put(CONSOLE, "tea", settings)
    assert caught.value.field == field
    assert tea.now == Tea(minutes=3)


async def test_secrets_are_encrypted_and_never_shown(web: Web, tea: Registered[Tea]) -> None:
    admin = await web.signed_in("root", Role.ADMIN)
    put = await admin.put("settings/tea", json={"settings": {"minutes": 3, "recipe": "grandmother's"}})
    assert put.json() == {
        "section": "tea",
        "title": "Tea",
        "settings_schema": TEA.settings_schema,
        "settings": {"leaves": "black", "minutes": 3},
        "secrets": ["recipe"],
        "updated_at": put.json()["updated_at"],
    }
    assert (await admin.get("settings/tea")).json() == put.json()
    assert tea.now.recipe == "grandmother's"
    row = await web.accounts.store.read(lambda s: s.scalar(select(SettingsRow)))
    assert row is not None
    assert row.settings == {"minutes": 3}
    assert "grandmother" not in (row.secret or "")
    record = await web.accounts.store.read(lambda s: s.scalar(select(Audit).where(Audit.act == "settings.changed")))
    assert record is not None
    assert record.details == {"fields": ["minutes", "recipe"]}
    await admin.put("settings/tea", json={"settings": {"recipe": ""}})
    assert (await admin.get("settings/tea")).json()["secrets"] == []


async def test_settings_are_read_in_the_readers_language(web: Web, tea: Registered[Tea]) -> None:
    admin = await web.signed_in("root", Role.ADMIN)
    (listed,) = [one for one in (await admin.get("settings?language=zh-CN")).json() if one["section"] == "tea"]
    assert listed["title"] == "茶"
    titles = {name: rule["title"] for name, rule in listed["settings_schema"]["properties"].items()}
    assert titles == {"leaves": "茶叶", "minutes": "Minutes", "recipe": "Recipe"}
    assert listed["updated_at"] is None


async def test_only_administrators_see_or_change_them(web: Web, tea: Registered[Tea]) -> None:
    member = await web.signed_in("bob")
    for answer in (
        await member.get("settings"),
        await member.get("settings/tea"),
        await member.put("settings/tea", json={"settings": {}}),
    ):
        assert answer.status_code == 403
    admin = await web.signed_in("root", Role.ADMIN)
    assert (await admin.get("settings/coffee")).status_code == 404
    with pytest.raises(NotFound, match="tea"):
        web.accounts.settings.get("coffee")


async def test_what_was_set_is_there_after_a_restart(
    store: Store, secrets: Secrets, accounts: Accounts, tea: Registered[Tea]
) -> None:
    await accounts.settings.put(CONSOLE, "tea", {"minutes": 6, "recipe": "grandmother's"})
    async with restarted(store, secrets) as again:
        assert again.settings.register(TEA).now == Tea(minutes=6, recipe="grandmother's")


async def test_what_another_version_wrote_is_left_alone(
    store: Store, secrets: Secrets, accounts: Accounts, tea: Registered[Tea], caplog: pytest.LogCaptureFixture
) -> None:
    row = SettingsRow(section="tea", settings={"minutes": "a while"}, secret=None, updated_at=1)
    await accounts.snapshot.write(lambda session: session.add(row))
    assert tea.now == Tea()
    assert "cannot be read" in caplog.text


async def test_secrets_of_another_key_file_are_entered_anew(
    store: Store, accounts: Accounts, tea: Registered[Tea], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await accounts.settings.put(CONSOLE, "tea", {"minutes": 6, "recipe": "grandmother's"})
    (tmp_path / "moved").mkdir()
    async with restarted(store, Secrets(tmp_path / "moved")) as again:
        moved = again.settings.register(TEA)
        assert moved.now == Tea(minutes=6)
        assert KEY_FILE in caplog.text
        await again.settings.put(CONSOLE, "tea", {"recipe": "new"})
        assert moved.now.recipe == "new"


@asynccontextmanager
async def restarted(store: Store, secrets: Secrets) -> AsyncIterator[Accounts]:
    """The accounts of a server that starts on the same database."""
    accounts = Accounts(store, secrets, passwords=Passwords(QUICK))
    await accounts.start()
    yield accounts
    await accounts.stop()
