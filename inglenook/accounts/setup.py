"""The first start: whoever can read the server's terminal makes the first administrator.

While nobody administers the server there is a set-up token, in memory only, new at each start. The terminal prints
it as part of an address (`/setup#token=…`, a fragment, so that it enters no log of a proxy).
"""

import hmac
import secrets

from inglenook.accounts.errors import SetupDone, WrongSetupToken
from inglenook.accounts.snapshot import Live


class Setup:
    """The set-up token."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._token = secrets.token_urlsafe(24)

    @property
    def needed(self) -> bool:
        """Whether nobody administers this server yet."""
        return not self._live.now.has_admin

    @property
    def token(self) -> str | None:
        """The token, while it is of use."""
        return self._token if self.needed else None

    def check(self, token: str) -> None:
        """Return if `token` may set the server up.

        Raises:
            SetupDone: there is an administrator already.
            WrongSetupToken: it is another token.
        """
        if not self.needed:
            raise SetupDone
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise WrongSetupToken(field="token")
