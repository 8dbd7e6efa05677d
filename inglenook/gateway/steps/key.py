"""Who asks."""

from inglenook.accounts.principal import Principal
from inglenook.accounts.service import Accounts
from inglenook.gateway.call import Exchange
from inglenook.gateway.steps.base import Step
from inglenook.kit.errors import Unauthenticated


class Key(Step):
    """Finds the principal behind a call's API key; callers inside the server bring theirs."""

    def __init__(self, accounts: Accounts) -> None:
        self._snapshot = accounts.snapshot

    def open(self, exchange: Exchange) -> None:
        """Raises Unauthenticated: there is no key, or it is not good."""
        call = exchange.call
        exchange.principal = call.principal or self.principal(call.credential)

    def principal(self, credential: bytes | None) -> Principal:
        """Whom a key stands for.

        Raises:
            Unauthenticated: there is no key, or it is not good.
        """
        if not credential:
            raise Unauthenticated(
                "this needs an API key: send it as 'Authorization: Bearer ink-…' "
                "(make one under Settings, API keys, or with 'inglenook key add NAME')"
            )
        principal = self._snapshot.principal_for_key(credential)
        if principal is None:
            raise Unauthenticated("the API key is unknown, expired or revoked; make a new one under Settings, API keys")
        return principal
