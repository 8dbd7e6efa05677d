"""A mail server for the accounts to write through."""

from collections.abc import AsyncIterator

import pytest

from inglenook.accounts.principal import CONSOLE
from inglenook.accounts.service import Accounts
from tests.support.mail import MailServer, open_mail_server


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with open_mail_server() as opened:
        yield opened


@pytest.fixture
async def post(accounts: Accounts, server: MailServer) -> MailServer:
    """The mail server, entered in the settings, beside the public address."""
    await accounts.settings.put(CONSOLE, "site", {"public_url": "https://house.test/ai"})
    await accounts.settings.put(CONSOLE, "mail", server.settings)
    return server
