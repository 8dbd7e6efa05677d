"""`/api/v1/settings`: what administrators change while the server runs."""

from typing import Annotated

import msgspec
from fastapi import APIRouter

from inglenook.accounts.admin_api import TheAccounts
from inglenook.accounts.permissions import needs
from inglenook.accounts.principal import Principal, Verb
from inglenook.accounts.schemas import SettingsIn, SettingsInfo
from inglenook.accounts.service import Accounts
from inglenook.kit.settings_schema import secret_names

router = APIRouter(prefix="/settings")

ReadsSettings = Annotated[Principal, needs(Verb.READ, "settings")]


@router.get("")
async def list_settings(_: ReadsSettings, accounts: TheAccounts, language: str = "en") -> list[SettingsInfo]:
    """Every section, in the words of `language` where it has them."""
    return [_info(accounts, registered.section.name, language) for registered in accounts.settings.all()]


@router.get("/{section}")
async def read_settings(section: str, _: ReadsSettings, accounts: TheAccounts, language: str = "en") -> SettingsInfo:
    """One section."""
    return _info(accounts, section, language)


@router.put("/{section}")
async def put_settings(
    section: str,
    body: SettingsIn,
    principal: Annotated[Principal, needs(Verb.EDIT, "settings")],
    accounts: TheAccounts,
    language: str = "en",
) -> SettingsInfo:
    """Replace a section. What is left out goes back to its default; a secret that is left out stays, null or ""
    removes it."""
    await accounts.settings.put(principal, section, body.settings)
    return _info(accounts, section, language)


def _info(accounts: Accounts, name: str, language: str) -> SettingsInfo:
    registered = accounts.settings.get(name)
    section = registered.section.localized(language)
    hidden = secret_names(section.settings_schema)
    values = {key: value for key, value in msgspec.to_builtins(registered.now).items() if key not in hidden}
    return SettingsInfo(
        section=name,
        title=section.title,
        settings_schema=section.settings_schema,
        settings=values,
        secrets=accounts.settings.secrets_set(name),
        updated_at=registered.stored.updated_at if registered.stored else None,
    )
